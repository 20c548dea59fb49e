// SPDX-License-Identifier: Apache-2.0
#include "edge/keeper.h"

#include <algorithm>

namespace anyswan::edge {

Keeper::Keeper(Loop& loop, IkeRole& ike, Endpoint local, Endpoint remote)
    : ike_(ike), local_(local), remote_(remote), timer_(loop) {
    timer_.every(200ms, [this] { look(); });
}

void Keeper::keep(const sa::TunnelId& tunnel) {
    kept_.try_emplace(tunnel);
}

void Keeper::look() {
    const Instant now = net::read_clock().instant;
    const std::vector<ike::IkeSaSummary> sas = ike_.list();
    for (auto& [tunnel, kept] : kept_) {
        const auto mine =
            std::find_if(sas.begin(), sas.end(),
                         [&id = tunnel](const ike::IkeSaSummary& sa) { return sa.tunnel == id; });
        if (mine != sas.end()) {
            if (!mine->children.empty()) {
                kept.pause = keeper_pause_first;
            }
            continue;
        }
        if (now >= kept.next_try) {
            kept.next_try = now + kept.pause;
            kept.pause = std::min(kept.pause * 2, keeper_pause_max);
            ike_.initiate(tunnel, local_, remote_);
        }
    }
}

}  // namespace anyswan::edge
