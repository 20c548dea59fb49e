// SPDX-License-Identifier: Apache-2.0
// The userspace driver's surroundings for the conformance suite: a network namespace whose loopback
// has the driver's address and the peers'; the test holds the peers' sockets, sends inner packets
// through a raw socket and sees what arrives on the TUN interface through a packet socket.
#include <mutex>

#include "dataplane/test_outside.h"
#include "dataplane/user/user_driver.h"
#include "net/clock.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::conformance {
namespace {

using net::testing::Netns;

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
