// SPDX-License-Identifier: Apache-2.0
#include "core/esp/packet.h"

#include <gtest/gtest.h>

#include "core/esp/overhead.h"

namespace anyswan::esp {
namespace {

TEST(Packet, GrowsInPlaceOnBothSides) {
    Packet packet(100);
    EXPECT_EQ(packet.receive_space().size(), 100U);
    packet.resize(3);
    packet.bytes()[0] = 7;
    const std::uint8_t* payload = packet.bytes().data();
    packet.prepend(packet_headroom);
    packet.append(97 + packet_tailroom);
    EXPECT_EQ(packet.size(), packet_headroom + 100 + packet_tailroom);
    packet.trim_front(packet_headroom);
    EXPECT_EQ(packet.bytes().data(), payload) << "nothing moved";
    EXPECT_EQ(packet.bytes()[0], 7);
}

TEST(PacketDeathTest, RefusesToGrowPastItsBuffer) {
    Packet packet(10);
    EXPECT_DEATH(packet.prepend(packet_headroom + 1), "headroom");
    EXPECT_DEATH(packet.append(10 + packet_tailroom + 1), "past its buffer");
    EXPECT_DEATH(packet.trim_front(1), "shorter");
}

TEST(PacketPool, HandsTheSameBufferOutAgain) {
    PacketPool pool(100, 1);
    Packet packet = pool.take();
    packet.append(5);
    packet.trim_front(2);
    const std::uint8_t* at = packet.bytes().data() - 2;
    pool.give(std::move(packet));
    pool.give(Packet(50));  // of another size: freed
    packet = pool.take();
    EXPECT_EQ(packet.size(), 0U);
    EXPECT_EQ(packet.receive_space().data(), at);
    EXPECT_EQ(pool.take().capacity(), 100U) << "an empty pool makes new ones";
}

TEST(InnerMtu, LeavesRoomForEverythingAround) {
    const auto suite = [](std::string_view text) { return crypto::parse_esp_suite(text)->cipher; };
    // 1500 - 20 - 8 - 8 - 8 - 16 = 1440 = 1438 + 2
    EXPECT_EQ(inner_mtu(1500, {IpFamily::v4, true}, suite("aes128gcm16")), 1438U);
    EXPECT_EQ(inner_mtu(1500, {IpFamily::v4, false}, suite("aes128gcm16")), 1446U);
    // 1500 - 40 - 8 - 8 - 16 - 32 = 1396, 87 blocks are 1392
    EXPECT_EQ(inner_mtu(1500, {IpFamily::v6, true}, suite("aes256-sha512")), default_inner_mtu);
    EXPECT_EQ(inner_mtu(81, {IpFamily::v6, true}, suite("aes128gcm16")), 0U);
    EXPECT_EQ(inner_mtu(0, {IpFamily::v6, true}, suite("aes128gcm16")), 0U);
}

}  // namespace
}  // namespace anyswan::esp
