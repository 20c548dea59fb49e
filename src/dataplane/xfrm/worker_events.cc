// SPDX-License-Identifier: Apache-2.0
// What the kernel tells the driver, and what time brings.
#include <algorithm>

#include "core/esp/selectors.h"
#include "core/wire/ip/ip_view.h"
#include "dataplane/forward/limits.h"
#include "dataplane/xfrm/replay_lift.h"
#include "dataplane/xfrm/worker.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr int packets_per_turn = 128;
/// SAs that are asked about in one tick, after events were lost.
constexpr std::size_t polls_per_tick = 100;
/// SAs whose windows follow the fleet's marks in one tick.
constexpr std::size_t lifts_per_tick = 200;
constexpr ReportRule inbound_reports{0, 2};  // as in model.cc

}  // namespace

void Worker::read_events() {
    const bool whole = kernel_events_.receive([this](ByteView message) {
        if (const auto event = decode(message)) {
            std::visit([this](const auto& one) { on_event(one); }, *event);
        }
    });
    if (!whole) {
        ++counts_["netlink_events_lost"];
        poll_.clear();
        for (const auto& [spi, book] : books_) {
            poll_.push_back(spi);
        }
    }
}

void Worker::on_event(const Expired& event) {
    Sa* sa = model_.find_outbound(event.id);
    if (sa == nullptr || sa->tunnel->number != event.reqid) {
        return;
    }
    ++counts_[event.hard ? "kernel_expired_hard" : "kernel_expired_soft"];
    if (event.hard) {
        kernel_.forget(event.reqid, event.id);
        sa->numbers.reset();
        touch(*sa->tunnel);
    } else if (const auto report = kernel_.use(event.id)) {
        used(*sa, *report, false);
    }
    ask(*sa, 0);
}

/// A policy found no state: it was removed by somebody, or ended a moment ago.
void Worker::on_event(const Acquire& event) {
    if (!is_own(event.reqid)) {
        return;
    }
    ++counts_["kernel_acquires"];
    Tunnel* tunnel = model_.find_number(event.reqid);
    if (tunnel == nullptr) {
        return;
    }
    for (Sa* sa : model_.senders(*tunnel)) {
        if (!kernel_.alive(sa->outbound_id(), sa->local.address)) {
            kernel_.forget(tunnel->number, sa->outbound_id());
            sa->numbers.reset();
            ask(*sa, 1);
        }
    }
    touch(*tunnel);
}

// RFC 7296 2.23: the peer is where "the last valid authenticated packet" came from. The kernel
// reports any authentic packet; so that a delayed one moves nothing, the highest number must have
// grown since the last move.
void Worker::on_event(const Mapping& event) {
    Sa* sa = model_.find(event.id.spi);
    if (sa == nullptr || !config_.base.follow_moved_peers || sa->behind_nat ||
        !sa->udp_encapsulation || sa->inbound_id() != event.id || sa->remote == event.now) {
        return;
    }
    SaBook& book = books_[event.id.spi];
    const auto report = kernel_.use(event.id);
    if (!report || (book.moved_at && report->replay.received <= book.highest_at_move)) {
        return;
    }
    book.highest_at_move = report->replay.received;
    book.moved_at = now_;
    ++counts_["endpoint_moves"];
    const Endpoint local = sa->local;
    for (Sa* sibling : model_.of_ike_sa(sa->record.ike_spi)) {
        move(*sibling, local, event.now, true);
    }
    out_.emplace_back(EndpointMoved{event.id.spi, local, event.now});
}

// The kernel makes the report before it has counted the packet that caused it, so we ask again.
void Worker::on_event(const UseReport& event) {
    if (!is_own(event.reqid)) {
        return;
    }
    Sa* sa = model_.find(event.id.spi);
    const bool inbound = sa != nullptr && sa->inbound_id() == event.id;
    sa = inbound ? sa : model_.find_outbound(event.id);
    if (sa != nullptr) {
        used(*sa, kernel_.use(event.id).value_or(event), inbound);
    }
}

