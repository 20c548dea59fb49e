// SPDX-License-Identifier: Apache-2.0
#include "dataplane/fake/fake_driver.h"

#include <algorithm>
#include <set>

#include "dataplane/forward/counter_names.h"
#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

namespace {
constexpr std::size_t packet_capacity = 9216;
constexpr std::size_t pool_kept_max = 64;
}  // namespace

Change clone(const Change& change) {
    if (const auto* install = std::get_if<InstallSa>(&change)) {
        return InstallSa{
            install->record.clone(), install->local, install->remote, install->udp_encapsulation,
            install->behind_nat,     install->mark,  install->send_on};
    }
    return std::visit(
        [](const auto& one) -> Change {
            if constexpr (std::is_copy_constructible_v<std::decay_t<decltype(one)>>) {
                return one;
            } else {
                check(false, "a change that can't be copied");
                return RemoveSa{};
            }
        },
        change);
}

FakeDriver::FakeDriver(const ForwarderOptions& options, Random& random, DriverSink sink)
    : pool_(packet_capacity, pool_kept_max),
      forwarder_(options, random, pool_),
      sink_(std::move(sink)) {}

void FakeDriver::apply(std::span<const Change> changes) {
    if (stopped_) {
        return;
    }
    for (const Change& change : changes) {
        changes_.push_back(clone(change));
        forwarder_.apply(change, now_, out_);
        if (const auto* add = std::get_if<AddDomain>(&change)) {
            accounts_[*forwarder_.find_domain(add->account)] = add->account;
        }
    }
    flush();
}

void FakeDriver::send_ike(std::span<const IkeDatagram> datagrams) {
    if (!stopped_) {
        ike_.insert(ike_.end(), datagrams.begin(), datagrams.end());
    }
}

std::map<std::string, std::uint64_t> FakeDriver::counters() const {
    return counter_map(forwarder_);
}

std::string FakeDriver::describe() const {
    return "fake; " + std::to_string(forwarder_.sa_count()) + " Child SAs in " +
           std::to_string(forwarder_.domain_count()) + " domains";
}

void FakeDriver::advance_to(const Now& now) {
    check(now.instant >= now_.instant, "time goes backwards");
    while (!stopped_ && now_.instant < now.instant) {
        const Duration step = std::min<Duration>(tick_interval, now.instant - now_.instant);
        now_.instant = now_.instant + step;
        now_.wall.unix_ns += step.count();
        forwarder_.tick(now_, out_);
        flush();
    }
    now_ = now;
}

void FakeDriver::receive(std::vector<esp::OuterPacket> packets) {
    if (!stopped_) {
        forwarder_.receive(packets, now_, out_);
        flush();
    }
}

void FakeDriver::receive_ike(std::vector<IkeDatagram> datagrams) {
    if (!stopped_ && sink_.on_ike) {
        sink_.on_ike(std::move(datagrams));
    }
}

void FakeDriver::send_inner(const std::string& account, ByteView packet) {
    const auto domain = forwarder_.find_domain(account);
    if (!stopped_ && domain) {
        esp::Packet copy = esp::Packet::copy_of(packet);
        forwarder_.send(*domain, {&copy, 1}, now_, out_);
        flush();
    }
}

void FakeDriver::inject(Event event) {
    out_.events.push_back(std::move(event));
    flush();
}

void FakeDriver::flush() {
    for (InnerPacket& inner : out_.inner) {
        inner_.push_back({accounts_.at(inner.domain), to_bytes(inner.packet.bytes())});
        pool_.give(std::move(inner.packet));
    }
    std::ranges::move(out_.outer, std::back_inserter(outer_));
    std::vector<Event> events = std::exchange(out_.events, {});
    out_.clear();
    if (!events.empty() && sink_.on_events) {
        sink_.on_events(std::move(events));  // may call back into this driver
    }
}

std::vector<esp::OuterPacket> FakeDriver::take_outer() {
    return std::exchange(outer_, {});
}
std::vector<FakeInner> FakeDriver::take_inner() {
    return std::exchange(inner_, {});
}
std::vector<IkeDatagram> FakeDriver::take_ike() {
    return std::exchange(ike_, {});
}

void FakeNetwork::attach(const IpAddress& address, FakeDriver& driver) {
    by_address_[address] = &driver;
}

std::size_t FakeNetwork::deliver() {
    std::size_t total = 0;
    for (std::size_t moved = 1; moved > 0; total += moved) {
        moved = 0;
        std::set<FakeDriver*> drivers;
        for (const auto& [address, driver] : by_address_) {
            if (drivers.insert(driver).second) {
                moved += deliver_from(*driver);
            }
        }
    }
    return total;
}

std::size_t FakeNetwork::deliver_from(FakeDriver& from) {
    std::size_t arrived = 0;
    for (esp::OuterPacket& packet : from.take_outer()) {
        const auto to = by_address_.find(packet.remote.address);
        if ((on_packet && !on_packet(packet)) || to == by_address_.end()) {
            continue;
        }
        std::swap(packet.local, packet.remote);
        std::vector<esp::OuterPacket> one;
        one.push_back(std::move(packet));
        to->second->receive(std::move(one));
        ++arrived;
    }
    for (const IkeDatagram& datagram : from.take_ike()) {
        const auto to = by_address_.find(datagram.remote.address);
        if (to != by_address_.end()) {
            to->second->receive_ike({{datagram.remote, datagram.local, datagram.bytes}});
            ++arrived;
        }
    }
    return arrived;
}

}  // namespace anyswan::dataplane
