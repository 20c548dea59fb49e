// SPDX-License-Identifier: Apache-2.0
// The inbound half of the forwarder, and its timers.
#include "dataplane/forward/forwarder.h"

#include <algorithm>

#include "core/wire/esp/esp.h"
#include "core/wire/ip/too_big.h"
#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

using esp::DropReason;
using esp::OuterPacket;

void ForwarderOutput::clear() {
    inner.clear();
    outer.clear();
    events.clear();
}

Forwarder::Forwarder(const ForwarderOptions& options, Random& random, esp::PacketPool& pool)
    : options_(options),
      random_(random),
      pool_(pool),
      ivs_(options.incarnation, options.worker, options.workers),
      held_(drops_) {
    // RFC 8200 5: a link that carries IPv6 has an MTU of at least 1280.
    check(options.inner_mtu >= 1280 && options.inner_mtu <= 65535, "inner MTU");
}

std::optional<DomainId> Forwarder::find_domain(const std::string& account) const {
    const auto found = domains_.find(account);
    return found == domains_.end() ? std::nullopt : std::optional(found->second->id);
}

void Forwarder::drop(DropReason reason, esp::Packet& packet) {
    count_drop(drops_, reason);
    pool_.give(std::move(packet));
}

// (sequential) Packets of one SPI that came together are opened together.
void Forwarder::receive(std::span<OuterPacket> packets, const Now& now, ForwarderOutput& out) {
    const auto spi_of = [](const OuterPacket& outer) {
        const auto header = wire::esp::read_header(outer.packet.bytes());
        return header ? header->spi : EspSpi(0);
    };
    std::size_t begin = 0;
    while (begin < packets.size()) {
        const EspSpi spi = spi_of(packets[begin]);
        std::size_t end = begin + 1;
        while (end < packets.size() && spi_of(packets[end]) == spi) {
            ++end;
        }
        const std::span<OuterPacket> run = packets.subspan(begin, end - begin);
        if (Sa* sa = sas_.find(spi)) {
            receive_run(*sa, run, now, out);
        } else {
            hold_run(spi, run, now, out);
        }
        begin = end;
    }
}

void Forwarder::hold_run(EspSpi spi, std::span<OuterPacket> packets, const Now& now,
                         ForwarderOutput& out) {
    for (OuterPacket& outer : packets) {
        if (outer.packet.size() < wire::esp::header_size) {
            drop(DropReason::esp_bad_length, outer.packet);
        } else if (spi < wire::esp::spi_min) {
            drop(DropReason::esp_reserved_spi, outer.packet);
        } else {
            const std::size_t before = held_.size();
            held_.hold(spi, outer, now.instant, out.events);
            counts_.held_unknown_spi += held_.size() - before;
            pool_.give(std::move(outer.packet));
        }
    }
}

void Forwarder::receive_run(Sa& sa, std::span<OuterPacket> packets, const Now& now,
                            ForwarderOutput& out) {
    if (sa.expired(now.wall)) {
        for (OuterPacket& outer : packets) {
            drop(DropReason::sa_expired, outer.packet);
        }
        return;
    }
    opened_.resize(packets.size());
    sa.inbound.open(packets, opened_);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (opened_[i].newest) {
            follow_peer(sa, packets[i], now, out);
        }
        if (opened_[i].authentic) {
            sa.waits_for.reset();  // the peer has our response, it uses this SA
            sa.waits_until.reset();
            if (sa.numbered && sa.inbound.highest() > sa.told &&
                !std::exchange(sa.mark_to_report, true)) {
                marked_sas_.push_back(sa.inbound_spi);
            }
            mark_used(sa);
        }
        if (opened_[i].drop) {
            drop(*opened_[i].drop, packets[i].packet);
        } else {
            deliver(sa, packets[i], opened_[i], out);
        }
    }
    sa.usage.highest_in = sa.inbound.highest();
}

void Forwarder::deliver(Sa& sa, OuterPacket& outer, const esp::Opened& opened,
                        ForwarderOutput& out) {
    const std::uint16_t mss = wire::ip::mss_of_mtu(options_.inner_mtu, opened.inner.family);
    if (wire::ip::clamp_mss(outer.packet.bytes(), opened.inner, mss)) {
        ++counts_.mss_clamped;
    }
    const std::size_t size = outer.packet.size();
    ++sa.usage.packets_in;
    sa.usage.bytes_in += size;
    ++counts_.packets_in;
    counts_.bytes_in += size;
    out.inner.push_back({std::move(outer.packet), sa.domain});
}