void Worker::used(Sa& sa, const UseReport& report, bool inbound) {
    SaBook& book = books_[sa.record.inbound_spi];
    std::uint64_t& last_bytes = inbound ? book.in_bytes : book.out_bytes;
    std::uint64_t& last_packets = inbound ? book.in_packets : book.out_packets;
    if (report.packets < last_packets) {
        last_bytes = last_packets = 0;  // another state took its place
    }
    const std::uint64_t bytes = report.bytes - std::min(report.bytes, last_bytes);
    const std::uint64_t packets = report.packets - last_packets;
    last_bytes = report.bytes;
    last_packets = report.packets;
    Usage usage;
    usage.inbound_spi = sa.record.inbound_spi;
    (inbound ? usage.bytes_in : usage.bytes_out) = bytes;
    (inbound ? usage.packets_in : usage.packets_out) = packets;
    SequenceNumber& highest = inbound ? book.seen.highest_in : book.seen.highest_out;
    const SequenceNumber now = inbound ? report.replay.received : report.replay.sent;
    if (inbound && now > book.told && packets > 0) {
        book.told = now;
        out_.emplace_back(Received{sa.record.inbound_spi, now});
    }
    highest = std::max(highest, now);
    usage.highest_in = book.seen.highest_in;
    usage.highest_out = book.seen.highest_out;
    counts_[inbound ? "packets_in" : "packets_out"] += packets;
    counts_[inbound ? "bytes_in" : "bytes_out"] += bytes;
    if (packets == 0) {
        return;
    }
    out_.emplace_back(usage);
    if (inbound && sa.waits) {
        stop_waiting(sa);  // the peer has our response, it uses this SA
    }
    if (!inbound) {
        const auto ms = book.sent_at ? (now_ - *book.sent_at) / 1ms : 1000;
        book.rate_per_s =
            packets * 1000 / static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 100));
        book.sent_at = now_;
        if (book.adopted) {
            book.adopted = false;
            ask(sa, 0);  // so that this life holds the lease
        }
    }
}

void Worker::stop_waiting(Sa& sa) {
    sa.waits = false;
    kernel_.set_reports(sa.inbound_id(), inbound_reports);
    touch(*sa.tunnel);
}

void Worker::ask(Sa& sa, std::uint64_t waiting) {
    SaBook& book = books_[sa.record.inbound_spi];
    if (sa.draining_until || (book.asked && now_ - *book.asked < need_sequence_interval)) {
        return;
    }
    book.asked = now_;
    out_.emplace_back(NeedSequence{sa.record.inbound_spi, book.seen.highest_out,
                                   std::max(book.rate_per_s, waiting)});
}

void Worker::tick() {
    std::erase_if(draining_, [&](EspSpi spi) {
        Sa* sa = model_.find(spi);
        if (sa != nullptr && *sa->draining_until > now_) {
            return false;
        }
        if (sa != nullptr) {
            remove_sa(*sa);
        }
        return true;
    });
    std::erase_if(letting_others_go_first_, [&](EspSpi spi) {
        Sa* sa = model_.find(spi);
        if (sa != nullptr && sa->waits && *sa->waits_until > now_) {
            return false;
        }
        if (sa != nullptr && sa->waits) {
            stop_waiting(*sa);
        }
        return true;
    });
    for (const std::uint32_t number : waiting_.tick(now_)) {
        Tunnel* tunnel = model_.find_number(number);
        if (tunnel == nullptr) {
            continue;
        }
        release_waiting(*tunnel);
        if (waiting_.waits(number) && !tunnel->best_first.empty()) {
            ask(*tunnel->best_first.front(), 1);
        }
    }
    if (now_ >= next_retry_) {
        next_retry_ = now_ + config_.retry_interval;
        retry();
        // The kernel reports no use of a state without a replay window.
        for (const auto& [spi, book] : books_) {
            const Sa* sa = model_.find(spi);
            if (sa != nullptr && sa->record.replay_window == 0 && poll_.size() < books_.size()) {
                poll_.push_back(spi);
            }
        }
    }
    if (outrun_) {
        outrun_->tick(now_);
    }
    poll_some();
    lift_some();
}

// The kernel takes a whole window or none, and packets that it receives between our reading and our
// writing would be forgotten, that is, accepted twice. So a window is written while nothing comes
// in on it; what comes in keeps it up to date meanwhile.
void Worker::lift_some() {
    const std::size_t waiting = std::min(to_lift_.size(), lifts_per_tick);
    for (std::size_t i = 0; i < waiting; ++i) {
        const EspSpi spi = to_lift_.front();
        to_lift_.pop_front();
        const Sa* sa = model_.find(spi);
        const auto book = books_.find(spi);
        if (sa == nullptr || book == books_.end() || !book->second.mark) {
            continue;
        }
        const auto report = kernel_.use(sa->inbound_id());
        const esp::FleetMark mark = *book->second.mark;
        if (!report) {
            book->second.mark.reset();
            continue;
        }
        const bool far_behind =
            report->replay.received.value() + report->replay.window < mark.highest.value();
        const bool quiet =
            std::exchange(book->second.packets_at_mark, report->packets) == report->packets;
        if (!quiet && !far_behind) {
            to_lift_.push_back(spi);
            continue;
        }
        book->second.mark.reset();
        const Replay next = lifted(report->replay, mark);
        if (next != report->replay && kernel_.set_replay(sa->inbound_id(), next)) {
            ++counts_["replay_windows_lifted"];
        }
    }
}

