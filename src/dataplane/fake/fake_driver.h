// SPDX-License-Identifier: Apache-2.0
// A dataplane without a kernel: the real forwarder (and so real ESP) between queues in memory.
// Time stands still until the test moves it. For unit tests of the edge and for the simulation.
#pragma once

#include "dataplane/driver.h"
#include "dataplane/forward/forwarder.h"

namespace anyswan::dataplane {

/// An inner packet of an account.
struct FakeInner {
    std::string account;
    Bytes packet;
};

class FakeDriver final : public Driver {
public:
    /// `random` and what `sink` refers to outlive the driver. Events are delivered from within the
    /// call that caused them.
    FakeDriver(const ForwarderOptions& options, Random& random, DriverSink sink);

    void apply(std::span<const Change> changes) override;
    void send_ike(std::span<const IkeDatagram> datagrams) override;
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;
    [[nodiscard]] std::string describe() const override;
    /// From now on nothing moves.
    void stop() override { stopped_ = true; }

    /// Time goes on to `now`; timers that are due run, in steps of tick_interval.
    void advance_to(const Now& now);

    // What the network and the host's stack do.
    /// ESP packets arrive; `local` is this driver's side.
    void receive(std::vector<esp::OuterPacket> packets);
    void receive_ike(std::vector<IkeDatagram> datagrams);
    void send_inner(const std::string& account, ByteView packet);
    /// An event out of nothing.
    void inject(Event event);

    // What came out since the last call.
    [[nodiscard]] std::vector<esp::OuterPacket> take_outer();
    [[nodiscard]] std::vector<FakeInner> take_inner();
    [[nodiscard]] std::vector<IkeDatagram> take_ike();
    /// All changes since start, in order.
    [[nodiscard]] const std::vector<Change>& changes() const { return changes_; }

private:
    void flush();

    esp::PacketPool pool_;
    Forwarder forwarder_;
    DriverSink sink_;
    Now now_{};
    bool stopped_ = false;
    ForwarderOutput out_;
    std::vector<Change> changes_;
    std::map<DomainId, std::string> accounts_;
    std::vector<esp::OuterPacket> outer_;
    std::vector<FakeInner> inner_;
    std::vector<IkeDatagram> ike_;
};

/// A network between fake drivers: takes what they send to the driver that has the address now.
class FakeNetwork {
public:
    /// Gives `address` to `driver`; the last one to claim an address has it (anycast).
    void attach(const IpAddress& address, FakeDriver& driver);
    /// Sees every ESP packet on its way and may change it; false drops it.
    std::function<bool(esp::OuterPacket&)> on_packet;
    /// Moves ESP and IKE until nothing is under way; returns how many arrived.
    std::size_t deliver();

private:
    std::size_t deliver_from(FakeDriver& from);
    std::map<IpAddress, FakeDriver*> by_address_;
};

/// A copy, keys included, for the record.
[[nodiscard]] Change clone(const Change& change);

}  // namespace anyswan::dataplane
