// SPDX-License-Identifier: Apache-2.0
// The userspace driver's surroundings for the conformance suite: a network namespace whose loopback
// has the driver's address and the peers'; the test holds the peers' sockets, sends inner packets
// through a raw socket and sees what arrives on the TUN interface through a packet socket.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <mutex>

#include "core/esp/test_records.h"
#include "core/wire/esp/esp.h"
#include "core/wire/ip/ip_view.h"
#include "dataplane/conformance.h"
#include "dataplane/user/user_driver.h"
#include "net/clock.h"
#include "net/datagram_socket.h"
#include "net/poller.h"
#include "net/sockaddr.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::conformance {
namespace {

using esp::testing::address;
using net::DatagramSocket;
using net::testing::Netns;

constexpr std::size_t buffer_size = 65536;

template <class T>
void take(std::vector<T>& from, std::vector<T>& to) {
    for (T& one : from) {
        to.push_back(std::move(one));
    }
    from.clear();
}

/// Receives one datagram, or nothing.
std::optional<net::IncomingDatagram> receive_one(DatagramSocket& socket, Bytes& buffer) {
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
        v4_ = net::Fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        v6_ = net::Fd(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        const int on = 1;
        if (!v4_.valid() || !v6_.valid() ||
            setsockopt(v6_.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on) != 0) {
            return net::fail_errno("raw sockets");
        }
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
    void send(ByteView packet) {
        const auto view = wire::ip::parse_ip(packet);
        check(view.has_value(), "a test packet that is none");
        sockaddr_storage to{};
        const socklen_t size = net::to_sockaddr({view->destination, 0}, to);
        const int fd = view->family == IpFamily::v4 ? v4_.get() : v6_.get();
        const ssize_t sent = sendto(fd, packet.data(), packet.size(), 0,
                                    reinterpret_cast<const sockaddr*>(&to), size);
        EXPECT_EQ(sent, static_cast<ssize_t>(packet.size())) << net::errno_text(errno);
    }
    void collect(std::vector<Bytes>& to) {
        while (watcher_.valid()) {
            sockaddr_ll from{};
            socklen_t size = sizeof from;
            const ssize_t got = recvfrom(watcher_.get(), buffer_.data(), buffer_.size(), 0,
                                         reinterpret_cast<sockaddr*>(&from), &size);
            if (got <= 0) {
                return;
            }
            if (from.sll_pkttype != PACKET_OUTGOING) {
                to.push_back(to_bytes(ByteView(buffer_).first(static_cast<std::size_t>(got))));
            }
        }
    }

private:
    net::Fd v4_;
    net::Fd v6_;
    net::Fd watcher_;
    std::vector<DatagramSocket> listeners_;
    Bytes buffer_ = Bytes(buffer_size);
};

class UserHost final : public Host {
public:
    UserHost(Netns netns, net::Poller poller)
        : netns_(std::move(netns)), poller_(std::move(poller)) {}

    Status start() {
        if (!netns_.shell("ip link set lo mtu 1500 && for a in 192.0.2.1/24 192.0.2.2/24 "
                          "192.0.2.3/24 10.1.0.1/32; do ip addr add $a dev lo; done && "
                          "for a in ff::1 ff::2 1::1; do "
                          "ip addr add 2001:db8:$a/128 dev lo nodad; done")) {
            return fail("addresses of the test's namespace");
        }
        Status status;
        netns_.run([&] { status = start_inside(); });
        return status;
    }

    Driver& driver() override { return *driver_; }

    void send_esp(const Endpoint& remote, const Endpoint& local, ByteView esp,
                  std::uint8_t traffic_class) override {
        netns_.run([&] { stack_.watch("as-acme"); });
        const net::OutgoingDatagram datagram{esp, remote, local, traffic_class};
        EXPECT_EQ(peers_.at(remote).send({&datagram, 1}), 0U);
    }
    void send_ike(const Endpoint& remote, const Endpoint& local, ByteView message) override {
        Bytes bytes(remote.port == natt_port ? wire::esp::non_esp_marker_size : 0);
        bytes.insert(bytes.end(), message.begin(), message.end());
        const net::OutgoingDatagram datagram{bytes, remote, local, 0};
        EXPECT_EQ(peers_.at(remote).send({&datagram, 1}), 0U);
    }
    void send_inner(ByteView packet) override { stack_.send(packet); }

    void collect_esp(std::vector<esp::OuterPacket>& to) override {
        peers_.collect(esp_, ike_at_peers_);
        take(esp_, to);
    }
    void collect_ike_at_peers(std::vector<IkeDatagram>& to) override {
        peers_.collect(esp_, ike_at_peers_);
        take(ike_at_peers_, to);
    }
    void collect_inner(std::vector<Bytes>& to) override { stack_.collect(to); }
    void collect_events(std::vector<Event>& to) override {
        const std::scoped_lock lock(mutex_);
        take(events_, to);
    }
    void collect_ike(std::vector<IkeDatagram>& to) override {
        const std::scoped_lock lock(mutex_);
        take(ike_, to);
    }
    /// Until something reaches a peer, or 10 ms.
    void wait_a_little() override { (void)poller_.wait(10ms); }

private:
    Status start_inside() {
        UserDriverConfig config;
        config.local_addresses = {address(driver_v4), address(driver_v6)};
        config.routes_in_main_table = true;
        DriverSink sink;
        sink.on_events = [this](std::vector<Event> events) {
            const std::scoped_lock lock(mutex_);
            take(events, events_);
        };
        sink.on_ike = [this](std::vector<IkeDatagram> datagrams) {
            const std::scoped_lock lock(mutex_);
            take(datagrams, ike_);
        };
        auto driver = UserDriver::start(std::move(config), random_, std::move(sink));
        if (!driver) {
            return Unexpected<Error>{driver.error()};
        }
        driver_ = std::move(*driver);
        Status status = peers_.open(poller_);
        return status ? stack_.open() : status;
    }

    Netns netns_;
    net::Poller poller_;
    net::SystemRandom random_;
    PeerSockets peers_;
    Stack stack_;
    std::vector<esp::OuterPacket> esp_;
    std::vector<IkeDatagram> ike_at_peers_;
    std::mutex mutex_;
    std::vector<Event> events_;
    std::vector<IkeDatagram> ike_;
    std::unique_ptr<UserDriver> driver_;  // last: its worker uses what is above
};

Result<std::unique_ptr<Host>> make_user_host() {
    auto netns = Netns::make();
    auto poller = net::Poller::make();
    if (!netns || !poller) {
        return Unexpected<Error>{!netns ? netns.error() : poller.error()};
    }
    auto host = std::make_unique<UserHost>(std::move(*netns), std::move(*poller));
    if (const Status started = host->start(); !started) {
        return Unexpected<Error>{started.error()};
    }
    return std::unique_ptr<Host>(std::move(host));
}

INSTANTIATE_TEST_SUITE_P(User, DriverConformance, ::testing::Values(&make_user_host));

}  // namespace
}  // namespace anyswan::dataplane::conformance
