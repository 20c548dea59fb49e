// SPDX-License-Identifier: Apache-2.0
// When to ask a peer whether it lives, and when an IKE SA has lived long enough. Pure.
//
// We ask only when no edge has heard from the peer for the tunnel's `dpd`: every edge tells the
// others which SAs carried inbound traffic. Without rekeying, an IKE SA lives as long as its first
// Child SA.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "core/ike/engine.h"

namespace anyswan::edge {

class Upkeep {
public:
    /// Authenticated packets came in on this Child SA, at any edge.
    void on_traffic(Instant now, EspSpi inbound) { heard_[inbound] = now; }

    struct Decision {
        std::vector<IkeSpi> probe;
        std::vector<sa::TunnelId> terminate;
    };
    /// To be asked about once a second, with the IKE SAs that this edge owns.
    [[nodiscard]] Decision decide(Instant now, const std::vector<ike::IkeSaSummary>& sas,
                                  const ike::TunnelDirectory& tunnels);

private:
    struct Watched {
        Instant since;
        Instant probed;
    };
    [[nodiscard]] Instant last_heard(const ike::IkeSaSummary& sa, const Watched& watched) const;
    void forget_others(const std::vector<ike::IkeSaSummary>& sas);

    std::map<EspSpi, Instant> heard_;
    std::map<IkeSpi, Watched> watched_;
};

}  // namespace anyswan::edge
