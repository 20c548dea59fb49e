// SPDX-License-Identifier: Apache-2.0
// What the edge tells the driver.
#include <algorithm>

#include "dataplane/forward/limits.h"
#include "dataplane/xfrm/worker.h"
#include "net/clock.h"

namespace anyswan::dataplane::xfrm {

namespace {

/// Packets that may still go out on the old state of a moved SA while the new one is made.
constexpr std::uint64_t fence_packets = 64;
constexpr std::uint64_t domain_tokens = std::uint64_t{1} << 32U;

std::uint64_t number_max(const sa::ChildSaRecord& record) {
    return record.suite.esn() ? UINT64_MAX - 1 : UINT32_MAX - 1;
}

}  // namespace

void Worker::account_failed(const std::string& account, const Status& status) {
    if (!status) {
        out_.emplace_back(DomainFailed{account, status.error().message});
    }
}

void Worker::sa_failed(EspSpi spi, const std::string& why) {
    ++counts_["sa_failed"];
    out_.emplace_back(SaFailed{spi, why});
}

void Worker::on(const AddDomain& change) {
    if (model_.find_domain(change.account) != nullptr) {
        return;
    }
    Domain& domain = model_.add_domain(change.account);
    auto io = DomainIo::create(config_.base, change.account, domain.table, netlink_);
    if (!io) {
        account_failed(change.account, Unexpected<Error>{io.error()});
        model_.remove_domain(change.account);
        return;
    }
    account_failed(change.account, poller_.add((*io)->tun().fd(), domain_tokens + domain.table));
    account_failed(change.account, DomainIo::check_host());
    // What comes out of the account's tunnels carries its mark.
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
        if (family == IpFamily::v4 || net::read_sysctl("ipv6/conf/all/forwarding")) {
            account_failed(change.account,
                           netlink_.ensure_rule({family, "", domain.table, domain.table,
                                                 config_.base.rule_priority}));
        }
    }
    DomainState& state = domains_[domain.table];
    state.account = change.account;
    state.io = std::move(*io);
}

void Worker::on(const RemoveDomain& change) {
    Domain* domain = model_.find_domain(change.account);
    if (domain == nullptr) {
        return;
    }
    std::vector<sa::TunnelId> ids;
    for (const auto& [id, tunnel] : model_.tunnels()) {
        if (tunnel->domain == domain) {
            ids.push_back(id);
            touch(*tunnel);
            for (Sa* sa : std::vector(tunnel->best_first)) {
                remove_sa(*sa);
            }
        }
    }
    reconcile();
    for (const sa::TunnelId& id : ids) {
        if (Tunnel* tunnel = model_.find_tunnel(id)) {
            tunnel->prefixes.clear();
            model_.release(*tunnel);
        }
    }
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
        (void)netlink_.remove_rules(
            {family, "", domain->table, domain->table, config_.base.rule_priority});
    }
    domains_.erase(domain->table);
    model_.remove_domain(change.account);
}

void Worker::on(const InstallSa& change) {
    const EspSpi spi = change.record.inbound_spi;
    const auto installed = model_.install(change, net::read_clock().wall);
    if (!installed) {
        sa_failed(spi, installed.error().message);
        return;
    }
    if (*installed == nullptr) {
        return;
    }
    Sa& sa = **installed;
    books_[spi].seen.inbound_spi = spi;
    if (sa.waits && sa.record.replaces == EspSpi{}) {
        sa.waits_until = now_ + outbound_wait;
        letting_others_go_first_.push_back(spi);
    }
    unknown_.insert(spi);
    touch(*sa.tunnel);
    // A rekeyed tunnel that is sending will want numbers of the new SA at once.
    const bool busy = std::ranges::any_of(sa.tunnel->best_first, [&](const Sa* sibling) {
        const auto& sent_at = books_[sibling->record.inbound_spi].sent_at;
        return sent_at && now_ - *sent_at < 2 * report_interval + tick_interval;
    });
    if (sa.tunnel->best_first.front() == &sa && !sa.numbers &&
        (busy || waiting_.waits(sa.tunnel->number))) {
        ask(sa, 1);
    }
}

void Worker::remove_sa(Sa& sa) {
    const EspSpi spi = sa.record.inbound_spi;
    touch(*sa.tunnel);
    failed_.erase(spi);
    forget_spi(spi);
    books_.erase(spi);
    model_.remove(spi);
}

void Worker::on(const RemoveSa& change) {
    Sa* sa = model_.find(change.inbound_spi);
    if (sa == nullptr) {
        on(DenySpi{change.inbound_spi});  // it was ended before it came here
        return;
    }
    if (!change.drain) {
        remove_sa(*sa);
    } else if (!sa->draining_until) {
        sa->draining_until = now_ + drain_time;
        draining_.push_back(change.inbound_spi);
        touch(*sa->tunnel);
    }
}

