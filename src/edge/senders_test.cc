// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "edge/senders.h"
#include "edge/tunnel_table.h"

namespace anyswan::edge {
namespace {

constexpr EspSpi shared_spi{0x1001};
constexpr IkeSpi origin{0x0001000000000007};
constexpr EdgeId here{1};
constexpr EdgeId there{2};

Instant at(std::int64_t ms) {
    return Instant{} + std::chrono::milliseconds(ms);
}

sa::ChildSaRecord child(sa::SenderRule rule) {
    sa::ChildSaRecord record;
    record.inbound_spi = shared_spi;
    record.ike_spi = origin;
    record.sender_rule = rule;
    return record;
}

LeaseTaken taken_there() {
    return {shared_spi, there, Incarnation(2), Epoch(2)};
}

TEST(SenderNeeds, ALeaseThatGoesToAndFroAsksForAnotherSa) {
    SenderNeeds needs(here);
    const auto record = child(sa::SenderRule::automatic);
    EXPECT_FALSE(needs.on_need(at(0), record, false)) << "nobody else sends";
    needs.on_taken(at(100), taken_there(), true);
    EXPECT_FALSE(needs.on_need(at(200), record, false)) << "a route may have moved";
    needs.on_taken(at(300), taken_there(), true);
    const auto want = needs.on_need(at(400), record, false);
    ASSERT_TRUE(want);
    EXPECT_EQ(want->origin, origin);
    EXPECT_EQ(want->sender, here);
    EXPECT_FALSE(needs.on_need(at(600), record, false)) << "asked already";
    EXPECT_TRUE(needs.on_need(at(3500), record, false));
}

TEST(SenderNeeds, LeasesLostLongAgoDontCount) {
    SenderNeeds needs(here);
    needs.on_taken(at(0), taken_there(), true);
    needs.on_taken(at(4000), taken_there(), true);
    EXPECT_FALSE(needs.on_need(at(5100), child(sa::SenderRule::automatic), false));
}

TEST(SenderNeeds, PerEdgeAsksAsSoonAsAnotherHoldsTheLease) {
    SenderNeeds needs(here);
    const auto record = child(sa::SenderRule::per_edge);
    EXPECT_FALSE(needs.on_need(at(0), record, false));
    needs.on_taken(at(100), taken_there(), false);
    EXPECT_FALSE(needs.on_need(at(200), record, true)) << "it is ours by now";
    EXPECT_TRUE(needs.on_need(at(200), record, false));
}

TEST(SenderNeeds, PinnedAndSasOfOneEdgeNeverAsk) {
    SenderNeeds needs(here);
    needs.on_taken(at(0), taken_there(), true);
    needs.on_taken(at(1), taken_there(), true);
    EXPECT_FALSE(needs.on_need(at(2), child(sa::SenderRule::pinned), false));
    auto own = child(sa::SenderRule::per_edge);
    own.made_for = there;
    EXPECT_FALSE(needs.on_need(at(2), own, false));
}

/// An owner with one IKE SA.
struct Owner : testing::Test {
    Owner() {
        sa::TunnelRecord tunnel;
        tunnel.id = sa::TunnelId{"acme", "hq"};
        tunnel.sender_rule = sa::SenderRule::automatic;
        tunnels.put(std::move(tunnel));
        ike::IkeSaSummary sa;
        sa.our_spi = IkeSpi{0x0001000000000009};
        sa.origin = origin;
        sa.tunnel = sa::TunnelId{"acme", "hq"};
        sa.state = "established";
        sa.children = {{shared_spi, WallTime{}}};
        sas.push_back(std::move(sa));
    }
    std::optional<ike::Input> want(EdgeId edge, std::int64_t now_ms) {
        return grants.on_want(at(now_ms), {origin, edge}, sas, tunnels);
    }
    void made(EspSpi spi, EdgeId edge) {
        sas.front().children.push_back({spi, WallTime{}, false, edge});
    }

    SenderGrants grants;
    TunnelTable tunnels;
    std::vector<ike::IkeSaSummary> sas;
};

TEST_F(Owner, MakesOneForEachEdgeThatAsks) {
    const auto input = want(there, 0);
    ASSERT_TRUE(input);
    const auto& create = std::get<ike::CreateChild>(*input);
    EXPECT_EQ(create.our_spi, sas.front().our_spi);
    EXPECT_EQ(create.made_for, there);
    EXPECT_FALSE(want(there, 100)) << "under way";
    made(EspSpi(0x2001), there);
    EXPECT_TRUE(grants.decide(at(1000), sas).empty());
    EXPECT_FALSE(want(there, 1100)) << "it has one";
    EXPECT_TRUE(want(EdgeId{3}, 1200));
    EXPECT_FALSE(grants.on_want(at(1300), {IkeSpi{5}, there}, sas, tunnels)) << "not ours";
}

TEST_F(Owner, MakesNoneForPinnedTunnelsAndNotWithoutEnd) {
    for (std::uint16_t edge = 10; edge < 10 + own_children_max; ++edge) {
        made(EspSpi(0x2000U + edge), EdgeId(edge));
    }
    EXPECT_FALSE(want(there, 0));
    sas.front().children.resize(1);
    EXPECT_TRUE(want(there, 0));
    sa::TunnelRecord pinned = tunnels.by_id(sas.front().tunnel)->clone();
    pinned.sender_rule = sa::SenderRule::pinned;
    tunnels.put(std::move(pinned));
    EXPECT_FALSE(want(EdgeId{3}, 0));
}

TEST_F(Owner, LeavesAPeerThatRefusesInPeaceForAWhile) {
    ASSERT_TRUE(want(there, 0));
    EXPECT_TRUE(grants.decide(at(14'000), sas).empty());
    EXPECT_TRUE(grants.decide(at(15'000), sas).empty());
    EXPECT_EQ(grants.counters().at("sender_child_sas_refused"), 1U);
    EXPECT_FALSE(want(there, 16'000));
    EXPECT_FALSE(want(EdgeId{3}, 16'000)) << "nor for another edge";
    EXPECT_TRUE(grants.decide(at(616'000), sas).empty());
    EXPECT_TRUE(want(there, 616'000));
}

TEST_F(Owner, LeavesAPeerThatTidiesUpInPeaceForAWhile) {
    ASSERT_TRUE(want(there, 0));
    made(EspSpi(0x2001), there);
    EXPECT_TRUE(grants.decide(at(1000), sas).empty());
    sas.front().children.pop_back();
    EXPECT_TRUE(grants.decide(at(3000), sas).empty());
    EXPECT_EQ(grants.counters().at("sender_child_sas_tidied_up"), 1U);
    EXPECT_FALSE(want(there, 4000));
}

TEST_F(Owner, DeletesWhatNobodyUses) {
    ASSERT_TRUE(want(there, 0));
    made(EspSpi(0x2001), there);
    EXPECT_TRUE(grants.decide(at(0), sas).empty());
    grants.on_traffic(at(200'000), {EspSpi(0x2001), 0, 0, 100, 1});
    grants.on_traffic(at(290'000), {EspSpi(0x2001), 0, 0, 0, 0});
    EXPECT_TRUE(grants.decide(at(300'000), sas).empty());
    const auto decisions = grants.decide(at(500'000), sas);
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_EQ(std::get<ike::DeleteChild>(decisions.front()).inbound_spi, EspSpi(0x2001));
    sas.front().children.pop_back();
    EXPECT_TRUE(grants.decide(at(501'000), sas).empty());
    EXPECT_TRUE(want(there, 502'000)) << "it may have one again";
}

}  // namespace
}  // namespace anyswan::edge
