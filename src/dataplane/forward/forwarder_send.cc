// SPDX-License-Identifier: Apache-2.0
// The outbound half of the forwarder: from inner packets to ESP.
#include <algorithm>

#include "core/wire/ip/too_big.h"
#include "dataplane/forward/forwarder.h"
#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

using esp::DropReason;
using esp::Packet;
using wire::ip::IpView;

// (sequential) Route every packet, then seal runs of packets that go to the same SA.
void Forwarder::send(DomainId domain_id, std::span<Packet> packets, const Now& now,
                     ForwarderOutput& out) {
    const auto found = domains_by_id_.find(domain_id);
    if (found == domains_by_id_.end()) {
        for (Packet& packet : packets) {
            drop(DropReason::no_route, packet);
        }
        return;
    }
    routed_.clear();
    for (Packet& packet : packets) {
        routed_.push_back(route(*found->second, packet, now, out));
    }
    std::size_t begin = 0;
    while (begin < packets.size()) {
        Sa* sa = routed_[begin].sa;
        std::size_t end = begin + 1;
        while (end < packets.size() && routed_[end].sa == sa) {
            ++end;
        }
        if (sa != nullptr) {
            seal_run(*sa, packets.subspan(begin, end - begin),
                     std::span(routed_).subspan(begin, end - begin), now, out);
        }
        begin = end;
    }
}

/// Finds the packet's SA; without one the packet is dropped and counted here.
Forwarder::Routed Forwarder::route(Domain& domain, Packet& packet, const Now& now,
                                   ForwarderOutput& out) {
    const auto view = wire::ip::parse_ip(packet.bytes());
    if (!view) {
        drop(DropReason::outbound_malformed, packet);
        return {};
    }
    packet.resize(view->total_size);
    const std::vector<Tunnel*>* tunnels = domain.routes.lookup(view->destination);
    if (tunnels == nullptr) {
        drop(wire::ip::is_multicast(view->destination) ? DropReason::outbound_multicast
                                                       : DropReason::no_route,
             packet);
        return {};
    }
    if (packet.size() > options_.inner_mtu) {
        answer_too_big(domain, packet, *view, out);
        drop(DropReason::outbound_too_big, packet);
        return {};
    }
    const auto sa = choose_sa(*tunnels, *view, now);
    if (!sa) {
        drop(sa.error(), packet);
        return {};
    }
    const std::uint16_t mss = wire::ip::mss_of_mtu(options_.inner_mtu, view->family);
    if (wire::ip::clamp_mss(packet.bytes(), *view, mss)) {
        ++counts_.mss_clamped;
    }
    return {*sa, view->traffic_class};
}

/// RFC 7296 2.8: an SA that the peer asked for is used once the peer shows that it has it; until
/// then by the one it replaces, as long as that can carry the packet.
bool Forwarder::must_wait(const Sa& sa, const IpView& packet, const Now& now) const {
    if (!sa.waits_for) {
        return false;
    }
    Sa* before = sas_.find(*sa.waits_for);
    return before != nullptr && !before->draining_until && !before->expired(now.wall) &&
           before->outbound.covers(packet) && !before->outbound.sequence().exhausted();
}

/// The best usable SA of the first tunnel that has one; or the reason that says most.
Expected<Sa*, DropReason> Forwarder::choose_sa(const std::vector<Tunnel*>& tunnels,
                                               const IpView& packet, const Now& now) {
    DropReason reason = DropReason::no_sa;
    for (const Tunnel* tunnel : tunnels) {
        Sa* waiting = nullptr;
        for (Sa* sa : tunnel->best_first) {
            if (sa->draining_until || must_wait(*sa, packet, now)) {
                continue;
            }
            if (!sa->outbound.covers(packet)) {
                reason = reason == DropReason::no_sa ? DropReason::outbound_selector : reason;
            } else if (sa->expired(now.wall)) {
                reason = DropReason::sa_expired;
            } else if (sa->outbound.sequence().exhausted()) {
                reason = DropReason::sequence_exhausted;
            } else if (sa->waits_until && now.instant < *sa->waits_until) {
                waiting = sa;  // the oldest: the peer is most likely to have that
            } else {
                return sa;
            }
        }
        if (waiting != nullptr) {
            return waiting;
        }
    }
    return Unexpected{reason};
}

