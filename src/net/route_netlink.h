// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes and policy rules of the kernel, over rtnetlink (libmnl): what the daemon
// needs to lead packets of a routing domain to its interface. Blocking, one request at a time; used
// when configuration changes, never per packet.
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

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

/// RTPROT_STATIC: routes that nobody in particular looks after.
inline constexpr std::uint8_t protocol_static = 4;

/// `prefix` through the interface, in `table`.
struct KernelRoute {
    IpPrefix prefix;
    unsigned interface_index = 0;
    std::uint32_t table = main_table;
    std::uint32_t metric = 0;  // 0: the kernel's default
    std::uint8_t protocol = protocol_static;
    /// Into which tunnel of an xfrm interface in collect-metadata mode; 0: none.
    std::uint32_t xfrm_if_id = 0;
    auto operator<=>(const KernelRoute&) const = default;
};

/// "from all iif `interface` fwmark `mark` lookup `table`"; both parts may be left out.
struct KernelRule {
    IpFamily family = IpFamily::v4;
    std::string interface;
    std::uint32_t mark = 0;
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
    /// Takes the place of a route with the same prefix, table and metric, if there is one.
    Status replace_route(const KernelRoute& route);
    /// A route that is gone already is no failure.
    Status remove_route(const KernelRoute& route);
    Status add_rule(const KernelRule& rule);
    /// One that is there already is no failure.
    Status ensure_rule(const KernelRule& rule);
    /// Removes all rules like it, none included.
    Status remove_rules(const KernelRule& rule);

    /// All routes of both families with this protocol number.
    [[nodiscard]] Result<std::vector<KernelRoute>> list_routes(std::uint8_t protocol);
    /// The index of an xfrm interface in collect-metadata mode, made if it isn't there; it is down.
    /// There can be one in a network namespace.
    [[nodiscard]] Result<unsigned> make_xfrm_interface(const std::string& name);
    Status remove_link(const std::string& name);
    /// Packets that the interface could not send on.
    [[nodiscard]] std::uint64_t carrier_errors(unsigned interface_index);

private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit RouteNetlink(std::unique_ptr<mnl_socket, Close> socket);
    /// The kernel's answer: 0 or an errno value.
    [[nodiscard]] int request(nlmsghdr* message);
    /// A dump, or one answer; each message goes to `each`.
    Status ask(nlmsghdr* message, const std::function<void(const nlmsghdr*)>& each);
    [[nodiscard]] Status check_xfrm_interface(unsigned index, const std::string& name);
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
