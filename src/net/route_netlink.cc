// SPDX-License-Identifier: Apache-2.0
#include "net/route_netlink.h"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <fstream>

namespace anyswan::net {

namespace {

using MessageBuffer = std::array<char, 1024>;

std::uint8_t family_of(IpFamily family) {
    return family == IpFamily::v4 ? AF_INET : AF_INET6;
}

/// The header's one-byte table field can't hold big numbers; RTA_TABLE and FRA_TABLE can.
std::uint8_t short_table(std::uint32_t table) {
    return table < 256 ? static_cast<std::uint8_t>(table) : std::uint8_t{RT_TABLE_UNSPEC};
}

template <class Header>
Header* put_header(nlmsghdr* message) {
    return static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)));
}

Unexpected<Error> fail_with(const std::string& what, int error) {
    return fail(what + ": " + errno_text(error) + (error == EPERM ? " (needs CAP_NET_ADMIN)" : ""));
}

std::string to_string(const KernelRoute& route) {
    return "route " + route.prefix.to_string() + " table " + std::to_string(route.table);
}

std::string to_string(const KernelRule& rule) {
    return "rule" + (rule.interface.empty() ? "" : " iif " + rule.interface) +
           (rule.mark == 0 ? "" : " fwmark " + std::to_string(rule.mark)) + " lookup " +
           std::to_string(rule.table);
}

}  // namespace

void RouteNetlink::Close::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

RouteNetlink::RouteNetlink(std::unique_ptr<mnl_socket, Close> socket)
    : socket_(std::move(socket)) {}

Result<RouteNetlink> RouteNetlink::open() {
    std::unique_ptr<mnl_socket, Close> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
        return fail_errno("open rtnetlink");
    }
    return RouteNetlink(std::move(socket));
}

int RouteNetlink::request(nlmsghdr* message) {
    message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) {
        return errno;
    }
    std::array<char, 8192> answer{};
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), answer.data(), answer.size());
    if (size < 0) {
        return errno;
    }
    const int result = mnl_cb_run(answer.data(), static_cast<std::size_t>(size), sequence_,
                                  mnl_socket_get_portid(socket_.get()), nullptr, nullptr);
    return result < 0 ? errno : 0;
}

Status RouteNetlink::set_link_up(unsigned interface_index, const LinkSettings& settings) {
    MessageBuffer buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_NEWLINK;
    auto* link = put_header<ifinfomsg>(message);
    link->ifi_family = AF_UNSPEC;
    link->ifi_index = static_cast<int>(interface_index);
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    mnl_attr_put_u32(message, IFLA_MTU, settings.mtu);
    mnl_attr_put_u32(message, IFLA_TXQLEN, settings.queue_length);
    if (const int error = request(message); error != 0) {
        return fail_with("set up interface " + std::to_string(interface_index), error);
    }
    return {};
}

int RouteNetlink::address_request(std::uint16_t type, std::uint16_t flags,
                                  const std::string& interface, const IpAddress& address) {
    const unsigned index = if_nametoindex(interface.c_str());
    if (index == 0) {
        return ENODEV;
    }
    MessageBuffer buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = flags;
    auto* header = put_header<ifaddrmsg>(message);
    header->ifa_family = family_of(address.family());
    header->ifa_prefixlen = static_cast<std::uint8_t>(address.bit_length());
    // No duplicate address detection: every edge of the fleet has the address, by design.
    header->ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
    header->ifa_scope = RT_SCOPE_UNIVERSE;
    header->ifa_index = index;
    mnl_attr_put(message, IFA_LOCAL, address.bytes().size(), address.bytes().data());
    mnl_attr_put(message, IFA_ADDRESS, address.bytes().size(), address.bytes().data());
    return request(message);
}

Status RouteNetlink::add_address(const std::string& interface, const IpAddress& address) {
    const int error = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, interface, address);
    if (error != 0 && error != EEXIST) {
        return fail_with("put " + address.to_string() + " on " + interface, error);
    }
    return {};
}

Status RouteNetlink::remove_address(const std::string& interface, const IpAddress& address) {
    const int error = address_request(RTM_DELADDR, 0, interface, address);
    if (error != 0 && error != EADDRNOTAVAIL && error != ENODEV) {
        return fail_with("take " + address.to_string() + " off " + interface, error);
    }
    return {};
}

