// SPDX-License-Identifier: Apache-2.0
#include "edge/senders.h"

#include <algorithm>
#include <set>

namespace anyswan::edge {

namespace {

// A lease that was lost twice within this time goes to and fro; a route that moved loses it once.
constexpr Duration contended_within = 5s;
constexpr std::size_t losses_min = 2;
constexpr Duration ask_again_after = 3s;
constexpr Duration made_within = 15s;
// A peer that tidies up duplicates does so at once.
constexpr Duration kept_for = 30s;

}  // namespace

void SenderNeeds::on_taken(Instant now, const LeaseTaken& lease, bool was_ours) {
    Seen& seen = seen_[lease.inbound_spi];
    seen.holder = lease.sender;
    if (was_ours) {
        seen.losses.push_back(now);
        if (seen.losses.size() > losses_min) {
            seen.losses.pop_front();
        }
    }
}

std::optional<WantSender> SenderNeeds::on_need(Instant now, const sa::ChildSaRecord& record,
                                               bool held) {
    const auto found = seen_.find(record.inbound_spi);
    if (held || record.made_for != EdgeId{} || found == seen_.end()) {
        return std::nullopt;
    }
    Seen& seen = found->second;
    const bool shared = seen.holder != EdgeId{} && seen.holder != self_;
    const bool to_and_fro =
        seen.losses.size() >= losses_min && now - seen.losses.front() <= contended_within;
    const bool due = record.sender_rule == sa::SenderRule::per_edge ? shared : to_and_fro;
    const bool may = record.sender_rule == sa::SenderRule::per_edge ||
                     record.sender_rule == sa::SenderRule::automatic;
    if (!may || !due || (seen.asked && now - *seen.asked < ask_again_after)) {
        return std::nullopt;
    }
    seen.asked = now;
    return WantSender{record.ike_spi, self_};
}

std::optional<ike::Input> SenderGrants::on_want(Instant now, const WantSender& want,
                                                const std::vector<ike::IkeSaSummary>& sas,
                                                const ike::TunnelDirectory& tunnels) {
    const auto sa = std::ranges::find_if(sas, [&](const ike::IkeSaSummary& one) {
        return one.origin == want.origin && one.state == "established";
    });
    if (sa == sas.end()) {
        return std::nullopt;  // another edge's
    }
    const sa::TunnelRecord* tunnel = tunnels.by_id(sa->tunnel);
    const auto paused = paused_until_.find(want.origin);
    if (tunnel == nullptr ||
        (tunnel->sender_rule != sa::SenderRule::automatic &&
         tunnel->sender_rule != sa::SenderRule::per_edge) ||
        (paused != paused_until_.end() && now < paused->second)) {
        return std::nullopt;
    }
    std::size_t own = 0;
    for (const ike::ChildSummary& child : sa->children) {
        if (child.made_for == want.sender) {
            return std::nullopt;
        }
        own += child.made_for == EdgeId{} ? 0 : 1;
    }
    if (own >= own_children_max ||
        !wanted_.try_emplace({want.origin, want.sender}, Wanted{now, {}}).second) {
        return std::nullopt;
    }
    ++counters_["sender_child_sas_asked"];
    return ike::CreateChild{sa->our_spi, want.sender};
}

void SenderGrants::on_traffic(Instant now, const TrafficRow& row) {
    const auto used = used_.find(row.inbound_spi);
    if (used != used_.end() && row.packets_in + row.packets_out > 0) {
        used->second = now;
    }
}

void SenderGrants::pause(Instant now, IkeSpi origin, const char* counter) {
    ++counters_[counter];
    paused_until_[origin] = now + own_child_pause;
}

/// Whether there is still something to look after.
bool SenderGrants::look_after(Instant now, const Key& key, Wanted& wanted,
                              const std::map<Key, EspSpi>& living) {
    if (living.contains(key)) {
        wanted.made = wanted.made.value_or(now);
        return now - *wanted.made < kept_for;
    }
    if (wanted.made) {
        pause(now, key.first, "sender_child_sas_tidied_up");
        return false;
    }
    if (now - wanted.since >= made_within) {
        pause(now, key.first, "sender_child_sas_refused");
        return false;
    }
    return true;
}

std::vector<ike::Input> SenderGrants::decide(Instant now,
                                             const std::vector<ike::IkeSaSummary>& sas) {
    std::map<Key, EspSpi> living;
    std::set<IkeSpi> origins;
    std::map<EspSpi, Instant> used;
    std::vector<ike::Input> decisions;
    for (const ike::IkeSaSummary& sa : sas) {
        origins.insert(sa.origin);
        for (const ike::ChildSummary& child : sa.children) {
            if (child.made_for == EdgeId{}) {
                continue;
            }
            living.emplace(Key{sa.origin, child.made_for}, child.inbound_spi);
            const auto before = used_.find(child.inbound_spi);
            const Instant last = before == used_.end() ? now : before->second;
            used.emplace(child.inbound_spi, last);
            if (now - last >= own_child_idle_after && !child.rekeying) {
                ++counters_["sender_child_sas_idle"];
                decisions.emplace_back(ike::DeleteChild{sa.our_spi, child.inbound_spi});
            }
        }
    }
    used_ = std::move(used);
    for (auto at = wanted_.begin(); at != wanted_.end();) {
        const bool stays =
            origins.contains(at->first.first) && look_after(now, at->first, at->second, living);
        at = stays ? std::next(at) : wanted_.erase(at);
    }
    std::erase_if(paused_until_, [&](const auto& entry) {
        return now >= entry.second || !origins.contains(entry.first);
    });
    return decisions;
}

}  // namespace anyswan::edge
