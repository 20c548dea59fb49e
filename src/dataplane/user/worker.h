// SPDX-License-Identifier: Apache-2.0
// One worker of the userspace dataplane: everything between the outer sockets and the TUN
// interfaces, on one thread. Nothing here is locked; other threads come in through UserDriver.
#pragma once

#include <atomic>
#include <map>

#include "dataplane/forward/forwarder.h"
#include "dataplane/user/domain_io.h"
#include "dataplane/user/outer_sockets.h"
#include "net/poller.h"

namespace anyswan::dataplane {

/// A worker's counters as other threads may read them.
class PublishedCounters {
public:
    explicit PublishedCounters(std::vector<std::string> names);
    /// In the order of the names; by the worker alone.
    void publish(std::span<const std::uint64_t> values);
    [[nodiscard]] std::map<std::string, std::uint64_t> read() const;

private:
    std::vector<std::string> names_;
    std::vector<std::atomic<std::uint64_t>> values_;
};

class Worker {
public:
    /// `random` outlives the worker.
    static Result<std::unique_ptr<Worker>> make(UserDriverConfig config, Random& random,
                                                DriverSink sink);

    /// Waits for packets (or a wake-up, see waker()) and moves them; returns after one round.
    void run_once();
    void apply(std::span<const Change> changes);
    void send_ike(std::span<const IkeDatagram> datagrams);
    [[nodiscard]] std::string describe() const;
    /// Takes interfaces, rules and routes away.
    void close() { domains_.clear(); }

    /// Thread-safe.
    [[nodiscard]] const net::Waker& waker() const { return waker_; }
    [[nodiscard]] const PublishedCounters& counters() const { return counters_; }

private:
    struct Domain {
        std::string account;
        std::unique_ptr<DomainIo> io;
    };

    Worker(UserDriverConfig config, Random& random, DriverSink sink, OuterSockets sockets,
           net::Poller poller, net::Waker waker, net::RouteNetlink netlink);
    Status watch();

    void receive_from(std::size_t socket);
    void read_tun(DomainId id, Domain& domain);
    [[nodiscard]] bool read_batch(const net::Tun& tun);
    void flush();
    void tick(const Now& now);
    void publish_counters();

    void apply_one(const Change& change);
    void add_domain(const AddDomain& change);
    void report_domain(const std::string& account, const Status& status);
    [[nodiscard]] Domain* find_domain(const std::string& account);

    const UserDriverConfig config_;
    const DriverSink sink_;
    OuterSockets sockets_;
    net::Poller poller_;
    net::Waker waker_;
    net::RouteNetlink netlink_;
    esp::PacketPool pool_;
    Forwarder forwarder_;
    std::map<DomainId, Domain> domains_;
    std::uint32_t next_table_;
    Instant next_tick_;
    PublishedCounters counters_;

    ForwarderOutput out_;
    std::vector<IkeDatagram> ike_;
    std::vector<esp::OuterPacket> received_;
    std::vector<esp::Packet> read_;
    std::vector<std::uint64_t> counter_values_;
};

}  // namespace anyswan::dataplane