/// The outbound state's address is part of its name, so a new one takes over: above every number
/// that the old one can still use (N2).
void Worker::move(Sa& sa, const Endpoint& local, const Endpoint& remote, bool udp_encapsulation) {
    const bool other_state =
        remote.address != sa.remote.address || udp_encapsulation != sa.udp_encapsulation;
    if (other_state && sa.numbers && !sa.numbers->endless) {
        const auto before = kernel_.fence(sa.tunnel->number, sa.outbound_id(), fence_packets);
        const std::uint64_t skipped = fence_packets * model_.options().numbers_per_packet;
        if (before && before->replay.sent.value() + skipped < sa.numbers->last) {
            sa.numbers->start = before->replay.sent.value() + skipped;
            sa.numbers->soft_left =
                std::min(sa.numbers->soft_left, (sa.numbers->last - sa.numbers->start) / 2);
        } else {
            sa.numbers.reset();
            ask(sa, 1);
        }
    }
    if (local.address != sa.local.address || udp_encapsulation != sa.udp_encapsulation) {
        // N3: the new inbound state goes on with what the old one has seen.
        if (const auto report = kernel_.use(sa.inbound_id())) {
            sa.inbound_replay = report->replay;
        }
    }
    model_.move(sa, local, remote, udp_encapsulation);
    touch(*sa.tunnel);
}

void Worker::on(const MoveEndpoint& change) {
    for (Sa* sa : model_.of_ike_sa(change.ike_spi)) {
        sa->behind_nat = change.behind_nat;
        if (sa->local != change.local || sa->remote != change.remote ||
            sa->udp_encapsulation != change.udp_encapsulation) {
            move(*sa, change.local, change.remote, change.udp_encapsulation);
        }
    }
}

void Worker::on(const AddRoute& change) {
    Domain* domain = model_.find_domain(change.tunnel.account);
    if (domain == nullptr) {
        account_failed(change.tunnel.account, fail("route " + change.prefix.to_string() +
                                                   ": the account has no routing domain"));
        return;
    }
    Tunnel& tunnel = model_.tunnel(change.tunnel);
    if (!tunnel.prefixes.insert(change.prefix).second) {
        return;
    }
    domain->prefixes[change.prefix].insert(&tunnel);
    DomainState& state = domains_.at(domain->table);
    state.routes.add(&tunnel, change.prefix);
    account_failed(domain->account, state.io->add_route(change.tunnel, change.prefix));
    touch(tunnel);
}

void Worker::on(const RemoveRoute& change) {
    Tunnel* tunnel = model_.find_tunnel(change.tunnel);
    if (tunnel == nullptr || tunnel->prefixes.erase(change.prefix) == 0) {
        return;
    }
    Domain& domain = *tunnel->domain;
    std::set<Tunnel*>& others = domain.prefixes[change.prefix];
    others.erase(tunnel);
    update_route(domain, change.prefix);
    if (others.empty()) {
        domain.prefixes.erase(change.prefix);
    }
    DomainState& state = domains_.at(domain.table);
    state.routes.remove(tunnel, change.prefix);
    account_failed(domain.account, state.io->remove_route(change.tunnel, change.prefix));
    touch(*tunnel);
}

void Worker::on(const AddAddress& change) {
    if (const Domain* domain = model_.find_domain(change.account)) {
        account_failed(change.account, domains_.at(domain->table).io->add_address(change.address));
    }
}

void Worker::on(const RemoveAddress& change) {
    if (const Domain* domain = model_.find_domain(change.account)) {
        account_failed(change.account,
                       domains_.at(domain->table).io->remove_address(change.address));
    }
}

void Worker::on(const GrantSequence& change) {
    Sa* sa = model_.find(change.inbound_spi);
    if (sa == nullptr) {
        return;
    }
    const std::uint64_t first = change.first.value();
    const std::uint64_t last = change.last.value();
    if (first == 0 || last < first || last > number_max(sa->record)) {
        sa_failed(change.inbound_spi, "sequence numbers " + std::to_string(first) + ".." +
                                          std::to_string(last) + " are no range of this SA");
        return;
    }
    SaBook& book = books_[change.inbound_spi];
    book.asked.reset();
    book.adopted = false;
    if (sa->numbers && sa->numbers->endless) {
        return;
    }
    extend(*sa, first, last);
    touch(*sa->tunnel);
}

