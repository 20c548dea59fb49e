// SPDX-License-Identifier: Apache-2.0
// The forwarder inside a fake driver, and the words of its tests.
#pragma once

#include <gtest/gtest.h>

#include "core/wire/esp/esp.h"
#include "dataplane/fake/fake_driver.h"
#include "dataplane/test_peer.h"

namespace anyswan::dataplane::testing {

using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::make_record;
using esp::testing::near_to_far;

inline constexpr std::uint64_t many = 1000000;

class ForwarderTest : public ::testing::Test {
protected:
    ForwarderTest()
        : driver_({.incarnation = Incarnation(7)}, random_,
                  {.on_events =
                       [this](std::vector<Event> events) {
                           std::ranges::move(events, std::back_inserter(events_));
                       },
                   .on_ike = {}}) {
        apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")},
              AddRoute{tunnel_id, *IpPrefix::parse("2001:db8:2::/48")});
    }

    template <class... Changes>
    void apply(Changes&&... changes) {
        driver_.apply(batch(std::forward<Changes>(changes)...));
    }
    void send(const Bytes& packet, std::size_t count = 1) {
        for (std::size_t i = 0; i < count; ++i) {
            driver_.send_inner("acme", packet);
        }
    }
    void receive(const Bytes& esp, const Endpoint& remote = testing::peer_natt,
                 std::uint8_t traffic_class = 0) {
        std::vector<esp::OuterPacket> packets;
        packets.push_back({esp::Packet::copy_of(esp), testing::driver_natt, remote,
                           remote.port != 0, traffic_class});
        driver_.receive(std::move(packets));
    }
    void wait(Duration time) {
        now_.instant = now_.instant + time;
        now_.wall.unix_ns += time.count();
        driver_.advance_to(now_);
    }
    /// The events of one type since the last call; others are kept.
    template <class T>
    std::vector<T> take() {
        std::vector<T> taken;
        std::erase_if(events_, [&](Event& event) {
            if (auto* one = std::get_if<T>(&event)) {
                taken.push_back(std::move(*one));
                return true;
            }
            return false;
        });
        return taken;
    }
    /// The SPI of the only packet that left since the last call.
    EspSpi sent_on() {
        const auto sent = driver_.take_outer();
        EXPECT_EQ(sent.size(), 1U);
        return sent.empty() ? EspSpi(0) : wire::esp::read_header(sent[0].packet.bytes())->spi;
    }
    std::uint64_t counter(const std::string& name) { return driver_.counters().at(name); }
    /// The inner packets that reached the peer, in order.
    std::vector<Bytes> at_peer(Peer& peer) {
        std::vector<Bytes> opened;
        for (const esp::OuterPacket& outer : driver_.take_outer()) {
            auto inner = peer.open(outer.packet.bytes());
            EXPECT_TRUE(inner.has_value());
            opened.push_back(inner.value_or(Bytes{}));
        }
        return opened;
    }

    SeededRandom random_{1};
    std::vector<Event> events_;
    FakeDriver driver_;
    Now now_{};
    const Bytes out_ = datagram(near_to_far, "out");
    const Bytes in_ = datagram(far_to_near, "in");
};

inline sa::ChildSaRecord record_at(std::uint32_t spi, std::int64_t published) {
    auto record = make_record("aes128gcm16", spi);
    record.published_at = WallTime{published};
    return record;
}

}  // namespace anyswan::dataplane::testing
