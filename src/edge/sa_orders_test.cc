// SPDX-License-Identifier: Apache-2.0
#include "edge/sa_orders.h"

#include <gtest/gtest.h>

namespace anyswan::edge {
namespace {

std::vector<ike::IkeSaSummary> owned() {
    ike::IkeSaSummary one;
    one.our_spi = IkeSpi(0x0001020304050607);
    one.tunnel = *sa::TunnelId::parse("acme/one");
    one.children = {{EspSpi(0x11223344), {}, false}};
    ike::IkeSaSummary two;
    two.our_spi = IkeSpi(0x0001aaaaaaaaaaaa);
    two.tunnel = *sa::TunnelId::parse("acme/two");
    two.children = {{EspSpi(0x55667788), {}, false}, {EspSpi(0x99aabbcc), {}, false}};
    return {one, two};
}

TEST(SaOrders, AnInboundSpiNamesTheChildAndItsIkeSa) {
    const auto rekey = order_input(SaOrder::rekey, "99aabbcc", owned());
    ASSERT_TRUE(rekey);
    const auto* child = std::get_if<ike::RekeyChild>(&*rekey);
    ASSERT_NE(child, nullptr);
    EXPECT_EQ(child->our_spi, IkeSpi(0x0001aaaaaaaaaaaa));
    EXPECT_EQ(child->inbound_spi, EspSpi(0x99aabbcc));
    const auto end = order_input(SaOrder::end, "11223344", owned());
    ASSERT_TRUE(end);
    EXPECT_EQ(std::get<ike::DeleteChild>(*end).our_spi, IkeSpi(0x0001020304050607));
}

TEST(SaOrders, OurIkeSpiNamesTheIkeSaAlone) {
    const auto rekey = order_input(SaOrder::rekey, "0001020304050607", owned());
    ASSERT_TRUE(rekey);
    EXPECT_EQ(std::get<ike::RekeyIke>(*rekey).our_spi, IkeSpi(0x0001020304050607));
    const auto end = order_input(SaOrder::end, "0001aaaaaaaaaaaa", owned());
    ASSERT_TRUE(end);
    const auto& terminate = std::get<ike::Terminate>(*end);
    EXPECT_EQ(terminate.tunnel.to_string(), "acme/two");
    EXPECT_EQ(terminate.our_spi, IkeSpi(0x0001aaaaaaaaaaaa));
}

TEST(SaOrders, WhatIsNotRunHereIsRefusedWithTheWayOut) {
    for (const char* spi : {"00000001", "0001020304050608"}) {
        const auto refused = order_input(SaOrder::rekey, spi, owned());
        ASSERT_FALSE(refused) << spi;
        EXPECT_NE(refused.error().message.find("on the edge that runs it"), std::string::npos);
    }
    for (const char* spi : {"", "1122334", "112233zz", "112233445566"}) {
        const auto refused = order_input(SaOrder::end, spi, owned());
        ASSERT_FALSE(refused) << spi;
        EXPECT_NE(refused.error().message.find("is no SPI"), std::string::npos);
    }
}

}  // namespace
}  // namespace anyswan::edge