// RFC 7296 2.23: the peer is where "the last valid authenticated packet" came from. Only a new
// highest number counts, so that a delayed or replayed packet moves nothing; only UDP, since no NAT
// passes plain ESP on from changing addresses. "A host behind a NAT SHOULD NOT do this type of
// dynamic address update": an attacker could "break the connection with a single packet".
void Forwarder::follow_peer(Sa& sa, const OuterPacket& from, const Now& now, ForwarderOutput& out) {
    if (!options_.follow_moved_peers || sa.behind_nat || !sa.udp_encapsulation ||
        !from.udp_encapsulation || (from.remote == sa.remote && from.local == sa.local)) {
        return;
    }
    for (Sa* sibling : sas_.of_ike_sa(sa.ike_spi)) {
        sibling->local = from.local;
        sibling->remote = from.remote;
    }
    ++counts_.endpoint_moves;
    if (!sa.moved_reported || now.instant - *sa.moved_reported >= report_interval) {
        sa.moved_reported = now.instant;
        out.events.emplace_back(EndpointMoved{sa.inbound_spi, from.local, from.remote});
    } else if (!sa.move_to_report) {
        sa.move_to_report = true;
        moved_sas_.push_back(sa.inbound_spi);
    }
}

void Forwarder::mark_used(Sa& sa) {
    if (!sa.has_usage) {
        sa.has_usage = true;
        used_sas_.push_back(sa.inbound_spi);
    }
}

void Forwarder::tick(const Now& now, ForwarderOutput& out) {
    held_.tick(now.instant);
    std::erase_if(waiting_sas_, [&](EspSpi spi) {
        Sa* sa = sas_.find(spi);
        if (sa == nullptr) {
            return true;
        }
        expire_waiting(*sa, now.instant);
        if (sa->waiting.empty()) {
            return true;
        }
        ask_for_sequence(*sa, now.instant, out);
        return false;
    });
    std::erase_if(draining_sas_, [&](EspSpi spi) {
        const Sa* sa = sas_.find(spi);
        if (sa != nullptr && *sa->draining_until > now.instant) {
            return false;
        }
        (void)remove_sa(spi);  // nothing waits on an SA that drains
        return true;
    });
    if (now.instant - marks_reported_ >= mark_interval) {
        marks_reported_ = now.instant;
        report_marks(out);
    }
    if (!reported_) {
        reported_ = now.instant;
    }
    if (now.instant - *reported_ >= report_interval) {
        report(now, out);
    }
}

void Forwarder::expire_waiting(Sa& sa, Instant now) {
    while (!sa.waiting.empty() && now - sa.waiting.front().since >= waiting_max) {
        count_drop(drops_, DropReason::sequence_timeout);
        sa.waiting.pop_front();
        --waiting_count_;
    }
}

void Forwarder::report_marks(ForwarderOutput& out) {
    for (const EspSpi spi : marked_sas_) {
        if (Sa* sa = sas_.find(spi)) {
            sa->mark_to_report = false;
            sa->told = sa->inbound.highest();
            out.events.emplace_back(Received{spi, sa->told});
        }
    }
    marked_sas_.clear();
}

void Forwarder::report(const Now& now, ForwarderOutput& out) {
    const auto elapsed = static_cast<std::uint64_t>((now.instant - *reported_) / 1ms);
    for (const EspSpi spi : used_sas_) {
        if (Sa* sa = sas_.find(spi)) {
            sa->usage.inbound_spi = spi;
            sa->rate_per_s = sa->usage.packets_out * 1000 / elapsed;
            sa->rate_at = now.instant;
            out.events.emplace_back(sa->usage);
            const Usage reported = std::exchange(sa->usage, Usage{});
            sa->usage.highest_in = reported.highest_in;
            sa->usage.highest_out = reported.highest_out;
            sa->has_usage = false;
        }
    }
    used_sas_.clear();
    for (const EspSpi spi : moved_sas_) {
        if (Sa* sa = sas_.find(spi)) {
            sa->move_to_report = false;
            sa->moved_reported = now.instant;
            out.events.emplace_back(EndpointMoved{spi, sa->local, sa->remote});
        }
    }
    moved_sas_.clear();
    reported_ = now.instant;
}

}  // namespace anyswan::dataplane
