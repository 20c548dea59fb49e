// SPDX-License-Identifier: Apache-2.0
#include "net/datagram_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

// Behind <netinet/in.h>, which they clash with otherwise.
#include <linux/udp.h>
#include <linux/xfrm.h>

#include "net/sockaddr.h"

namespace anyswan::net {

namespace {

constexpr int socket_buffer_size = 8 << 20;
constexpr std::uint8_t protocol_esp = 50;

// Room for the two ancillary items of a datagram: local address and traffic class.
constexpr std::size_t control_size = CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int));
static_assert(sizeof(in6_pktinfo) >= sizeof(in_pktinfo));

bool set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/// Appends one ancillary item to `message`, whose control buffer has room for it.
template <class T>
void append_control(msghdr& message, int level, int type, const T& value) {
    auto* item = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) +
                                            message.msg_controllen);
    item->cmsg_level = level;
    item->cmsg_type = type;
    item->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(item), &value, sizeof value);
    message.msg_controllen += CMSG_SPACE(sizeof value);
}

void append_local_address(msghdr& message, const IpAddress& local) {
    const ByteView bytes = local.bytes();
    if (local.is_v4()) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, bytes.data(), bytes.size());
        append_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, bytes.data(), bytes.size());
        append_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

void append_traffic_class(msghdr& message, IpFamily family, std::uint8_t traffic_class) {
    const int value = traffic_class;
    if (family == IpFamily::v4) {
        append_control(message, IPPROTO_IP, IP_TOS, value);
    } else {
        append_control(message, IPPROTO_IPV6, IPV6_TCLASS, value);
    }
}

/// Reads what the kernel says about one received datagram.
void read_control(msghdr& message, IncomingDatagram& datagram) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
         item = CMSG_NXTHDR(&message, item)) {
        const auto* data = CMSG_DATA(item);
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, data, sizeof info);
            datagram.local.address = IpAddress::v4(ntohl(info.ipi_addr.s_addr));
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, data, sizeof info);
            datagram.local.address = *IpAddress::from_bytes({info.ipi6_addr.s6_addr, 16});
        } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) {
            datagram.traffic_class = *data;
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS) {
            int value = 0;
            std::memcpy(&value, data, sizeof value);
            datagram.traffic_class = static_cast<std::uint8_t>(value);
        }
    }
}

/// A raw IPv4 socket delivers the IP header too; the payload is behind it.
MutableBytes without_ipv4_header(MutableBytes bytes) {
    const std::size_t header = bytes.empty() ? 0 : (bytes[0] & 0x0fU) * std::size_t{4};
    return bytes.subspan(std::min(header, bytes.size()));
}

}  // namespace

struct DatagramSocket::Batch {
    std::array<mmsghdr, datagram_batch_max> headers{};
    std::array<iovec, datagram_batch_max> vectors{};
    std::array<sockaddr_storage, datagram_batch_max> addresses{};
    alignas(cmsghdr) std::array<std::array<char, control_size>, datagram_batch_max> controls{};
};

DatagramSocket::DatagramSocket(Fd fd, Kind kind, const Endpoint& local)
    : fd_(std::move(fd)), kind_(kind), local_(local), batch_(std::make_shared<Batch>()) {}

Result<DatagramSocket> DatagramSocket::open_udp(const Endpoint& local) {
    return open(Kind::udp, local);
}

Result<DatagramSocket> DatagramSocket::adopt_udp(Fd fd, const Endpoint& local) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    int type = 0;
    socklen_t type_size = sizeof type;
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_DGRAM ||
        from_sockaddr(address) != local) {
        return fail("the kept socket is not bound to UDP " + local.to_string());
    }
    // Its options are as the earlier life set them; some can't be set on a bound socket.
    return DatagramSocket(std::move(fd), Kind::udp, local);
}

Result<DatagramSocket> DatagramSocket::open_esp(const IpAddress& local) {
    return open(Kind::esp, {local, 0});
}

