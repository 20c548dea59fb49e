// SPDX-License-Identifier: Apache-2.0
#include "edge/upkeep.h"

#include <algorithm>

namespace anyswan::edge {

Upkeep::Decision Upkeep::decide(Instant now, const std::vector<ike::IkeSaSummary>& sas,
                                const ike::TunnelDirectory& tunnels) {
    Decision decision;
    forget_others(sas);
    for (const ike::IkeSaSummary& sa : sas) {
        const sa::TunnelRecord* tunnel = tunnels.by_id(sa.tunnel);
        if (tunnel == nullptr || sa.state != "established") {
            continue;
        }
        Watched& watched = watched_.try_emplace(sa.our_spi, Watched{now, now}).first->second;
        const std::chrono::seconds lifetime(
            std::min(tunnel->ike_lifetime_s, tunnel->child_lifetime_s));
        if (now - watched.since >= lifetime - 1s) {
            decision.terminate.push_back(sa.tunnel);
            continue;
        }
        const std::chrono::seconds dpd(tunnel->dpd_s);
        if (dpd > 0s && now - last_heard(sa, watched) >= dpd) {
            watched.probed = now;
            decision.probe.push_back(sa.our_spi);
        }
    }
    return decision;
}

Instant Upkeep::last_heard(const ike::IkeSaSummary& sa, const Watched& watched) const {
    Instant last = std::max(watched.since, watched.probed);
    for (const EspSpi child : sa.children) {
        if (const auto found = heard_.find(child); found != heard_.end()) {
            last = std::max(last, found->second);
        }
    }
    return last;
}

void Upkeep::forget_others(const std::vector<ike::IkeSaSummary>& sas) {
    std::set<IkeSpi> ours;
    std::set<EspSpi> children;
    for (const ike::IkeSaSummary& sa : sas) {
        ours.insert(sa.our_spi);
        children.insert(sa.children.begin(), sa.children.end());
    }
    std::erase_if(watched_, [&](const auto& entry) { return !ours.contains(entry.first); });
    std::erase_if(heard_, [&](const auto& entry) { return !children.contains(entry.first); });
}

}  // namespace anyswan::edge
