// SPDX-License-Identifier: Apache-2.0
// What the tap lets through, and how a packet comes in once more: two namespaces and a cable. The
// UDP sockets here are plain ones, so that a packet that the kernel would open is seen.
#include "dataplane/xfrm/outrun.h"

#include <gmock/gmock.h>

#include <thread>

#include "dataplane/test_outside.h"
#include "net/test_netns.h"

namespace anyswan::dataplane::xfrm {
namespace {

using esp::testing::address;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr EspSpi spi(0x12345678);
const Endpoint near_v4{address("192.0.2.1"), 4500};
const Endpoint near_v6{address("2001:db8:ff::1"), 4500};

/// ESP enough: an SPI, a number and some bytes.
Bytes esp_packet(EspSpi of, std::uint8_t number) {
    Bytes bytes(40, 0x5a);
    for (std::size_t i = 0; i < 4; ++i) {
        bytes[i] = static_cast<std::uint8_t>(of.value() >> (24 - 8 * i));
    }
    bytes[4] = bytes[5] = bytes[6] = 0;
    bytes[7] = number;
    return bytes;
}

class OutrunTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto first = net::testing::Netns::make();
        auto second = net::testing::Netns::make();
        ASSERT_TRUE(first && second);
        near.emplace(std::move(*first));
        far.emplace(std::move(*second));
        ASSERT_TRUE(
            near->shell("ip link add cable type veth peer name cable-far netns " + far->path() +
                        " && ip addr add 192.0.2.1/24 dev cable && ip addr add 192.0.2.9/24 dev "
                        "cable && ip addr add 2001:db8:ff::1/64 dev cable nodad && ip link set "
                        "cable up"));
        ASSERT_TRUE(far->shell(
            "ip addr add 192.0.2.2/24 dev cable-far && ip addr add 2001:db8:ff::2/64 dev "
            "cable-far nodad && ip link set cable-far up"));
        near->run([&] {
            auto tap = net::EspTap::open(std::vector{near_v4.address, near_v6.address}, 4500);
            ASSERT_TRUE(tap.has_value()) << tap.error().message;
            auto injector = net::RawIpSender::open();
            ASSERT_TRUE(injector.has_value() && injector->bypass_ipsec());
            outrun.emplace(std::move(*tap), std::move(*injector), drops);
            near_socket.emplace(std::move(*net::DatagramSocket::open_udp(near_v4)));
            near_socket_v6.emplace(std::move(*net::DatagramSocket::open_udp(near_v6)));
        });
        far->run([&] {
            far_socket.emplace(
                std::move(*net::DatagramSocket::open_udp({address("192.0.2.2"), 7777})));
            far_socket_v6.emplace(
                std::move(*net::DatagramSocket::open_udp({address("2001:db8:ff::2"), 7777})));
            far_raw.emplace(std::move(*net::DatagramSocket::open_esp(address("192.0.2.2"))));
        });
    }
    static void send(net::DatagramSocket& from, const Endpoint& to, ByteView bytes) {
        const net::OutgoingDatagram one{bytes, from.local(), to, 0};
        EXPECT_EQ(from.send({&one, 1}), 0U);
    }
    /// Waits until the datagram is there; what it is and where from.
    static std::optional<std::pair<Bytes, Endpoint>> receive(net::DatagramSocket& at) {
        Bytes space(2048);
        net::IncomingDatagram one;
        for (int i = 0; i < 500; ++i) {
            one.space = space;
            if (at.receive({&one, 1}) == 1) {
                return std::pair(to_bytes(one.payload), one.remote);
            }
            std::this_thread::sleep_for(2ms);
        }
        return std::nullopt;
    }
    /// What the tap has seen by now; packets that a socket got before were seen before.
    std::vector<EspSpi> asked() {
        std::vector<Event> events;
        outrun->receive(
            now, [](EspSpi) { return false; }, events);
        std::vector<EspSpi> spis;
        for (const Event& event : events) {
            spis.push_back(std::get<UnknownSpi>(event).inbound_spi);
        }
        return spis;
    }

