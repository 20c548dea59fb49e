// SPDX-License-Identifier: Apache-2.0
// The tunnels this edge knows from the store, as the IKE engine looks them up.
#pragma once

#include <map>

#include "core/ike/engine.h"

namespace anyswan::edge {

class TunnelTable final : public ike::TunnelDirectory {
public:
    void put(sa::TunnelRecord record);
    /// Whether there was one.
    bool remove(const sa::TunnelId& id);

    [[nodiscard]] std::vector<const sa::TunnelRecord*> by_address(
        const IpAddress& remote) const override;
    [[nodiscard]] const sa::TunnelRecord* by_id(const sa::TunnelId& id) const override;
    [[nodiscard]] const std::map<sa::TunnelId, sa::TunnelRecord>& all() const { return tunnels_; }

private:
    std::map<sa::TunnelId, sa::TunnelRecord> tunnels_;
};

}  // namespace anyswan::edge