Result<DatagramSocket> DatagramSocket::open(Kind kind, const Endpoint& local) {
    const std::string what =
        kind == Kind::udp ? "UDP " + local.to_string() : "raw ESP " + local.address.to_string();
    const int type = kind == Kind::udp ? SOCK_DGRAM : SOCK_RAW;
    Fd fd(socket(local.address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 kind == Kind::udp ? 0 : protocol_esp));
    if (!fd.valid()) {
        return fail_errno("open " + what +
                          (errno == EPERM ? " (raw sockets need CAP_NET_RAW)" : ""));
    }
    DatagramSocket made(std::move(fd), kind, local);
    if (auto configured = made.configure(); !configured) {
        return fail(what + ": " + configured.error().message);
    }
    sockaddr_storage address{};
    socklen_t size = to_sockaddr(local, address);
    if (bind(made.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
        return fail_errno("bind " + what +
                          (errno == EADDRINUSE ? " (is another IKE daemon running?)" : ""));
    }
    if (kind == Kind::udp &&
        getsockname(made.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0) {
        made.local_.port = from_sockaddr(address).port;
    }
    return made;
}

Status DatagramSocket::configure() {
    const int fd = fd_.get();
    // FORCE goes past net.core.[rw]mem_max and needs CAP_NET_ADMIN; without it, what we may have.
    for (const auto& [forced, plain] :
         {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
        if (!set_option(fd, SOL_SOCKET, forced, socket_buffer_size)) {
            set_option(fd, SOL_SOCKET, plain, socket_buffer_size);
        }
    }
    bool ok = false;
    if (local_.address.is_v4()) {
        ok = set_option(fd, IPPROTO_IP, IP_FREEBIND, 1) &&
             set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) && set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
    } else {
        // Raw IPv6 sockets never see IPv4, and refuse the option.
        ok = (kind_ == Kind::esp || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
             set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) &&
             set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
             set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    }
    if (!ok) {
        return fail_errno("socket options");
    }
    set_fragmentation(false);
    return {};
}

// "PROBE" sets DF, but does not let the kernel refuse packets because of what an ICMP message once
// said about the path: such messages can be forged, and an anycast path changes under us.
void DatagramSocket::set_fragmentation(bool allowed) {
    const int fd = fd_.get();
    if (local_.address.is_v4()) {
        set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, allowed ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
    } else {
        set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                   allowed ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
        set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, allowed ? 0 : 1);
    }
}

Status DatagramSocket::give_esp_to_kernel() {
    if (!set_option(fd_.get(), IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)) {
        return fail_errno("UDP_ENCAP on " + local_.to_string() +
                          " (the kernel must have ESP: modules esp4, esp6)");
    }
    return {};
}

Status bypass_ipsec(const Fd& fd, IpFamily family) {
    const bool v4 = family == IpFamily::v4;
    for (const std::uint8_t direction :
         {std::uint8_t{XFRM_POLICY_IN}, std::uint8_t{XFRM_POLICY_OUT}}) {
        xfrm_userpolicy_info policy{};
        policy.sel.family = v4 ? AF_INET : AF_INET6;
        policy.dir = direction;
        policy.action = XFRM_POLICY_ALLOW;
        const int set = setsockopt(fd.get(), v4 ? static_cast<int>(IPPROTO_IP) : IPPROTO_IPV6,
                                   v4 ? IP_XFRM_POLICY : IPV6_XFRM_POLICY, &policy, sizeof policy);
        if (set != 0 && errno != ENOPROTOOPT && errno != EOPNOTSUPP) {
            return fail_errno("IPsec bypass policy on a socket");
        }
    }
    return {};
}

Status DatagramSocket::bypass_ipsec() {
    const Status done = net::bypass_ipsec(fd_, local_.address.family());
    return done ? done : fail(done.error().message + " for " + local_.to_string());
}

std::size_t DatagramSocket::receive(std::span<IncomingDatagram> datagrams) {
    Batch& batch = *batch_;
    const std::size_t count = std::min(datagrams.size(), datagram_batch_max);
    for (std::size_t i = 0; i < count; ++i) {
        batch.vectors[i] = {datagrams[i].space.data(), datagrams[i].space.size()};
        msghdr& header = batch.headers[i].msg_hdr;
        header = {};
        header.msg_name = &batch.addresses[i];
        header.msg_namelen = sizeof(sockaddr_storage);
        header.msg_iov = &batch.vectors[i];
        header.msg_iovlen = 1;
        header.msg_control = batch.controls[i].data();
        header.msg_controllen = control_size;
    }
    const int got = recvmmsg(fd_.get(), batch.headers.data(), static_cast<unsigned>(count),
                             MSG_DONTWAIT, nullptr);
    if (got <= 0) {
        return 0;  // nothing there; or an ICMP error for an earlier datagram, which is not news
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
        IncomingDatagram& datagram = datagrams[i];
        msghdr& header = batch.headers[i].msg_hdr;
        datagram.payload = datagram.space.first(batch.headers[i].msg_len);
        if (kind_ == Kind::esp && local_.address.is_v4()) {
            datagram.payload = without_ipv4_header(datagram.payload);
        }
        datagram.local = local_;
        datagram.remote = from_sockaddr(batch.addresses[i]);
        if (kind_ == Kind::esp) {
            datagram.remote.port = 0;
        }
        datagram.traffic_class = 0;
        datagram.truncated = (header.msg_flags & MSG_TRUNC) != 0;
        read_control(header, datagram);
    }
    return static_cast<std::size_t>(got);
}

std::size_t DatagramSocket::send(std::span<const OutgoingDatagram> datagrams) {
    Batch& batch = *batch_;
    std::size_t refused = 0;
    while (!datagrams.empty()) {
        const std::size_t count = std::min(datagrams.size(), datagram_batch_max);
        for (std::size_t i = 0; i < count; ++i) {
            const OutgoingDatagram& datagram = datagrams[i];
            // sendmsg() doesn't write through this pointer.
            batch.vectors[i] = {const_cast<std::uint8_t*>(datagram.bytes.data()),
                                datagram.bytes.size()};
            msghdr& header = batch.headers[i].msg_hdr;
            header = {};
            header.msg_name = &batch.addresses[i];
            Endpoint remote = datagram.remote;
            remote.port = kind_ == Kind::esp ? std::uint16_t{0} : remote.port;
            header.msg_namelen = to_sockaddr(remote, batch.addresses[i]);
            header.msg_iov = &batch.vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = batch.controls[i].data();
            append_local_address(header, datagram.local.address);
            append_traffic_class(header, local_.address.family(), datagram.traffic_class);
        }
        const int sent =
            sendmmsg(fd_.get(), batch.headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
        if (sent > 0) {
            datagrams = datagrams.subspan(static_cast<std::size_t>(sent));
        } else {
            ++refused;  // the first one; the others may have other destinations
            datagrams = datagrams.subspan(1);
        }
    }
    return refused;
}

std::size_t DatagramSocket::send_fragmentable(std::span<const OutgoingDatagram> datagrams) {
    set_fragmentation(true);
    const std::size_t refused = send(datagrams);
    set_fragmentation(false);
    return refused;
}

}  // namespace anyswan::net
