// SPDX-License-Identifier: Apache-2.0
// When a NAT in front of us must see a packet, or it would forget our mapping and the peer's
// packets would no longer find us (RFC 3948 4). Pure; the driver sends what is due.
//
// Each edge does this by itself for every peer: each has its own place behind the NAT.
#pragma once

#include <map>
#include <vector>

#include "core/sa/records.h"

namespace anyswan::edge {

class NatKeepalives {
public:
    struct Path {
        Endpoint local;
        Endpoint remote;
        auto operator<=>(const Path&) const = default;
    };
    /// After this long without a packet on a path one is due; 0: none ever is.
    explicit NatKeepalives(Duration interval) : interval_(interval) {}

    void on_endpoint(Instant now, const sa::EndpointRecord& record);
    /// Any packet of ours to the peer.
    void sent(Instant now, const Path& path);
    /// The paths that need one now; they count as sent.
    [[nodiscard]] std::vector<Path> due(Instant now);

private:
    void forget(IkeSpi spi);

    struct Kept {
        Instant last_sent;
        std::size_t users = 0;  // IKE SAs
    };
    Duration interval_;
    std::map<IkeSpi, Path> by_ike_sa_;
    std::map<Path, Kept> paths_;
};

}  // namespace anyswan::edge