void Worker::poll_some() {
    for (std::size_t i = 0; i < polls_per_tick && !poll_.empty(); ++i) {
        Sa* sa = model_.find(poll_.front());
        poll_.pop_front();
        if (sa == nullptr) {
            continue;
        }
        if (const auto report = kernel_.use(sa->inbound_id())) {
            used(*sa, *report, true);
        }
        if (!sa->numbers) {
            continue;
        }
        const auto report = kernel_.use(sa->outbound_id());
        if (report) {
            used(*sa, *report, false);
            if (!sa->numbers->endless &&
                report->replay.sent.value() + sa->numbers->soft_left >= sa->numbers->last) {
                ask(*sa, 0);
            }
        } else {
            on_event(Expired{sa->outbound_id(), sa->tunnel->number, true});
        }
    }
}

void Worker::read_tun(DomainState& domain) {
    for (int i = 0; i < packets_per_turn && read_one(domain); ++i) {
    }
}

bool Worker::read_one(DomainState& domain) {
    esp::Packet packet = pool_.take();
    const auto size = domain.io->tun().read(packet.receive_space());
    if (!size) {
        poller_.remove(domain.io->tun().fd());
        account_failed(domain.account,
                       fail("interface " + domain.io->tun().name() +
                            " was deleted; remove the account's tunnels and add them again"));
    }
    const bool got = size && *size > 0;
    if (got) {
        packet.resize(*size);
        hold(domain, packet);
    }
    pool_.give(std::move(packet));
    return got;
}

void Worker::receive_outrun() {
    outrun_->receive(
        now_,
        [this](EspSpi spi) {
            const Sa* sa = model_.find(spi);
            return sa != nullptr && !sa->refused && !unknown_.contains(spi);
        },
        out_);
}

/// SAs came in force: what waits for them goes to the kernel, after the tap lets nothing more of
/// theirs through.
void Worker::release_outrun() {
    if (!outrun_) {
        unknown_.clear();
        return;
    }
    std::vector<EspSpi> known;
    bool full = false;
    std::erase_if(unknown_, [&](EspSpi spi) {
        const Sa* sa = model_.find(spi);
        if (sa == nullptr) {
            return true;
        }
        if (sa->refused || !kernel_.present(sa->tunnel->number).states.contains(sa->inbound_id())) {
            return false;
        }
        full = full || !outrun_->know(spi);
        known.push_back(spi);
        return true;
    });
    if (known.empty()) {
        return;
    }
    receive_outrun();
    for (const EspSpi spi : known) {
        outrun_->release(spi);
    }
    if (full) {
        for (const int fd : outrun_->fds()) {
            poller_.remove(fd);
        }
        outrun_.reset();
        outrun_trouble_ = "there are too many SAs";
        ++counts_["outrun_given_up"];
    }
}

void Worker::forget_spi(EspSpi spi) {
    unknown_.erase(spi);
    if (outrun_) {
        outrun_->forget(spi);
    }
}

/// A packet for a tunnel that had no SA to send on when it was routed.
void Worker::hold(DomainState& domain, const esp::Packet& packet) {
    using esp::DropReason;
    const auto view = wire::ip::parse_ip(packet.bytes());
    if (!view) {
        count_drop(drops_, DropReason::outbound_malformed);
        return;
    }
    const auto* tunnels = domain.routes.lookup(view->destination);
    if (tunnels == nullptr) {
        count_drop(drops_, wire::ip::is_multicast(view->destination)
                               ? DropReason::outbound_multicast
                               : DropReason::no_route);
        return;
    }
    DropReason reason = DropReason::no_sa;
    for (Tunnel* tunnel : *tunnels) {
        for (Sa* sa : tunnel->best_first) {
            if (sa->draining_until || sa->refused) {
                continue;
            }
            if (!esp::selectors_match(sa->record.local_ts, sa->record.remote_ts, *view)) {
                reason = DropReason::outbound_selector;
                continue;
            }
            if (interface_index_ == 0 && !model_.senders(*tunnel).empty()) {
                reason = DropReason::outbound_selector;  // the kernel's policies left it alone
                continue;
            }
            if (waiting_.add(tunnel->number, packet.bytes(), now_)) {
                ++counts_["waited_for_sequence"];
            }
            if (model_.senders(*tunnel).empty()) {
                ask(*sa, 1);
            } else {
                release_waiting(*tunnel);  // it was on its way while the route changed
            }
            return;
        }
    }
    count_drop(drops_, reason);
}

}  // namespace anyswan::dataplane::xfrm