void Forwarder::answer_too_big(const Domain& domain, const Packet& packet, const IpView& view,
                               ForwarderOutput& out) {
    if (!view.dont_fragment || !wire::ip::may_send_icmp_error(packet.bytes(), view)) {
        return;
    }
    Packet error = pool_.take();
    error.resize(wire::ip::icmpv6_error_size_max);
    error.resize(wire::ip::build_too_big(
        packet.bytes(), view, static_cast<std::uint16_t>(options_.inner_mtu), error.bytes()));
    out.inner.push_back({std::move(error), domain.id});
    ++counts_.too_big_sent;
}

void Forwarder::seal_run(Sa& sa, std::span<Packet> packets, std::span<const Routed> routed,
                         const Now& now, ForwarderOutput& out) {
    sizes_.clear();
    for (const Packet& packet : packets) {
        sizes_.push_back(packet.size());
    }
    // Packets that wait came first.
    const std::size_t sealed = sa.waiting.empty() ? sa.outbound.seal(packets, ivs_, random_) : 0;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (i < sealed) {
            emit(sa, packets[i], routed[i].traffic_class, sizes_[i], out);
        } else {
            wait(sa, packets[i], routed[i].traffic_class, now.instant);
        }
    }
    if (!sa.waiting.empty() || sa.outbound.sequence().running_low()) {
        ask_for_sequence(sa, now.instant, out);
    }
}

/// Takes a sealed packet to the peer. RFC 4301 5.1.2: DSCP is copied from the inner header; RFC
/// 6040 4.1: so is ECN.
void Forwarder::emit(Sa& sa, Packet& packet, std::uint8_t traffic_class, std::size_t inner_size,
                     ForwarderOutput& out) {
    out.outer.push_back(
        {std::move(packet), sa.local, sa.remote, sa.udp_encapsulation, traffic_class});
    ++sa.usage.packets_out;
    sa.usage.bytes_out += inner_size;
    sa.usage.highest_out = sa.outbound.sequence().used_up_to();
    ++counts_.packets_out;
    counts_.bytes_out += inner_size;
    mark_used(sa);
}

void Forwarder::wait(Sa& sa, Packet& packet, std::uint8_t traffic_class, Instant now) {
    if (sa.outbound.sequence().exhausted()) {
        drop(DropReason::sequence_exhausted, packet);
        return;
    }
    if (sa.waiting.size() >= waiting_packets_per_sa_max || waiting_count_ >= waiting_packets_max) {
        drop(DropReason::sequence_queue_full, packet);
        return;
    }
    if (sa.waiting.empty()) {
        waiting_sas_.push_back(sa.inbound_spi);
    }
    // A copy of its own size: the pool's buffers are big, and few.
    sa.waiting.push_back({Packet::copy_of(packet.bytes()), traffic_class, now});
    ++waiting_count_;
    ++counts_.waited_for_sequence;
    pool_.give(std::move(packet));
}

/// Sends what waits, in order, as far as numbers go.
void Forwarder::send_waiting(Sa& sa, const Now& now, ForwarderOutput& out) {
    while (!sa.waiting.empty() && sa.outbound.sequence().available() > 0) {
        WaitingPacket waiting = std::move(sa.waiting.front());
        sa.waiting.pop_front();
        --waiting_count_;
        const std::size_t size = waiting.packet.size();
        const std::size_t sealed = sa.outbound.seal({&waiting.packet, 1}, ivs_, random_);
        check(sealed == 1, "a number was available");
        emit(sa, waiting.packet, waiting.traffic_class, size, out);
    }
    if (!sa.waiting.empty()) {
        ask_for_sequence(sa, now.instant, out);
    }
}

void Forwarder::ask_for_sequence(Sa& sa, Instant now, ForwarderOutput& out) {
    if (sa.asked_for_sequence && now - *sa.asked_for_sequence < need_sequence_interval) {
        return;
    }
    sa.asked_for_sequence = now;
    const std::uint64_t recent = sa.usage.packets_out + sa.waiting.size();
    out.events.emplace_back(NeedSequence{sa.inbound_spi, sa.outbound.sequence().used_up_to(),
                                         std::max(sa.rate_per_s, recent)});
}

}  // namespace anyswan::dataplane