void Worker::extend(Sa& sa, std::uint64_t first, std::uint64_t last) {
    const std::uint64_t half = (last - first + 1) / 2;
    const bool live = kernel_.present(sa.tunnel->number).states.contains(sa.outbound_id());
    if (!sa.numbers || (!live && first > sa.numbers->last + 1)) {
        const std::uint64_t start =
            std::max(first - 1, books_[sa.record.inbound_spi].seen.highest_out.value());
        if (start < last) {
            sa.numbers = OutboundNumbers{start, last, half, false};
        }
        return;
    }
    if (first <= sa.numbers->last + 1) {
        sa.numbers->last = std::max(sa.numbers->last, last);
        sa.numbers->soft_left = half;
        return;
    }
    // A gap: somebody else was the sender meanwhile, or another life of ours.
    const auto before = kernel_.skip_to(sa.outbound_id(), SequenceNumber(first - 1));
    if (!before) {
        sa.numbers.reset();
        kernel_.forget(sa.tunnel->number, sa.outbound_id());
        sa.numbers = OutboundNumbers{first - 1, last, half, false};
        return;
    }
    // The kernel's limits count packets since the state's start.
    sa.numbers = OutboundNumbers{first - 1 - before->packets, last, half, false};
}

void Worker::on(const LiftReplay& change) {
    const auto book = books_.find(change.inbound_spi);
    if (book == books_.end()) {
        return;
    }
    if (!book->second.mark) {
        to_lift_.push_back(change.inbound_spi);
    }
    const esp::FleetMark before = book->second.mark.value_or(esp::FleetMark{});
    book->second.mark = {std::max(before.highest, change.mark.highest),
                         std::max(before.settled, change.mark.settled)};
}

void Worker::on(const RevokeSequence& change) {
    Sa* sa = model_.find(change.inbound_spi);
    if (sa == nullptr || !sa->numbers || sa->numbers->endless) {
        return;
    }
    if (const auto report = kernel_.use(sa->outbound_id())) {
        used(*sa, *report, false);
    }
    sa->numbers.reset();
    books_[change.inbound_spi].asked.reset();
    touch(*sa->tunnel);
}

/// An SA whose states are in the kernel already goes on with them, with the numbers it had.
void Worker::adopt(Tunnel& tunnel) {
    const Contents& present = kernel_.present(tunnel.number);
    for (Sa* sa : tunnel.best_first) {
        SaBook& book = books_[sa->record.inbound_spi];
        if (const auto in = present.states.find(sa->inbound_id()); in != present.states.end()) {
            book.in_bytes = in->second.bytes;
            book.in_packets = in->second.packets;
            ++counts_["adopted_sas"];
            if (!same_instance(in->second, model_.inbound_state(*sa))) {
                // N3: another state takes its place, and goes on with what it has seen.
                const auto now = kernel_.use(in->first);
                sa->inbound_replay = now ? now->replay : in->second.replay;
            }
        }
        const auto out = present.states.find(sa->outbound_id());
        if (out == present.states.end() || sa->numbers ||
            out->second.limits.hard_packets == Limits::none) {
            continue;
        }
        const State& state = out->second;
        book.seen.highest_out = state.replay.sent;
        // The limit is exact where the kernel counts each packet; else there are more numbers.
        const std::uint64_t start =
            state.replay.sent.value() - std::min(state.replay.sent.value(), state.packets);
        sa->numbers = OutboundNumbers{
            start, start + state.limits.hard_packets * model_.options().numbers_per_packet,
            (state.limits.hard_packets -
             std::min(state.limits.hard_packets, state.limits.soft_packets)) *
                model_.options().numbers_per_packet,
            false};
        if (!same_instance(state, model_.outbound_state(*sa))) {
            sa->numbers.reset();  // a new state may not count from the old one's start (N1, N2)
            ask(*sa, 0);
            continue;
        }
        sa->waits = false;
        book.adopted = true;
        book.out_bytes = state.bytes;
        book.out_packets = state.packets;
    }
}

void Worker::on(const DenySpi& change) {
    if (outrun_) {
        outrun_->deny(change.inbound_spi, now_);
    }
}

void Worker::on(const Settled& /*change*/) {
    if (settled_) {
        return;
    }
    settled_ = true;
    for (const std::uint32_t number : leftovers_) {
        if (Tunnel* tunnel = model_.find_number(number)) {
            adopt(*tunnel);
        } else {
            ++counts_["leftover_tunnels_removed"];
        }
        dirty_.insert(number);
        for (const auto& [id, state] : kernel_.present(number).states) {
            if (model_.find(id.spi) == nullptr) {
                forget_spi(id.spi);
            }
        }
    }
    leftovers_.clear();
    reconcile();
    // Routes that no tunnel has any more.
    for (const auto& [key, if_id] : std::map(routes_)) {
        const Tunnel* tunnel = model_.find_number(if_id);
        const bool known = tunnel != nullptr && tunnel->prefixes.contains(key.second) &&
                           (key.first == tunnel->domain->table || key.first == net::main_table);
        if (!known && netlink_.remove_route(tunnel_route(key.second, key.first, if_id))) {
            routes_.erase(key);
        }
    }
}

}  // namespace anyswan::dataplane::xfrm
