// SPDX-License-Identifier: Apache-2.0
// A drain: edge 1 runs the router's IKE SA and gives it away.
#include "edge/drain.h"

#include <gmock/gmock.h>

#include "edge/owners_test.h"

namespace anyswan::edge {
namespace {

using owners::alive;
using owners::Member;
using testing::HasSubstr;

class DrainTest : public owners::OwnersTest {
protected:
    DrainTest()
        : drain_({loop_, a_.fleet, a_.role, a_.claims, a_.ownership, EdgeId(1),
                  [this] { announced_ = false; }, [this] { announced_ = true; },
                  [this] { return not_withdrawn_; }, [this] { return traffic_; },
                  [this] { return unwritten_; },
                  [this](DrainState state) { states_.push_back(state); }}) {
        a_.heard(EdgeId(2), alive);
        b_.heard(EdgeId(1), alive);
    }

    /// Carries what edges 1 and 2 say to each other.
    void carry() {
        for (auto& [subject, body] : std::exchange(a_.told, {})) {
            if (const auto* gift = std::get_if<HandOver>(&body); gift != nullptr && heir_listens_) {
                EXPECT_EQ(subject, hand_over_subject(EdgeId(2)));
                b_.ownership.on_hand_over(*gift);
            } else if (auto* relayed = std::get_if<RelayedIke>(&body)) {
                b_.ownership.receive({relayed->local, relayed->remote, std::move(relayed->bytes)},
                                     relayed->hops);
            }
        }
        loop_.run_ready();
        for (auto& [subject, body] : std::exchange(b_.told, {})) {
            if (const auto* owner = std::get_if<OwnerIs>(&body); owner != nullptr) {
                a_.ownership.on_owner(*owner);
            }
        }
        loop_.run_ready();
    }
    template <class Condition>
    bool until(Condition condition, std::chrono::seconds longest = std::chrono::seconds(15)) {
        const auto end = std::chrono::steady_clock::now() + longest;
        while (!condition() && std::chrono::steady_clock::now() < end) {
            loop_.run_ready();
            carry();
        }
        return condition();
    }
    [[nodiscard]] bool is(DrainState state) const { return drain_.state() == state; }
    [[nodiscard]] std::string waits() const {
        std::string all;
        for (const std::string& one : drain_.status().waits_for) {
            all += one + ";";
        }
        return all;
    }

