// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/xfrm_host_test.h"

namespace anyswan::dataplane::conformance {

using net::testing::Netns;

Result<std::unique_ptr<XfrmHost>> XfrmHost::make(bool without_interface) {
    auto near = Netns::make();
    auto far = Netns::make();
    auto poller = net::Poller::make();
    if (!near || !far || !poller) {
        return fail("namespaces of the test");
    }
    std::unique_ptr<XfrmHost> host(
        new XfrmHost(std::move(*near), std::move(*far), std::move(*poller), without_interface));
    if (const Status started = host->start(); !started) {
        return Unexpected<Error>{started.error()};
    }
    return host;
}

Status XfrmHost::start() {
    const std::string far_path = far_.path();
    if (!near_.shell(
            "ip link add cable type veth peer name cable-far netns " + far_path +
            " && ip addr add 192.0.2.1/24 dev cable && ip link set cable up && "
            "ip addr add 2001:db8:ff::1/64 dev cable nodad && "
            "ip addr add 10.1.0.1/32 dev lo && ip addr add 2001:db8:1::1/128 dev lo nodad") ||
        !far_.shell("ip addr add 192.0.2.2/24 dev cable-far && "
                    "ip addr add 192.0.2.3/24 dev cable-far && "
                    "ip addr add 2001:db8:ff::2/64 dev cable-far nodad && "
                    "ip link set cable-far up")) {
        return fail("addresses of the test's namespaces");
    }
    Status status;
    far_.run([&] { status = peers_.open(poller_); });
    if (!status) {
        return status;
    }
    near_.run([&] {
        status = start_driver();
        if (status) {
            status = stack_.open();
            stack_.watch_accepted_v4();
            stack_.watch(without_interface_ ? "cable" : "as_ipsec");
        }
    });
    return status;
}

Status XfrmHost::start_driver(int answer_buffer) {
    XfrmDriverConfig config;
    config.base.local_addresses = {address(driver_v4), address(driver_v6)};
    config.base.routes_in_main_table = true;
    config.without_interface = without_interface_;
    config.answer_buffer = answer_buffer;
    config.retry_interval = 100ms;
    DriverSink sink;
    sink.on_events = [this](std::vector<Event> events) {
        const std::scoped_lock lock(mutex_);
        take(events, events_);
    };
    sink.on_ike = [this](std::vector<IkeDatagram> datagrams) {
        const std::scoped_lock lock(mutex_);
        take(datagrams, ike_);
    };
    auto driver = XfrmDriver::start(std::move(config), std::move(sink));
    if (!driver) {
        return Unexpected<Error>{driver.error()};
    }
    driver_ = std::move(*driver);
    return {};
}

void XfrmHost::restart(int answer_buffer) {
    driver_.reset();
    Status status;
    near_.run([&] { status = start_driver(answer_buffer); });
    EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
}

std::string XfrmHost::shell(const std::string& command) const {
    std::string output;
    EXPECT_TRUE(near_.shell(command, &output)) << command << ": " << output;
    return output;
}

void XfrmHost::send_esp(const Endpoint& remote, const Endpoint& local, ByteView esp,
                        std::uint8_t traffic_class) {
    const net::OutgoingDatagram datagram{esp, remote, local, traffic_class};
    EXPECT_EQ(peers_.at(remote).send({&datagram, 1}), 0U);
}

void XfrmHost::send_ike(const Endpoint& remote, const Endpoint& local, ByteView message) {
    Bytes bytes(remote.port == natt_port ? wire::esp::non_esp_marker_size : 0);
    bytes.insert(bytes.end(), message.begin(), message.end());
    const net::OutgoingDatagram datagram{bytes, remote, local, 0};
    EXPECT_EQ(peers_.at(remote).send({&datagram, 1}), 0U);
}

void XfrmHost::collect_esp(std::vector<esp::OuterPacket>& to) {
    peers_.collect(esp_, ike_at_peers_);
    take(esp_, to);
}

void XfrmHost::collect_ike_at_peers(std::vector<IkeDatagram>& to) {
    peers_.collect(esp_, ike_at_peers_);
    take(ike_at_peers_, to);
}

void XfrmHost::collect_events(std::vector<Event>& to) {
    const std::scoped_lock lock(mutex_);
    take(events_, to);
}

void XfrmHost::collect_ike(std::vector<IkeDatagram>& to) {
    const std::scoped_lock lock(mutex_);
    take(ike_, to);
}

namespace {

template <bool without_interface>
Result<std::unique_ptr<Host>> make_host() {
    auto made = XfrmHost::make(without_interface);
    if (!made) {
        return Unexpected<Error>{made.error()};
    }
    return std::unique_ptr<Host>(std::move(*made));
}

INSTANTIATE_TEST_SUITE_P(XfrmInterface, DriverConformance, ::testing::Values(&make_host<false>));
INSTANTIATE_TEST_SUITE_P(XfrmPolicies, DriverConformance, ::testing::Values(&make_host<true>));

}  // namespace
}  // namespace anyswan::dataplane::conformance
