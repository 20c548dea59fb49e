// SPDX-License-Identifier: Apache-2.0
#include "net/interface_address.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace anyswan::net {

namespace {

/// The kernel's answer to one request: 0 or an errno value.
int request(nlmsghdr* message) {
    const std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket(
        mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC), mnl_socket_close);
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0 ||
        mnl_socket_sendto(socket.get(), message, message->nlmsg_len) < 0) {
        return errno;
    }
    std::array<char, 8192> answer{};
    const ssize_t size = mnl_socket_recvfrom(socket.get(), answer.data(), answer.size());
    if (size < 0) {
        return errno;
    }
    const int result = mnl_cb_run(answer.data(), static_cast<std::size_t>(size), message->nlmsg_seq,
                                  mnl_socket_get_portid(socket.get()), nullptr, nullptr);
    return result < 0 ? errno : 0;
}

int change(std::uint16_t type, std::uint16_t flags, const std::string& interface,
           const IpAddress& address) {
    const unsigned index = if_nametoindex(interface.c_str());
    if (index == 0) {
        return ENODEV;
    }
    std::array<char, 512> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->nlmsg_seq = 1;
    auto* body = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    body->ifa_family = address.is_v4() ? AF_INET : AF_INET6;
    body->ifa_prefixlen = static_cast<std::uint8_t>(address.bit_length());
    // No duplicate address detection: every edge of the fleet has the address, by design.
    body->ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
    body->ifa_scope = RT_SCOPE_UNIVERSE;
    body->ifa_index = index;
    mnl_attr_put(message, IFA_LOCAL, address.bytes().size(), address.bytes().data());
    mnl_attr_put(message, IFA_ADDRESS, address.bytes().size(), address.bytes().data());
    return request(message);
}

}  // namespace

Status add_interface_address(const std::string& interface, const IpAddress& address) {
    const int error = change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, interface, address);
    if (error != 0 && error != EEXIST) {
        return fail(
            "cannot put " + address.to_string() + " on " + interface + ": " + std::strerror(error) +
            (error == EPERM ? "; it needs CAP_NET_ADMIN (run as root), or set edge.announce = false"
                            : ""));
    }
    return {};
}

Status remove_interface_address(const std::string& interface, const IpAddress& address) {
    const int error = change(RTM_DELADDR, 0, interface, address);
    if (error != 0 && error != EADDRNOTAVAIL && error != ENODEV) {
        return fail("cannot take " + address.to_string() + " off " + interface + ": " +
                    std::strerror(error));
    }
    return {};
}

}  // namespace anyswan::net
