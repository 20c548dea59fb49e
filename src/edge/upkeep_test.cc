// SPDX-License-Identifier: Apache-2.0
#include "edge/upkeep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "edge/tunnel_table.h"

namespace anyswan::edge {
namespace {

constexpr EspSpi child(0x1001);
constexpr IkeSpi ours(7);

class UpkeepTest : public testing::Test {
protected:
    UpkeepTest() {
        tunnel_.id = *sa::TunnelId::parse("acme/hq");
        tunnel_.ike_lifetime_s = 10000;
        tunnel_.child_lifetime_s = 1000;
        sa_.our_spi = ours;
        sa_.tunnel = tunnel_.id;
        sa_.state = "established";
        sa_.children = {{child, WallTime{Duration(1000s).count()}, false}};
        (void)at(0s);
    }
    std::vector<ike::Input> at(Duration time) {
        tunnels_.put(tunnel_.clone());
        return upkeep_.decide({Instant{time}, WallTime{time.count()}}, {sa_}, tunnels_);
    }
    /// What is decided at each second of an interval, as times at which a `T` was wanted.
    template <class T>
    std::vector<int> seconds_with(int from, int to) {
        std::vector<int> seconds;
        for (int second = from; second <= to; ++second) {
            for (const ike::Input& input : at(std::chrono::seconds(second))) {
                if (std::holds_alternative<T>(input)) {
                    seconds.push_back(second);
                }
            }
        }
        return seconds;
    }
    template <class T>
    bool wants(Duration time) {
        const std::vector<ike::Input> decisions = at(time);
        return std::ranges::any_of(
            decisions, [](const ike::Input& input) { return std::holds_alternative<T>(input); });
    }
    void carry(const TrafficRow& row, Instant now = {}) { upkeep_.on_traffic(now, row); }

    sa::TunnelRecord tunnel_;
    TunnelTable tunnels_;
    ike::IkeSaSummary sa_;
    Upkeep upkeep_;
};

TEST_F(UpkeepTest, SilenceIsAskedAboutOncePerInterval) {
    tunnel_.dpd_s = 10;
    EXPECT_EQ(seconds_with<ike::ProbeLiveness>(1, 25), (std::vector{10, 20}));
}

TEST_F(UpkeepTest, TrafficAtAnyEdgeMakesAskingNeedless) {
    tunnel_.dpd_s = 10;
    carry({.inbound_spi = child, .packets_in = 1}, Instant{9s});
    carry({.inbound_spi = child, .packets_out = 1},
          Instant{15s});  // that the peer lives, it proves not
    carry({.inbound_spi = EspSpi(0x2002), .packets_in = 1}, Instant{15s});  // another's
    EXPECT_EQ(seconds_with<ike::ProbeLiveness>(10, 20), std::vector{19});
}

TEST_F(UpkeepTest, AChildSaIsRekeyedBeforeItsTimeIsOver) {
    const std::vector<int> tries = seconds_with<ike::RekeyChild>(1, 998);
    ASSERT_FALSE(tries.empty());
    EXPECT_GE(tries.front(), 800);
    EXPECT_LE(tries.front(), 900);
    // It came to nothing, so it is tried again, but not all the time.
    ASSERT_GE(tries.size(), 2U);
    EXPECT_EQ(tries[1] - tries[0], 20);
    EXPECT_FALSE(wants<ike::DeleteChild>(998s));
    EXPECT_TRUE(wants<ike::DeleteChild>(999s));
}

TEST_F(UpkeepTest, WhatIsUnderWayIsNotAskedForAgain) {
    sa_.children[0].rekeying = true;
    sa_.rekeying = true;
    EXPECT_TRUE(seconds_with<ike::RekeyChild>(1, 999).empty());
    EXPECT_TRUE(seconds_with<ike::RekeyIke>(1, 9999).empty());
}

TEST_F(UpkeepTest, SasOfAFleetDoNotRekeyInStep) {
    std::set<int> firsts;
    for (std::uint32_t spi = 0x1000; spi < 0x1014; ++spi) {
        sa_.children[0].inbound_spi = EspSpi(spi);
        firsts.insert(seconds_with<ike::RekeyChild>(800, 900).front());
    }
    EXPECT_GE(firsts.size(), 12U);
}

TEST_F(UpkeepTest, AnIkeSaIsRekeyedAndEndsAtItsLimit) {
    sa_.children.clear();
    const int first = seconds_with<ike::RekeyIke>(1, 9999).at(0);
    EXPECT_GE(first, 8000);
    EXPECT_LE(first, 9000);
    EXPECT_FALSE(wants<ike::Terminate>(9999s));
    const std::vector<ike::Input> last = at(10000s);
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(std::get<ike::Terminate>(last[0]).our_spi, ours) << "this one alone";
}

TEST_F(UpkeepTest, VolumesOfAllEdgesAndOfTheBusierDirectionCount) {
    tunnel_.child_lifetime_bytes = 1'000'000;
    carry({.inbound_spi = child, .bytes_in = 400'000, .bytes_out = 300'000});
    EXPECT_FALSE(wants<ike::RekeyChild>(1s));
    carry({.inbound_spi = child, .bytes_in = 500'000});
    EXPECT_TRUE(wants<ike::RekeyChild>(2s));
    EXPECT_FALSE(wants<ike::DeleteChild>(2s));
    carry({.inbound_spi = child, .bytes_in = 100'000});
    EXPECT_TRUE(wants<ike::DeleteChild>(3s));
}

TEST_F(UpkeepTest, PacketsCountAndSoDoSequenceNumbers) {
    tunnel_.child_lifetime_packets = 10'000;
    carry({.inbound_spi = child, .packets_out = 9'500});
    EXPECT_TRUE(wants<ike::RekeyChild>(1s));
    tunnel_.child_lifetime_packets = 0;
    EXPECT_FALSE(wants<ike::RekeyChild>(100s));
    carry({.inbound_spi = child, .numbers_low = true});
    EXPECT_TRUE(wants<ike::RekeyChild>(101s));
}

TEST_F(UpkeepTest, SumsOfEndedSasAreForgotten) {
    tunnel_.child_lifetime_packets = 10'000;
    carry({.inbound_spi = child, .packets_out = 9'500});
    for (int second = 0; second < 60; ++second) {
        upkeep_.forget_unless([](EspSpi) { return false; });
    }
    EXPECT_FALSE(wants<ike::RekeyChild>(1s));
}

TEST_F(UpkeepTest, WhatIsNotEstablishedIsLeftAlone) {
    sa_.state = "half_open";
    EXPECT_TRUE(at(50000s).empty());
}

}  // namespace
}  // namespace anyswan::edge
