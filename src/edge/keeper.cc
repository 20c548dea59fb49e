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
        const auto of_tunnel = [&id = tunnel](const auto& sa) { return sa.tunnel == id; };
        const auto complete = [&](const auto& sa) { return of_tunnel(sa) && !sa.children.empty(); };
        if (std::ranges::any_of(sas, complete)) {
            kept.pause = keeper_pause_first;
            continue;
        }
        const auto bare = std::ranges::find_if(sas, [&](const auto& sa) {
            return of_tunnel(sa) && sa.state == "established" && !sa.rekeying;
        });
        const bool under_way = bare == sas.end() && std::ranges::any_of(sas, of_tunnel);
        if (under_way || now < kept.next_try) {
            continue;
        }
        kept.next_try = now + kept.pause;
        kept.pause = std::min(kept.pause * 2, keeper_pause_max);
        if (bare != sas.end()) {
            ike_.want(ike::CreateChild{bare->our_spi});  // the peer deleted the Child SA alone
        } else {
            ike_.initiate(tunnel, local_, remote_);
        }
    }
}

}  // namespace anyswan::edge
