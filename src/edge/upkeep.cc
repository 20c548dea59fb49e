// SPDX-License-Identifier: Apache-2.0
#include "edge/upkeep.h"

#include <algorithm>
#include <set>

namespace anyswan::edge {

namespace {

/// The part of a limit at which to rekey, in thousandths: 800 to 899, by SPI.
std::uint64_t soft_permille(std::uint64_t spi) {
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;  // spreads neighbouring SPIs
    return 800 + (spi * golden >> 32U) % 100;
}

/// Whether so little is left of a lifetime that it is time to rekey.
bool soft_time(Duration left, Duration whole, std::uint64_t spi) {
    return left <= whole / 1000 * static_cast<std::int64_t>(1000 - soft_permille(spi));
}

/// The same of a volume; a limit of 0 is none.
bool soft_volume(std::uint64_t used, std::uint64_t limit, std::uint64_t spi) {
    return limit > 0 && used >= limit / 1000 * soft_permille(spi);
}

bool over(std::uint64_t used, std::uint64_t limit) {
    return limit > 0 && used >= limit;
}

/// How long a rekey that came to nothing rests before it is tried again.
Duration retry_pause(Duration lifetime) {
    return std::clamp<Duration>(lifetime / 50, 1s, 30s);
}

bool rested(const std::optional<Instant>& tried, Instant now, Duration lifetime) {
    return !tried || now - *tried >= retry_pause(lifetime);
}

}  // namespace

void Upkeep::on_traffic(Instant now, const TrafficRow& row) {
    Carried& sum = carried_[row.inbound_spi];
    if (row.packets_in > 0) {
        sum.heard = now;
    }
    sum.bytes_in += row.bytes_in;
    sum.packets_in += row.packets_in;
    sum.bytes_out += row.bytes_out;
    sum.packets_out += row.packets_out;
    sum.numbers_low = sum.numbers_low || row.numbers_low;
}

void Upkeep::forget_unless(const std::function<bool(EspSpi)>& exists) {
    if (++calls_ % 60 == 0) {
        std::erase_if(carried_, [&](const auto& entry) { return !exists(entry.first); });
    }
}

std::vector<ike::Input> Upkeep::decide(Now now, const std::vector<ike::IkeSaSummary>& sas,
                                       const ike::TunnelDirectory& tunnels) {
    std::vector<ike::Input> decisions;
    std::set<IkeSpi> ours;
    for (const ike::IkeSaSummary& sa : sas) {
        const sa::TunnelRecord* tunnel = tunnels.by_id(sa.tunnel);
        if (tunnel != nullptr && sa.state == "established") {
            ours.insert(sa.our_spi);
            look_after(now, sa, *tunnel, decisions);
        }
    }
    std::erase_if(watched_, [&](const auto& entry) { return !ours.contains(entry.first); });
    return decisions;
}

void Upkeep::look_after(Now now, const ike::IkeSaSummary& sa, const sa::TunnelRecord& tunnel,
                        std::vector<ike::Input>& decisions) {
    Watched& watched =
        watched_.try_emplace(sa.our_spi, Watched{now.instant, now.instant, {}, {}}).first->second;
    const Duration lifetime = std::chrono::seconds(tunnel.ike_lifetime_s);
    const Duration left = lifetime - Duration(now.wall.unix_ns - sa.established_at.unix_ns);
    if (left <= 0s) {
        decisions.emplace_back(ike::Terminate{sa.tunnel, sa.our_spi});
        return;
    }
    if (soft_time(left, lifetime, sa.our_spi.value()) && !sa.rekeying &&
        rested(watched.rekeyed, now.instant, lifetime)) {
        watched.rekeyed = now.instant;
        decisions.emplace_back(ike::RekeyIke{sa.our_spi});
    }
    look_after_children(now, sa, tunnel, watched, decisions);
    const std::chrono::seconds dpd(tunnel.dpd_s);
    if (dpd > 0s && now.instant - last_heard(sa, watched) >= dpd) {
        watched.probed = now.instant;
        decisions.emplace_back(ike::ProbeLiveness{sa.our_spi});
    }
}

void Upkeep::look_after_children(Now now, const ike::IkeSaSummary& sa,
                                 const sa::TunnelRecord& tunnel, Watched& watched,
                                 std::vector<ike::Input>& decisions) const {
    std::map<EspSpi, Instant> tried;
    for (const ike::ChildSummary& child : sa.children) {
        std::optional<Instant> last;
        if (const auto found = watched.children.find(child.inbound_spi);
            found != watched.children.end()) {
            last = found->second;
        }
        const Due what = child.rekeying ? Due::nothing : due(child, tunnel, now.wall);
        if (what == Due::end) {
            decisions.emplace_back(ike::DeleteChild{sa.our_spi, child.inbound_spi});
        } else if (what == Due::rekey &&
                   rested(last, now.instant, std::chrono::seconds(tunnel.child_lifetime_s))) {
            last = now.instant;
            decisions.emplace_back(ike::RekeyChild{sa.our_spi, child.inbound_spi});
        }
        if (last) {
            tried.emplace(child.inbound_spi, *last);
        }
    }
    watched.children = std::move(tried);  // and what no longer exists is forgotten
}

Upkeep::Due Upkeep::due(const ike::ChildSummary& child, const sa::TunnelRecord& tunnel,
                        WallTime now) const {
    const auto found = carried_.find(child.inbound_spi);
    const Carried sum = found == carried_.end() ? Carried{} : found->second;
    // Each direction has its own key, so each its own count.
    const std::uint64_t bytes = std::max(sum.bytes_in, sum.bytes_out);
    const std::uint64_t packets = std::max(sum.packets_in, sum.packets_out);
    const Duration left(child.expires_at.unix_ns - now.unix_ns);
    // A second early: every edge drops the SA by itself when its time is over, and the peer should
    // hear of it before.
    if (left <= 1s || over(bytes, tunnel.child_lifetime_bytes) ||
        over(packets, tunnel.child_lifetime_packets)) {
        return Due::end;
    }
    const std::uint64_t spi = child.inbound_spi.value();
    const bool near = soft_time(left, std::chrono::seconds(tunnel.child_lifetime_s), spi) ||
                      soft_volume(bytes, tunnel.child_lifetime_bytes, spi) ||
                      soft_volume(packets, tunnel.child_lifetime_packets, spi) || sum.numbers_low;
    return near ? Due::rekey : Due::nothing;
}

Instant Upkeep::last_heard(const ike::IkeSaSummary& sa, const Watched& watched) const {
    Instant last = std::max(watched.since, watched.probed);
    for (const ike::ChildSummary& child : sa.children) {
        if (const auto found = carried_.find(child.inbound_spi); found != carried_.end()) {
            last = std::max(last, found->second.heard);
        }
    }
    return last;
}

}  // namespace anyswan::edge
