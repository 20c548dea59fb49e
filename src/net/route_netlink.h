// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes and policy rules of the kernel, over rtnetlink (libmnl): what the daemon
// needs to lead packets of a routing domain to its interface. Blocking, one request at a time; used
// when configuration changes, never per packet.
#pragma once

#include <memory>
#include <optional>

#include "base/ip.h"
#include "net/fd.h"

struct mnl_socket;
struct nlmsghdr;

namespace anyswan::net {

/// RT_TABLE_MAIN.
inline constexpr std::uint32_t main_table = 254;

struct LinkSettings {
    std::uint32_t mtu = 1500;
    std::uint32_t queue_length = 1000;
};

/// `prefix` through the interface, in `table`.
struct KernelRoute {
    IpPrefix prefix;
    unsigned interface_index = 0;
    std::uint32_t table = main_table;
};

/// "from all iif `interface` lookup `table`".
struct KernelRule {
    IpFamily family = IpFamily::v4;
    std::string interface;
    std::uint32_t table = main_table;
    std::uint32_t priority = 0;
};

class RouteNetlink {
public:
    static Result<RouteNetlink> open();

    /// Puts an address, with a prefix of full length, on an interface: an edge does it with its
    /// anycast addresses on lo when it is ready, and the BGP daemon beside it announces what is
    /// there. One that is there already is no failure.
    Status add_address(const std::string& interface, const IpAddress& address);
    /// An address that is gone already is no failure.
    Status remove_address(const std::string& interface, const IpAddress& address);

    Status set_link_up(unsigned interface_index, const LinkSettings& settings);
    /// Fails if the table has a route for the prefix: it is not ours to replace.
    Status add_route(const KernelRoute& route);
    /// A route that is gone already is no failure.
    Status remove_route(const KernelRoute& route);
    Status add_rule(const KernelRule& rule);
    /// Removes all rules like it, none included.
    Status remove_rules(const KernelRule& rule);

private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit RouteNetlink(std::unique_ptr<mnl_socket, Close> socket);
    /// The kernel's answer: 0 or an errno value.
    [[nodiscard]] int request(nlmsghdr* message);
    [[nodiscard]] int address_request(std::uint16_t type, std::uint16_t flags,
                                      const std::string& interface, const IpAddress& address);
    [[nodiscard]] int route_request(std::uint16_t type, std::uint16_t flags,
                                    const KernelRoute& route);
    [[nodiscard]] int rule_request(std::uint16_t type, std::uint16_t flags, const KernelRule& rule);

    std::unique_ptr<mnl_socket, Close> socket_;
    std::uint32_t sequence_ = 0;
};

/// The first word of /proc/sys/net/`path`, or nothing.
[[nodiscard]] std::optional<std::string> read_sysctl(const std::string& path);
/// Writes `value` to /proc/sys/net/`path`, unless it has that value.
Status write_sysctl(const std::string& path, const std::string& value);

}  // namespace anyswan::net
