// SPDX-License-Identifier: Apache-2.0
// Test support: what surrounds a driver under test. The peers' sockets outside, and the host's
// network stack inside, seen through raw and packet sockets.
#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/esp/test_records.h"
#include "core/wire/esp/esp.h"
#include "core/wire/ip/ip_view.h"
#include "dataplane/conformance.h"
#include "net/datagram_socket.h"
#include "net/poller.h"
#include "net/raw_ip.h"
#include "net/sockaddr.h"

namespace anyswan::dataplane::conformance {

using esp::testing::address;
using net::DatagramSocket;

inline constexpr std::size_t buffer_size = 65536;

template <class T>
void take(std::vector<T>& from, std::vector<T>& to) {
    for (T& one : from) {
        to.push_back(std::move(one));
    }
    from.clear();
}

/// Receives one datagram, or nothing.
inline std::optional<net::IncomingDatagram> receive_one(DatagramSocket& socket, Bytes& buffer) {
    net::IncomingDatagram datagram;
    datagram.space = buffer;
    return socket.receive({&datagram, 1}) == 1 ? std::optional(datagram) : std::nullopt;
}

/// All sockets of the peers outside.
class PeerSockets {
public:
    Status open(net::Poller& poller) {
        for (const char* text : {"192.0.2.2", "192.0.2.3", "2001:db8:ff::2"}) {
            for (auto opened :
                 {&PeerSockets::open_ike, &PeerSockets::open_natt, &PeerSockets::open_esp}) {
                auto socket = opened(address(text));
                if (!socket) {
                    return Unexpected<Error>{socket.error()};
                }
                (void)poller.add(socket->fd(), 1);
                sockets_.push_back(std::move(*socket));
            }
        }
        return {};
    }
    DatagramSocket& at(const Endpoint& local) {
        const auto found = std::ranges::find_if(
            sockets_, [&](const DatagramSocket& one) { return one.local() == local; });
        check(found != sockets_.end(), "no such peer in this test");
        return *found;
    }
    /// Sorts what arrived into ESP and IKE.
    void collect(std::vector<esp::OuterPacket>& esp, std::vector<IkeDatagram>& ike) {
        for (DatagramSocket& socket : sockets_) {
            while (const auto datagram = receive_one(socket, buffer_)) {
                sort(socket.local().port, *datagram, esp, ike);
            }
        }
    }

private:
    static Result<DatagramSocket> open_ike(const IpAddress& local) {
        return DatagramSocket::open_udp({local, ike_port});
    }
    static Result<DatagramSocket> open_natt(const IpAddress& local) {
        return DatagramSocket::open_udp({local, natt_port});
    }
    static Result<DatagramSocket> open_esp(const IpAddress& local) {
        return DatagramSocket::open_esp(local);
    }
    static void sort(std::uint16_t port, const net::IncomingDatagram& datagram,
                     std::vector<esp::OuterPacket>& esp, std::vector<IkeDatagram>& ike) {
        const bool marked =
            port == natt_port && wire::esp::classify_natt(datagram.payload) == wire::esp::Natt::ike;
        if (port == ike_port || marked) {
            const std::size_t skip = marked ? wire::esp::non_esp_marker_size : 0;
            ike.push_back({datagram.local, datagram.remote,
                           to_bytes(ByteView(datagram.payload).subspan(skip))});
        } else {
            esp.push_back({esp::Packet::copy_of(datagram.payload), datagram.local, datagram.remote,
                           port != 0, datagram.traffic_class});
        }
    }

    std::vector<DatagramSocket> sockets_;
    Bytes buffer_ = Bytes(buffer_size);
};

/// The host's network stack, seen from the test.
class Stack {
public:
    Status open() {
        auto sender = net::RawIpSender::open();
        if (!sender) {
            return Unexpected<Error>{sender.error()};
        }
        sender_.emplace(std::move(*sender));
        // Someone listens, so that the stack has no reason for ICMP errors of its own.
        for (const char* text : {"10.1.0.1", "2001:db8:1::1"}) {
            auto listener = DatagramSocket::open_udp({address(text), 5000});
            if (!listener) {
                return Unexpected<Error>{listener.error()};
            }
            listeners_.push_back(std::move(*listener));
        }
        return {};
    }
    /// IPv4 that the stack accepts, behind its IPsec policies, which a packet socket doesn't see.
    void watch_accepted_v4() {
        accepted_v4_ =
            net::Fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
        EXPECT_TRUE(accepted_v4_.valid());
    }
    /// Starts watching, once the interface is there.
    void watch(const std::string& interface) {
        if (watcher_.valid()) {
            return;
        }
        sockaddr_ll link{};
        link.sll_family = AF_PACKET;
        link.sll_protocol = htons(ETH_P_ALL);
        link.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        net::Fd fd(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
        if (fd.valid() && link.sll_ifindex != 0 &&
            bind(fd.get(), reinterpret_cast<sockaddr*>(&link), sizeof link) == 0) {
            watcher_ = std::move(fd);
        }
    }
    [[nodiscard]] bool try_send(ByteView packet) { return sender_->send(packet); }
    void send(ByteView packet) { EXPECT_TRUE(sender_->send(packet)) << net::errno_text(errno); }
    void collect(std::vector<Bytes>& to) {
        while (accepted_v4_.valid()) {
            const ssize_t got = recv(accepted_v4_.get(), buffer_.data(), buffer_.size(), 0);
            if (got <= 0) {
                break;
            }
            const ByteView bytes = ByteView(buffer_).first(static_cast<std::size_t>(got));
            if (const auto view = wire::ip::parse_ip(bytes);
                view && view->destination == address("10.1.0.1")) {
                to.push_back(to_bytes(bytes));
            }
        }
        while (watcher_.valid()) {
            sockaddr_ll from{};
            socklen_t size = sizeof from;
            const ssize_t got = recvfrom(watcher_.get(), buffer_.data(), buffer_.size(), 0,
                                         reinterpret_cast<sockaddr*>(&from), &size);
            if (got <= 0) {
                return;
            }
            const ByteView bytes = ByteView(buffer_).first(static_cast<std::size_t>(got));
            const auto view = wire::ip::parse_ip(bytes);
            // Where inner packets come in by the outer interface, ESP is seen there as well.
            const bool inner =
                view && ((view->destination == address("10.1.0.1") && !accepted_v4_.valid()) ||
                         view->destination == address("2001:db8:1::1"));
            if (from.sll_pkttype != PACKET_OUTGOING && inner) {
                to.push_back(to_bytes(bytes));
            }
        }
    }

private:
    std::optional<net::RawIpSender> sender_;
    net::Fd watcher_;
    net::Fd accepted_v4_;
    std::vector<DatagramSocket> listeners_;
    Bytes buffer_ = Bytes(buffer_size);
};

}  // namespace anyswan::dataplane::conformance
