// SPDX-License-Identifier: Apache-2.0
// The tunnels this edge knows from the store, as the IKE engine looks them up: with the revocation
// lists that were fetched for them.
#pragma once

#include <map>

#include "core/ike/engine.h"

namespace anyswan::edge {

class TunnelTable final : public ike::TunnelDirectory {
public:
    void put(sa::TunnelRecord record);
    /// Whether there was one.
    bool remove(const sa::TunnelId& id);
    /// The list behind a URL, for every tunnel that names it or goes by certificates' own points.
    void put_crl(const std::string& url, Bytes der);

    [[nodiscard]] std::vector<const sa::TunnelRecord*> by_address(
        const IpAddress& remote) const override;
    [[nodiscard]] const sa::TunnelRecord* by_id(const sa::TunnelId& id) const override;
    [[nodiscard]] const std::map<sa::TunnelId, sa::TunnelRecord>& all() const { return tunnels_; }

private:
    void add_fetched(sa::TunnelRecord& tunnel) const;

    std::map<sa::TunnelId, sa::TunnelRecord> tunnels_;
    std::map<sa::TunnelId, std::size_t> configured_crls_;  // the first of each tunnel's list
    std::map<std::string, Bytes> fetched_crls_;            // by URL
};

}  // namespace anyswan::edge
