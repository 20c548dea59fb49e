// SPDX-License-Identifier: Apache-2.0
#include "edge/upkeep.h"

#include <gtest/gtest.h>

#include "edge/tunnel_table.h"

namespace anyswan::edge {
namespace {

constexpr EspSpi child(0x1001);
constexpr IkeSpi ours(7);

class UpkeepTest : public testing::Test {
protected:
    UpkeepTest() {
        sa::TunnelRecord tunnel;
        tunnel.id = *sa::TunnelId::parse("acme/hq");
        tunnel.dpd_s = 10;
        tunnel.ike_lifetime_s = 1000;
        tunnel.child_lifetime_s = 600;
        tunnels_.put(std::move(tunnel));
        sa_.our_spi = ours;
        sa_.tunnel = *sa::TunnelId::parse("acme/hq");
        sa_.state = "established";
        sa_.children = {child};
        (void)at(0s);
    }
    Upkeep::Decision at(Duration time) { return upkeep_.decide(Instant{time}, {sa_}, tunnels_); }

    TunnelTable tunnels_;
    ike::IkeSaSummary sa_;
    Upkeep upkeep_;
};

TEST_F(UpkeepTest, SilenceIsAskedAboutOncePerInterval) {
    EXPECT_TRUE(at(9s).probe.empty());
    EXPECT_EQ(at(10s).probe, std::vector{ours});
    EXPECT_TRUE(at(11s).probe.empty());
    EXPECT_EQ(at(20s).probe, std::vector{ours});
}

TEST_F(UpkeepTest, TrafficAtAnyEdgeMakesAskingNeedless) {
    upkeep_.on_traffic(Instant{9s}, child);
    EXPECT_TRUE(at(18s).probe.empty());
    EXPECT_FALSE(at(19s).probe.empty());
}

TEST_F(UpkeepTest, TrafficOfOthersDoesNotCount) {
    upkeep_.on_traffic(Instant{9s}, EspSpi(0x2002));
    EXPECT_FALSE(at(10s).probe.empty());
}

TEST_F(UpkeepTest, AtTheEndOfTheShorterLifetimeItIsEnded) {
    EXPECT_TRUE(at(598s).terminate.empty());
    EXPECT_EQ(at(599s).terminate, std::vector{sa_.tunnel});
}

TEST_F(UpkeepTest, WhatIsNotEstablishedIsLeftAlone) {
    sa_.state = "half_open";
    EXPECT_TRUE(at(5000s).terminate.empty());
    EXPECT_TRUE(at(5000s).probe.empty());
}

}  // namespace
}  // namespace anyswan::edge
