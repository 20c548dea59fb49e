// SPDX-License-Identifier: Apache-2.0
// Our own ESP between sockets and TUN interfaces, for any Linux:
//
//   UDP 500/4500, raw ESP  <->  Forwarder (dataplane/forward)  <->  one TUN per routing domain
//
// A decrypted packet enters the Linux stack by its domain's TUN; what the stack routes to the TUN
// (a packet of another tunnel of the account included) is routed to a tunnel and encrypted. The
// driver owns the IKE sockets, too: what is IKE on them goes to the sink.
#pragma once

#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "core/esp/overhead.h"
#include "dataplane/driver.h"

namespace anyswan::dataplane {

template <class Worker>
class WorkerThread;
class Worker;

struct UserDriverConfig {
    /// Addresses to receive on (the anycast ones); they may come up later. An unspecified one
    /// receives on all addresses of its family. Must not be empty.
    std::vector<IpAddress> local_addresses;
    std::uint16_t ike_port = 500;
    std::uint16_t natt_port = 4500;
    /// Also ESP without UDP (IP protocol 50).
    bool raw_esp = true;
    /// Leads all AEAD IVs (N1): unique in the fleet, 1..2^24-1.
    Incarnation incarnation{1};
    /// MTU of the TUN interfaces; see esp::inner_mtu().
    std::size_t inner_mtu = esp::default_inner_mtu;
    /// Interfaces are called prefix + account (shortened); at most 8 characters, distinct for each
    /// process of a host.
    std::string interface_prefix = "as-";
    /// Domain n uses routing table base + n, and a rule of this priority leads packets from its
    /// interface there. Processes in one network namespace need bases apart from each other.
    std::uint32_t routing_table_base = 20000;
    std::uint32_t rule_priority = 20000;
    /// Routes go to the main table too, so that the host's own sockets and other interfaces reach
    /// the tunnels. Only sensible with a single domain (a branch connector, a simple lab).
    bool routes_in_main_table = false;
    /// Of the routes to the TUN interfaces; 0: the kernel's default.
    std::uint32_t route_metric = 0;
    /// Make the host a router (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding). Without it,
    /// IPv4 is forwarded from the TUN interfaces alone.
    bool host_forwarding = true;
    /// Follow peers whose address changes; a host behind a NAT should not (RFC 7296 2.23).
    bool follow_moved_peers = true;
};

class UserDriver final : public Driver {
public:
    /// Opens the sockets and starts the worker. `random` is used by the worker alone and outlives
    /// the driver; so does what `sink` refers to. The network namespace is the caller's.
    static Result<std::unique_ptr<UserDriver>> start(UserDriverConfig config, Random& random,
                                                     DriverSink sink);
    ~UserDriver() override;
    UserDriver(const UserDriver&) = delete;
    UserDriver& operator=(const UserDriver&) = delete;

    /// Not from within the sink's functions (checked): they run on the thread that would apply.
    void apply(std::span<const Change> changes) override;
    void send_ike(std::span<const IkeDatagram> datagrams) override;
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;
    [[nodiscard]] std::string describe() const override;
    void stop() override;

private:
    explicit UserDriver(std::unique_ptr<WorkerThread<Worker>> thread);
    std::unique_ptr<WorkerThread<Worker>> thread_;
};

}  // namespace anyswan::dataplane