    bool announced_ = true;
    bool heir_listens_ = true;
    std::optional<std::string> not_withdrawn_;
    Instant traffic_;
    std::size_t unwritten_ = 0;
    std::vector<DrainState> states_;
    Drain drain_;
};

TEST_F(DrainTest, GivesItsIkeSasAwayAndEnds) {
    ASSERT_TRUE(drain_.begin(30s));
    EXPECT_FALSE(announced_);
    ASSERT_TRUE(until([this] { return is(DrainState::drained); })) << waits();
    EXPECT_EQ(claim().owner, EdgeId(2));
    EXPECT_TRUE(a_.role.list().empty());
    EXPECT_EQ(a_.counter("ike_handed_over"), 1U);
    EXPECT_EQ(states_, (std::vector<DrainState>{DrainState::draining, DrainState::drained}));
    exchange(b_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(router_children(), 2U) << "the heir goes on with it";
}

TEST_F(DrainTest, WhatComesDuringTheHandOverIsAnsweredByTheHeir) {
    a_.ownership.give({fleet_sa()}, EdgeId(2));
    land(a_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_TRUE(a_.sent.empty()) << "held";
    carry();
    carry();
    ASSERT_EQ(b_.sent.size(), 1U);
    router_.step(arrival(b_.sent.at(0)));
    EXPECT_EQ(router_children(), 2U);
}

TEST_F(DrainTest, AnHeirThatDoesNotAnswerGetsNothing) {
    heir_listens_ = false;
    a_.ownership.give({fleet_sa()}, EdgeId(2));
    land(a_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_TRUE(until([this] {
        a_.ownership.give_up_late();
        return !a_.ownership.is_given(fleet_sa());
    }));
    loop_.run_ready();
    EXPECT_EQ(claim().owner, EdgeId(1));
    EXPECT_EQ(a_.sent.size(), 1U) << "what was held is answered here";
}

TEST_F(DrainTest, AnExchangeInFlightIsFinishedFirst) {
    a_.role.want(ike::ProbeLiveness{fleet_sa()});
    loop_.run_ready();
    ASSERT_EQ(a_.sent.size(), 1U);
    ASSERT_TRUE(drain_.begin(30s));
    EXPECT_TRUE(until([this] { return waits().find("in an exchange") != std::string::npos; }));
    EXPECT_EQ(claim().owner, EdgeId(1));
    exchange(a_, router_.step(arrival(std::exchange(a_.sent, {}).at(0))));
    ASSERT_TRUE(until([this] { return is(DrainState::drained); })) << waits();
    EXPECT_TRUE(b_.sent.empty()) << "nothing is sent again";
}

TEST_F(DrainTest, WithoutAnotherEdgeItIsRefused) {
    a_.heard(EdgeId(2), 3s);
    const Status begun = drain_.begin(30s);
    ASSERT_FALSE(begun);
    EXPECT_THAT(begun.error().message, HasSubstr("nobody could take over; start one"));
    EXPECT_TRUE(is(DrainState::serving));
    EXPECT_TRUE(announced_);
}

TEST_F(DrainTest, WhatCannotEndIsGivenUpAndServesAgain) {
    not_withdrawn_ = "the announce hook failed: no route daemon";
    ASSERT_TRUE(drain_.begin(300ms));
    ASSERT_TRUE(until([this] { return is(DrainState::serving); }));
    EXPECT_THAT(drain_.status().given_up, HasSubstr("no route daemon"));
    EXPECT_TRUE(announced_);
    EXPECT_EQ(claim().owner, EdgeId(1)) << "routers still send here, so nothing was given away";
}

TEST_F(DrainTest, PacketsAndRecordsUnderWayAreWaitedFor) {
    unwritten_ = 2;
    ASSERT_TRUE(drain_.begin(30s));
    EXPECT_TRUE(until([this] {
        traffic_ = loop_.now().instant;
        return a_.role.list().empty() && waits().find("packets still passed") != std::string::npos;
    }));
    EXPECT_THAT(waits(), HasSubstr("2 records are not in the store"));
    ASSERT_TRUE(until([this] {
        return waits() == "2 records are not in the store yet; is the store there?;";
    })) << waits();
    unwritten_ = 0;
    EXPECT_TRUE(until([this] { return is(DrainState::drained); }));
}

TEST_F(DrainTest, CancelledItServesAgain) {
    ASSERT_TRUE(drain_.begin(30s));
    drain_.cancel();
    EXPECT_TRUE(is(DrainState::serving));
    EXPECT_TRUE(announced_);
    EXPECT_TRUE(drain_.status().waits_for.empty());
    EXPECT_FALSE(drain_.heir());
}

TEST_F(DrainTest, TheHeirIsWhereThePeersTrafficGoes) {
    a_.heard(EdgeId(3), alive);
    ASSERT_TRUE(drain_.begin(30s));
    const EspSpi child = a_.role.list().at(0).children.at(0).inbound_spi;
    drain_.on_marks({EdgeId(3), {{child, {}}}, false});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    while (a_.told_of<HandOver>().empty() && std::chrono::steady_clock::now() < end) {
        loop_.run_ready();
    }
    ASSERT_FALSE(a_.told.empty());
    const std::string to = a_.told.back().first;
    EXPECT_EQ(to, hand_over_subject(EdgeId(3)));
}

TEST_F(DrainTest, WhoDrainsBeginsNoIkeSa) {
    a_.heir = EdgeId(2);
    land(a_, router_.step(ike::Initiate{{"acme", "hq"}, owners::router_end, owners::fleet_end}));
    EXPECT_TRUE(a_.sent.empty());
    for (const RelayedIke& relayed : a_.told_of<RelayedIke>()) {
        EXPECT_EQ(relayed.hops, 1U);
    }
}

TEST_F(DrainTest, WhoDrainsTakesNothingOver) {
    exchange(b_, {});
    Member again(EdgeId(4), loop_, hub_, keys_, random_);
    loop_.run_ready();
    again.heir = EdgeId(3);
    again.heard(EdgeId(1), 3s);
    again.heard(EdgeId(3), alive);
    land(again, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(claim().owner, EdgeId(1));
    ASSERT_EQ(again.told_of<RelayedIke>().size(), 1U);
    EXPECT_EQ(again.told.at(0).first, ike_subject(EdgeId(3)));
}

}  // namespace
}  // namespace anyswan::edge
