// SPDX-License-Identifier: Apache-2.0
#include "dataplane/conformance.h"
#include "dataplane/fake/fake_driver.h"
#include "dataplane/forward/limits.h"

namespace anyswan::dataplane::conformance {
namespace {

class FakeHost final : public Host {
public:
    Driver& driver() override { return driver_; }

    void send_esp(const Endpoint& remote, const Endpoint& local, ByteView esp,
                  std::uint8_t traffic_class) override {
        std::vector<esp::OuterPacket> packets;
        packets.push_back(
            {esp::Packet::copy_of(esp), local, remote, remote.port != 0, traffic_class});
        driver_.receive(std::move(packets));
    }
    void send_ike(const Endpoint& remote, const Endpoint& local, ByteView message) override {
        driver_.receive_ike({{local, remote, to_bytes(message)}});
    }
    void send_inner(ByteView packet) override { driver_.send_inner("acme", packet); }

    void collect_esp(std::vector<esp::OuterPacket>& to) override {
        for (esp::OuterPacket& packet : driver_.take_outer()) {
            std::swap(packet.local, packet.remote);
            to.push_back(std::move(packet));
        }
    }
    void collect_inner(std::vector<Bytes>& to) override {
        for (FakeInner& inner : driver_.take_inner()) {
            to.push_back(std::move(inner.packet));
        }
    }
    void collect_ike_at_peers(std::vector<IkeDatagram>& to) override {
        for (IkeDatagram& datagram : driver_.take_ike()) {
            to.push_back({datagram.remote, datagram.local, std::move(datagram.bytes)});
        }
    }
    void collect_events(std::vector<Event>& to) override { take(events_, to); }
    void collect_ike(std::vector<IkeDatagram>& to) override { take(ike_, to); }
    void wait_a_little() override {
        now_.instant = now_.instant + tick_interval;
        driver_.advance_to(now_);
    }

private:
    template <class T>
    static void take(std::vector<T>& from, std::vector<T>& to) {
        for (T& one : from) {
            to.push_back(std::move(one));
        }
        from.clear();
    }

    SeededRandom random_{1};
    std::vector<Event> events_;
    std::vector<IkeDatagram> ike_;
    FakeDriver driver_{
        {.incarnation = Incarnation(1)},
        random_,
        {.on_events = [this](std::vector<Event> events) { take(events, events_); },
         .on_ike = [this](std::vector<IkeDatagram> datagrams) { take(datagrams, ike_); }}};
    Now now_{};
};

Result<std::unique_ptr<Host>> make_fake_host() {
    return std::unique_ptr<Host>(std::make_unique<FakeHost>());
}

INSTANTIATE_TEST_SUITE_P(Fake, DriverConformance, ::testing::Values(&make_fake_host));

}  // namespace
}  // namespace anyswan::dataplane::conformance
