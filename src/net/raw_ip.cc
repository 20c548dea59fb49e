// SPDX-License-Identifier: Apache-2.0
#include "net/raw_ip.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "core/wire/ip/ip_view.h"
#include "net/datagram_socket.h"
#include "net/sockaddr.h"

namespace anyswan::net {

namespace {

/// Says from which address the packet is, so that routing and IPsec policies see the packet's own
/// source and not one that the host would choose.
template <class Info>
void put_source(msghdr& message, int level, int type, const Info& info) {
    auto* item = static_cast<cmsghdr*>(message.msg_control);
    item->cmsg_level = level;
    item->cmsg_type = type;
    item->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(item), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
}

}  // namespace

Result<RawIpSender> RawIpSender::open() {
    Fd v4(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    if (!v4.valid()) {
        return fail_errno("open a raw socket for inner packets (needs CAP_NET_RAW)");
    }
    Fd v6(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    const int on = 1;
    if (v6.valid() && (setsockopt(v6.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on) != 0 ||
                       setsockopt(v6.get(), IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) != 0)) {
        return fail_errno("raw IPv6 socket options");
    }
    return RawIpSender(std::move(v4), std::move(v6));
}

Status RawIpSender::bypass_ipsec() const {
    const Status done = net::bypass_ipsec(v4_, IpFamily::v4);
    return done && v6_.valid() ? net::bypass_ipsec(v6_, IpFamily::v6) : done;
}

bool RawIpSender::send(ByteView packet, std::uint32_t mark) {
    const auto view = wire::ip::parse_ip(packet);
    if (!view) {
        return false;
    }
    if (mark != mark_) {
        for (const Fd* fd : {&v4_, &v6_}) {
            setsockopt(fd->get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
        }
        mark_ = mark;
    }
    sockaddr_storage to{};
    // sendmsg() doesn't write through this pointer.
    iovec vector{const_cast<std::uint8_t*>(packet.data()), packet.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = to_sockaddr({view->destination, 0}, to);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    if (view->family == IpFamily::v4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, view->source.bytes().data(), 4);
        put_source(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, view->source.bytes().data(), 16);
        put_source(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    const int fd = view->family == IpFamily::v4 ? v4_.get() : v6_.get();
    return sendmsg(fd, &message, 0) == static_cast<ssize_t>(packet.size());
}

}  // namespace anyswan::net