int RouteNetlink::route_request(std::uint16_t type, std::uint16_t flags, const KernelRoute& route) {
    MessageBuffer buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = flags;
    auto* header = put_header<rtmsg>(message);
    header->rtm_family = family_of(route.prefix.address.family());
    header->rtm_dst_len = route.prefix.length;
    header->rtm_table = short_table(route.table);
    header->rtm_protocol = route.protocol;
    header->rtm_scope = route.prefix.address.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header->rtm_type = RTN_UNICAST;
    const ByteView destination = route.prefix.address.bytes();
    mnl_attr_put(message, RTA_DST, destination.size(), destination.data());
    mnl_attr_put_u32(message, RTA_OIF, route.interface_index);
    mnl_attr_put_u32(message, RTA_TABLE, route.table);
    if (route.metric != 0) {
        mnl_attr_put_u32(message, RTA_PRIORITY, route.metric);
    }
    if (route.xfrm_if_id != 0) {
        mnl_attr_put_u16(message, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_XFRM);
        nlattr* encap = mnl_attr_nest_start(message, RTA_ENCAP);
        mnl_attr_put_u32(message, LWT_XFRM_IF_ID, route.xfrm_if_id);
        mnl_attr_nest_end(message, encap);
    }
    return request(message);
}

Status RouteNetlink::add_route(const KernelRoute& route) {
    if (const int error = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
        error != 0) {
        return fail_with("add " + to_string(route), error);
    }
    return {};
}

Status RouteNetlink::replace_route(const KernelRoute& route) {
    if (const int error = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
        error != 0) {
        return fail_with("set " + to_string(route), error);
    }
    return {};
}

Status RouteNetlink::remove_route(const KernelRoute& route) {
    const int error = route_request(RTM_DELROUTE, 0, route);
    if (error != 0 && error != ESRCH) {
        return fail_with("remove " + to_string(route), error);
    }
    return {};
}

int RouteNetlink::rule_request(std::uint16_t type, std::uint16_t flags, const KernelRule& rule) {
    MessageBuffer buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = flags;
    auto* header = put_header<fib_rule_hdr>(message);
    header->family = family_of(rule.family);
    header->table = short_table(rule.table);
    header->action = FR_ACT_TO_TBL;
    if (!rule.interface.empty()) {
        mnl_attr_put_strz(message, FRA_IIFNAME, rule.interface.c_str());
    }
    if (rule.mark != 0) {
        mnl_attr_put_u32(message, FRA_FWMARK, rule.mark);
        mnl_attr_put_u32(message, FRA_FWMASK, UINT32_MAX);
    }
    mnl_attr_put_u32(message, FRA_TABLE, rule.table);
    mnl_attr_put_u32(message, FRA_PRIORITY, rule.priority);
    return request(message);
}

Status RouteNetlink::add_rule(const KernelRule& rule) {
    if (const int error = rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule); error != 0) {
        return fail_with("add " + to_string(rule), error);
    }
    return {};
}

Status RouteNetlink::ensure_rule(const KernelRule& rule) {
    const int error = rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
    return error == 0 || error == EEXIST ? Status{}
                                         : Status{fail_with("add " + to_string(rule), error)};
}

Status RouteNetlink::remove_rules(const KernelRule& rule) {
    int error = 0;
    while (error == 0) {
        error = rule_request(RTM_DELRULE, 0, rule);
    }
    if (error != ENOENT) {
        return fail_with("remove " + to_string(rule), error);
    }
    return {};
}

std::optional<std::string> read_sysctl(const std::string& path) {
    std::ifstream file("/proc/sys/net/" + path);
    std::string value;
    return file >> value ? std::optional(value) : std::nullopt;
}

Status write_sysctl(const std::string& path, const std::string& value) {
    if (read_sysctl(path) == value) {
        return {};
    }
    const std::string file = "/proc/sys/net/" + path;
    std::ofstream out(file);
    out << value << std::flush;
    if (!out) {
        return fail("write " + value + " to " + file +
                    " failed; is /proc/sys mounted read-only (a container)?");
    }
    return {};
}

}  // namespace anyswan::net
