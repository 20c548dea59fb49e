// SPDX-License-Identifier: Apache-2.0
#include "dataplane/user/worker.h"

#include <algorithm>

#include "dataplane/forward/counter_names.h"
#include "dataplane/forward/limits.h"
#include "net/clock.h"

namespace anyswan::dataplane {

namespace {

/// Biggest packet we take from either side; jumbo frames fit.
constexpr std::size_t packet_capacity = 9216;
constexpr std::size_t pool_kept_max = 1024;
/// Batches of one source before the others get their turn.
constexpr int batches_per_turn = 4;
constexpr std::size_t tun_batch = 32;

// Tokens of the poller: the waker, sockets by index, domains by id.
constexpr std::uint64_t waker_token = 0;
constexpr std::uint64_t socket_tokens = 1;
constexpr std::uint64_t domain_tokens = std::uint64_t{1} << 32U;

std::vector<std::string> counter_names() {
    std::vector<std::string> names = forwarder_counter_names();
    names.insert(names.end(), {"natt_keepalives", "natt_keepalives_sent", "ike_in", "ike_out"});
    return names;
}

}  // namespace

PublishedCounters::PublishedCounters(std::vector<std::string> names)
    : names_(std::move(names)), values_(names_.size()) {}

void PublishedCounters::publish(std::span<const std::uint64_t> values) {
    check(values.size() == values_.size(), "counters");
    for (std::size_t i = 0; i < values.size(); ++i) {
        values_[i].store(values[i], std::memory_order_relaxed);
    }
}

std::map<std::string, std::uint64_t> PublishedCounters::read() const {
    std::map<std::string, std::uint64_t> read;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        read[names_[i]] = values_[i].load(std::memory_order_relaxed);
    }
    return read;
}

Result<std::unique_ptr<Worker>> Worker::make(UserDriverConfig config, Random& random,
                                             DriverSink sink) {
    auto sockets = OuterSockets::open(config);
    if (!sockets) {
        return Unexpected<Error>{sockets.error()};
    }
    auto poller = net::Poller::make();
    auto waker = net::Waker::make();
    auto netlink = net::RouteNetlink::open();
    if (!poller || !waker || !netlink) {
        return Unexpected<Error>{!poller  ? poller.error()
                                 : !waker ? waker.error()
                                          : netlink.error()};
    }
    std::unique_ptr<Worker> made(new Worker(std::move(config), random, std::move(sink),
                                            std::move(*sockets), std::move(*poller),
                                            std::move(*waker), std::move(*netlink)));
    if (const Status watching = made->watch(); !watching) {
        return Unexpected<Error>{watching.error()};
    }
    return made;
}

Worker::Worker(UserDriverConfig config, Random& random, DriverSink sink, OuterSockets sockets,
               net::Poller poller, net::Waker waker, net::RouteNetlink netlink)
    : config_(std::move(config)),
      sink_(std::move(sink)),
      sockets_(std::move(sockets)),
      poller_(std::move(poller)),
      waker_(std::move(waker)),
      netlink_(std::move(netlink)),
      pool_(packet_capacity, pool_kept_max),
      forwarder_({.incarnation = config_.incarnation,
                  .inner_mtu = config_.inner_mtu,
                  .follow_moved_peers = config_.follow_moved_peers},
                 random, pool_),
      next_table_(config_.routing_table_base),
      counters_(counter_names()) {}

Status Worker::watch() {
    Status added = poller_.add(waker_.fd(), waker_token);
    for (std::size_t i = 0; added && i < sockets_.size(); ++i) {
        added = poller_.add(sockets_.fd(i), socket_tokens + i);
    }
    return added;
}

void Worker::run_once() {
    for (const std::uint64_t token : poller_.wait(tick_interval)) {
        if (token == waker_token) {
            waker_.clear();
        } else if (token < domain_tokens) {
            receive_from(static_cast<std::size_t>(token - socket_tokens));
        } else {
            const DomainId id(static_cast<std::uint32_t>(token - domain_tokens));
            if (const auto found = domains_.find(id); found != domains_.end()) {
                read_tun(id, found->second);
            }
        }
    }
    tick(net::read_clock());
    publish_counters();
}

// (sequential) Socket -> SA -> replay check, decrypt -> selectors -> TUN.
void Worker::receive_from(std::size_t socket) {
    for (int i = 0; i < batches_per_turn; ++i) {
        received_.clear();
        if (!sockets_.receive(socket, pool_, received_, ike_, forwarder_.drops())) {
            break;
        }
        forwarder_.receive(received_, net::read_clock(), out_);
        flush();
    }
}

// (sequential) TUN -> route -> SA -> encrypt -> socket.
void Worker::read_tun(DomainId id, Domain& domain) {
    for (int i = 0; i < batches_per_turn; ++i) {
        read_.clear();
        const bool alive = read_batch(domain.io->tun());
        if (!alive) {
            poller_.remove(domain.io->tun().fd());
            report_domain(domain.account,
                          fail("interface " + domain.io->tun().name() +
                               " was deleted; remove the account's tunnels and add them again"));
        }
        const bool more = alive && !read_.empty();
        forwarder_.send(id, read_, net::read_clock(), out_);
        flush();
        if (!more) {
            break;
        }
    }
}