    esp::DropCounts drops{};
    Instant now{Instant{} + 1h};
    std::optional<net::testing::Netns> near, far;
    std::optional<Outrun> outrun;
    std::optional<net::DatagramSocket> near_socket, near_socket_v6, far_socket, far_socket_v6,
        far_raw;
};

TEST_F(OutrunTest, OnlyUnknownSpisOfOursComeThrough) {
    ASSERT_TRUE(outrun->know(spi));
    send(*far_socket, near_v4, esp_packet(spi, 1));
    send(*far_socket, near_v4, esp_packet(EspSpi(0), 1));  // IKE
    send(*far_socket, near_v4, Bytes{0xff});               // keepalive
    send(*far_socket, {near_v4.address, 500}, esp_packet(EspSpi(7), 1));
    send(*far_socket, {address("192.0.2.9"), 4500}, esp_packet(EspSpi(8), 1));
    send(*far_raw, {near_v4.address, 0}, esp_packet(EspSpi(0x90000001), 1));
    send(*far_socket, near_v4, esp_packet(EspSpi(0x90000002), 1));
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(receive(*near_socket).has_value());
    }
    EXPECT_THAT(asked(), ElementsAre(EspSpi(0x90000001), EspSpi(0x90000002)));
    outrun->forget(spi);
    send(*far_socket, near_v4, esp_packet(spi, 2));
    ASSERT_TRUE(receive(*near_socket).has_value());
    EXPECT_THAT(asked(), ElementsAre(spi));
    EXPECT_EQ(outrun->held(), 3U);
}

TEST_F(OutrunTest, AddressesOfOneFamilyWillDo) {
    near->run([&] {
        for (const std::vector<IpAddress>& addresses :
             {std::vector{near_v4.address}, std::vector{near_v6.address}, std::vector{IpAddress()},
              std::vector<IpAddress>{}}) {
            const auto tap = net::EspTap::open(addresses, 4500);
            EXPECT_TRUE(tap.has_value()) << tap.error().message;
        }
    });
}

TEST_F(OutrunTest, WhatWaitedComesInOnceMoreAsItWas) {
    struct Way {
        net::DatagramSocket& from;
        net::DatagramSocket& at;
        Endpoint to;
    };
    for (const Way& way :
         {Way{*far_socket, *near_socket, near_v4}, Way{*far_socket_v6, *near_socket_v6, near_v6}}) {
        SCOPED_TRACE(way.to.to_string());
        for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
            send(way.from, way.to, esp_packet(spi, number));
            ASSERT_TRUE(receive(way.at).has_value());
        }
        EXPECT_THAT(asked(), ElementsAre(spi)) << "asked once";
        ASSERT_TRUE(outrun->know(spi));
        outrun->release(spi);
        for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
            const auto again = receive(way.at);
            ASSERT_TRUE(again.has_value());
            EXPECT_EQ(again->first, esp_packet(spi, number));
            EXPECT_EQ(again->second, way.from.local()) << "from the peer";
        }
        outrun->forget(spi);
        EXPECT_THAT(asked(), IsEmpty()) << "what was given back isn't looked at";
        now = now + 2s;
        outrun->tick(now);
    }
    EXPECT_EQ(outrun->returned(), 4U);
}

TEST_F(OutrunTest, APacketOfAnSaThatCameMeanwhileGoesBackAtOnce) {
    send(*far_socket, near_v4, esp_packet(spi, 1));
    ASSERT_TRUE(receive(*near_socket).has_value());
    std::vector<Event> events;
    outrun->receive(
        now, [](EspSpi known) { return known == spi; }, events);
    EXPECT_TRUE(events.empty());
    EXPECT_TRUE(receive(*near_socket).has_value());
    EXPECT_EQ(outrun->held(), 0U);
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