/// Fills read_ with what there is, at most one batch. False: the interface is gone.
bool Worker::read_batch(const net::Tun& tun) {
    while (read_.size() < tun_batch) {
        esp::Packet packet = pool_.take();
        const auto size = tun.read(packet.receive_space());
        if (!size || *size == 0) {
            pool_.give(std::move(packet));
            return size.has_value();
        }
        packet.resize(*size);
        read_.push_back(std::move(packet));
    }
    return true;
}

/// Sends all that the forwarder and the sockets produced.
void Worker::flush() {
    for (InnerPacket& inner : out_.inner) {
        const auto found = domains_.find(inner.domain);
        if (found == domains_.end() || !found->second.io->tun().write(inner.packet.bytes())) {
            count_drop(forwarder_.drops(), esp::DropReason::inner_write_failed);
        }
        pool_.give(std::move(inner.packet));
    }
    sockets_.send(out_.outer, pool_, forwarder_.drops());
    if (!out_.events.empty() && sink_.on_events) {
        sink_.on_events(std::exchange(out_.events, {}));
    }
    if (!ike_.empty() && sink_.on_ike) {
        sink_.on_ike(std::exchange(ike_, {}));
    }
    ike_.clear();
    out_.clear();
}

void Worker::tick(const Now& now) {
    if (now.instant >= next_tick_) {
        next_tick_ = now.instant + tick_interval;
        forwarder_.tick(now, out_);
        flush();
    }
}

void Worker::publish_counters() {
    counter_values_.clear();
    append_counter_values(forwarder_, counter_values_);
    const OuterCounts& outer = sockets_.counts();
    counter_values_.insert(
        counter_values_.end(),
        {outer.natt_keepalives, outer.natt_keepalives_sent, outer.ike_in, outer.ike_out});
    counters_.publish(counter_values_);
}

void Worker::send_ike(std::span<const IkeDatagram> datagrams) {
    sockets_.send_ike(datagrams, forwarder_.drops());
}

void Worker::apply(std::span<const Change> changes) {
    for (const Change& change : changes) {
        apply_one(change);
    }
    flush();
    publish_counters();
}

void Worker::apply_one(const Change& change) {
    if (const auto* add = std::get_if<AddDomain>(&change)) {
        add_domain(*add);
        return;
    }
    forwarder_.apply(change, net::read_clock(), out_);
    if (const auto* remove = std::get_if<RemoveDomain>(&change)) {
        std::erase_if(domains_,
                      [&](const auto& item) { return item.second.account == remove->account; });
    } else if (const auto* route = std::get_if<AddRoute>(&change)) {
        if (Domain* domain = find_domain(route->tunnel.account)) {
            report_domain(domain->account, domain->io->add_route(route->tunnel, route->prefix));
        }
    } else if (const auto* gone = std::get_if<RemoveRoute>(&change)) {
        if (Domain* domain = find_domain(gone->tunnel.account)) {
            report_domain(domain->account, domain->io->remove_route(gone->tunnel, gone->prefix));
        }
    } else if (const auto* ours = std::get_if<AddAddress>(&change)) {
        if (Domain* domain = find_domain(ours->account)) {
            report_domain(domain->account, domain->io->add_address(ours->address));
        }
    } else if (const auto* taken = std::get_if<RemoveAddress>(&change)) {
        if (Domain* domain = find_domain(taken->account)) {
            report_domain(domain->account, domain->io->remove_address(taken->address));
        }
    }
}

/// The interface first: a domain without one is no domain.
void Worker::add_domain(const AddDomain& change) {
    if (find_domain(change.account) != nullptr) {
        return;
    }
    auto io = DomainIo::create(config_, change.account, next_table_, netlink_);
    if (!io) {
        report_domain(change.account, Unexpected<Error>{io.error()});
        return;
    }
    ++next_table_;
    forwarder_.apply(change, net::read_clock(), out_);
    const DomainId id = *forwarder_.find_domain(change.account);
    report_domain(change.account, poller_.add((*io)->tun().fd(), domain_tokens + id.value()));
    report_domain(change.account, DomainIo::check_host());
    domains_[id] = {change.account, std::move(*io)};
}

void Worker::report_domain(const std::string& account, const Status& status) {
    if (!status) {
        out_.events.emplace_back(DomainFailed{account, status.error().message});
    }
}

Worker::Domain* Worker::find_domain(const std::string& account) {
    const auto found = std::ranges::find_if(
        domains_, [&](const auto& item) { return item.second.account == account; });
    return found == domains_.end() ? nullptr : &found->second;
}

std::string Worker::describe() const {
    std::string text = "userspace ESP on " + sockets_.describe() + "; " +
                       std::to_string(forwarder_.sa_count()) + " Child SAs";
    for (const auto& [id, domain] : domains_) {
        text += "; account " + domain.account + " on " + domain.io->tun().name() + " (table " +
                std::to_string(domain.io->table()) + ")";
    }
    return text;
}

}  // namespace anyswan::dataplane
