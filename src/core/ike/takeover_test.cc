// SPDX-License-Identifier: Apache-2.0
// Another edge, or the same one after a restart, goes on with an IKE SA from its claim: the peer
// must not notice. The network's checks hold N1 and N4 across owners.
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::Delete;
using wire::ike::ExchangeType;
using wire::ike::ProtocolId;

struct Takeover : testing::Test {
    Takeover() {
        world.initiate();
        EXPECT_TRUE(world.up());
    }
    /// The fleet's edge dies; edge 9 wins the claim as the store has it and goes on.
    void take_over() {
        const IkeSpi spi = world.fleet.ike_sas.begin()->first;
        sa::IkeSaRecord claim = world.fleet.ike_sas.at(spi).clone();
        claim.epoch = claim.epoch.next();
        claim.owner = EdgeId(9);
        std::vector<sa::ChildSaRecord> children;
        for (const auto& [inbound, child] : world.fleet.children) {
            children.push_back(child.clone());
        }
        world.fleet.restart(9, 1234 + claim.epoch.value());
        world.fleet.ike_sas[spi] = claim.clone();
        world.tell(world.fleet, Adopt{std::move(claim), std::move(children)});
    }
    void customer_probes() {
        world.tell(world.customer, ProbeLiveness{world.customer.ike_sas.begin()->first});
    }
    IkeSpi fleet_spi() { return world.fleet.ike_sas.begin()->first; }
    Datagram last() { return world.trace.back().datagram; }

    World world;
};

TEST_F(Takeover, ThePeerGoesOnAsIfNothingHappened) {
    take_over();
    world.deliver();
    EXPECT_EQ(world.trace.size(), 4U) << "a takeover alone says nothing";
    EXPECT_EQ(world.fleet.state(), "established");
    customer_probes();
    world.deliver();
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.deliver();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sa()->epoch, Epoch(2));
    EXPECT_EQ(world.fleet.ike_sa()->owner, EdgeId(9));
    world.tell(world.customer, Terminate{{"acme", "hq"}});
    world.deliver();
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_F(Takeover, RepeatedIkeAuthGetsTheSameBytes) {
    const Datagram request = world.trace[2].datagram;
    const Datagram response = world.trace[3].datagram;
    take_over();
    const Outputs out = world.fleet.step(
        world.clock(), DatagramReceived{request.remote, request.local, request.bytes});
    ASSERT_EQ(out.actions.size(), 1U);
    EXPECT_EQ(out.actions[0].send.at(0).bytes, response.bytes);
    EXPECT_TRUE(out.actions[0].writes.empty());
}

TEST_F(Takeover, OurRequestInFlightIsSentAgainWithTheSameBytes) {
    world.cut = true;
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    const Bytes bytes = last().bytes;
    take_over();
    EXPECT_EQ(last().bytes, bytes);
    world.cut = false;
    world.wait(2s);
    EXPECT_EQ(last().bytes.size(), bytes.size());
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value()) << "answered";
    EXPECT_TRUE(world.up());
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.deliver();
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
}

TEST_F(Takeover, ADeleteInFlightIsFinished) {
    world.cut = true;
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    take_over();
    EXPECT_EQ(world.fleet.state(), "deleting");
    world.cut = false;
    world.wait(2s);
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_F(Takeover, AChildSaInFlightIsStillForItsEdge) {
    world.cut = true;
    world.tell(world.fleet, CreateChild{fleet_spi(), EdgeId(7)});
    take_over();
    world.cut = false;
    world.wait(2s);
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(world.fleet.live_children(), 2U);
    EXPECT_EQ(world.fleet.child_sa()->made_for, EdgeId(7));
}

TEST_F(Takeover, WhatTheFormerOwnerRekeyedIsDeleted) {
    world.rekey_child(world.fleet);
    world.deliver();
    EXPECT_EQ(world.fleet.live_children(), 2U);
    take_over();
    world.wait(replaced_for + 10ms);
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_EQ(world.customer.live_children(), 1U);
}

TEST_F(Takeover, WhatThePeerRekeyedIsLeftToIt) {
    world.rekey_child(world.customer);
    world.deliver();
    const std::size_t said = world.trace.size();
    take_over();
    world.wait(10s);
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_EQ(world.trace.size(), said + 2) << "the peer's DELETE and our answer";
}

TEST_F(Takeover, LivenessChecksThatTheStoreNeverSawAreNoGap) {
    for (int i = 0; i < 5; ++i) {
        customer_probes();
        world.deliver();
    }
    EXPECT_EQ(world.fleet.ike_sa()->expected_request, MessageId(2)) << "the store is behind";
    take_over();
    customer_probes();
    world.deliver();
    EXPECT_FALSE(world.customer.engine->next_deadline().has_value()) << "answered";
    // And a request that is written fixes the number.
    world.tell(world.customer, Terminate{{"acme", "hq"}});
    world.deliver();
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.ike_sas.begin()->second.expected_request, MessageId(9));
}

TEST_F(Takeover, ALivenessCheckAnsweredByTwoOwnersHasOneAnswer) {
    const auto before = static_cast<int>(world.trace.size());
    world.faults = {{before + 1, Fault::drop}};  // the first owner's answer is lost
    customer_probes();
    world.deliver();
    const Bytes first = last().bytes;
    take_over();
    world.wait(2s);
    EXPECT_EQ(world.trace.at(static_cast<std::size_t>(before) + 3).datagram.bytes, first);
    EXPECT_FALSE(world.customer.engine->next_deadline().has_value());
}

TEST_F(Takeover, AReplayedLivenessCheckDoesNotBlockThePeer) {
    for (int i = 0; i < 3; ++i) {
        customer_probes();
        world.deliver();
    }
    const Datagram old = world.trace[4].datagram;
    take_over();
    world.tell(world.fleet, DatagramReceived{old.remote, old.local, old.bytes});
    customer_probes();
    world.deliver();
    EXPECT_FALSE(world.customer.engine->next_deadline().has_value());
}

TEST_F(Takeover, OnceFixedTheWindowIsClosedUpwardsAgain) {
    take_over();
    PeerTool peer(*world.customer.ike_sa());
    const auto say = [&](std::uint32_t id, ExchangeType exchange) {
        return world.fleet.step(world.clock(),
                                DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500),
                                                 peer.request(exchange, MessageId(id), {})});
    };
    EXPECT_EQ(say(10, ExchangeType::informational).actions.size(), 1U);
    EXPECT_EQ(say(12, ExchangeType::create_child_sa).actions.size(), 1U);
    EXPECT_TRUE(say(14, ExchangeType::informational).actions.empty());
    EXPECT_TRUE(say(11, ExchangeType::informational).actions.empty());
    EXPECT_EQ(say(13, ExchangeType::informational).actions.size(), 1U);
}

TEST_F(Takeover, ThePeersDeleteOfAChildSaFindsItsFact) {
    take_over();
    const sa::ChildSaRecord child = world.fleet.child_sa()->clone();
    Writer spi;
    spi.u32(child.outbound_spi.value());
    PeerTool peer(*world.customer.ike_sa());
    const Bytes request = peer.request(ExchangeType::informational, MessageId(2),
                                       {{Delete{ProtocolId::esp, 4, {std::move(spi).take()}}}});
    const Outputs out = world.fleet.step(
        world.clock(), DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), request});
    ASSERT_EQ(peer.open(out.actions.at(0).send.at(0).bytes).size(), 1U);
    const sa::ChildSaRecord& tombstone = world.fleet.children.at(child.inbound_spi);
    EXPECT_TRUE(tombstone.ended);
    EXPECT_EQ(tombstone.remote_ts, child.remote_ts);
    EXPECT_TRUE(tombstone.outbound.encr.empty());
}

TEST_F(Takeover, AnHeirThatTheFormerOwnerClaimedIsNotMadeAgain) {
    const IkeSpi spi = fleet_spi();
    world.faults = {{static_cast<int>(world.trace.size()) + 1, Fault::drop}};
    world.tell(world.fleet, RekeyIke{spi});
    sa::IkeSaRecord old = world.fleet.ike_sas.at(spi).clone();
    world.deliver();
    // The answer reaches the former owner, which dies when it has written the heir's claim alone.
    const Datagram answer = last();
    (void)world.fleet.step(world.clock(),
                           DatagramReceived{answer.remote, answer.local, answer.bytes});
    sa::IkeSaRecord heir;
    for (const auto& [key, claim] : world.fleet.ike_sas) {
        heir = key == spi ? std::move(heir) : claim.clone();
    }
    ASSERT_NE(heir.our_spi, IkeSpi{});
    std::vector<sa::ChildSaRecord> children;
    children.push_back(world.fleet.child_sa()->clone());
    world.fleet.restart(9, 77);
    for (sa::IkeSaRecord* claim : {&heir, &old}) {
        claim->owner = EdgeId(9);
        claim->epoch = claim->epoch.next();
        world.fleet.ike_sas[claim->our_spi] = claim->clone();
    }
    const IkeSpi heir_spi = heir.our_spi;
    world.tell(world.fleet, Adopt{std::move(heir), std::move(children)});
    world.tell(world.fleet, ProbeLiveness{heir_spi});  // uses its message ID 0
    world.deliver();
    EXPECT_EQ(world.fleet.ike_sas.at(heir_spi).next_request, MessageId(1));
    world.tell(world.fleet, Adopt{std::move(old), {}});
    EXPECT_EQ(world.fleet.engine->kin(spi), std::vector{heir_spi});
    world.deliver();
    world.wait(2s);
    EXPECT_EQ(world.fleet.engine->list().size(), 1U) << "the old one is deleted";
    EXPECT_EQ(world.customer.engine->list().size(), 1U);
    EXPECT_EQ(world.fleet.ike_sas.at(heir_spi).next_request, MessageId(1));
    world.tell(world.fleet, ProbeLiveness{heir_spi});
    world.deliver();
    EXPECT_TRUE(world.up());
}

TEST_F(Takeover, SeveralInARow) {
    for (int i = 0; i < 4; ++i) {
        take_over();
        customer_probes();
        world.deliver();
        world.tell(world.fleet, ProbeLiveness{fleet_spi()});
        world.deliver();
        EXPECT_TRUE(world.up());
    }
    EXPECT_EQ(world.fleet.ike_sa()->epoch, Epoch(5));
}

TEST_F(Takeover, TheFormerOwnerFallsSilent) {
    world.cut = true;
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    const Outputs out = world.fleet.step(world.clock(), LostOwnership{fleet_spi()});
    EXPECT_TRUE(out.actions.empty());
    EXPECT_TRUE(out.events.empty());
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
    EXPECT_EQ(world.fleet.live_children(), 1U) << "its records are the new owner's";
}

TEST_F(Takeover, AnEndedClaimIsNotAdopted) {
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    world.deliver();
    sa::IkeSaRecord tombstone = world.fleet.ike_sas.begin()->second.clone();
    world.fleet.restart(7, 3);
    world.tell(world.fleet, Adopt{std::move(tombstone)});
    EXPECT_EQ(world.fleet.state(), "none");
}

// In the middle of each exchange that an established IKE SA has, at either end of it.

struct Middle {
    const char* name;
    void (World::*wish)(Side&);
    std::size_t ike_sas;
    std::size_t children;
};
const std::vector<Middle> middles{
    {"creation", &World::create_child, 1, 2},     {"child_rekey", &World::rekey_child, 1, 1},
    {"child_delete", &World::delete_child, 1, 0}, {"ike_rekey", &World::rekey_ike, 1, 1},
    {"ike_delete", &World::delete_ike, 0, 0},     {"liveness", &World::probe, 1, 1},
};

struct TakeoverInTheMiddle : testing::TestWithParam<std::tuple<std::size_t, bool, bool, int>> {};
std::string name_of(const testing::TestParamInfo<std::tuple<std::size_t, bool, bool, int>>& named) {
    const auto [which, customer_begins, taken, steps] = named.param;
    return std::string(middles[which].name) + (customer_begins ? "_by_customer" : "_by_fleet") +
           (taken ? "_customer" : "_fleet") + "_taken_over_after_" + std::to_string(steps);
}
INSTANTIATE_TEST_SUITE_P(EveryExchange, TakeoverInTheMiddle,
                         testing::Combine(testing::Range(std::size_t{0}, middles.size()),
                                          testing::Bool(), testing::Bool(), testing::Range(0, 8)),
                         name_of);

TEST_P(TakeoverInTheMiddle, ThePeerNoticesNothing) {
    const auto [which, customer_begins, customer_taken, steps] = GetParam();
    for (const char* key_exchange : {"", "-ecp256", "-ecp256-ke1_x25519-ke4_ecp384"}) {
        for (const bool lose : {false, true}) {
            World world;
            world.initiate();
            for (Side* side : {&world.customer, &world.fleet}) {
                sa::TunnelRecord& tunnel = side->directory.tunnels.front();
                tunnel.esp_suites = {esp_suite(std::string("aes256gcm16") + key_exchange)};
                if (*key_exchange != '\0') {
                    tunnel.ike_suites = {
                        ike_suite(std::string("aes256gcm16-prfsha256") + key_exchange)};
                }
            }
            Side& first = customer_begins ? world.customer : world.fleet;
            (world.*middles[which].wish)(first);
            for (int i = 0; i < steps; ++i) {
                world.deliver_from(i % 2 == 0 ? first : world.other(first));
            }
            if (lose) {
                // The network's checks see to it that what is said again is the same.
                world.lose_from(world.customer);
                world.lose_from(world.fleet);
            }
            world.take_over(customer_taken ? world.customer : world.fleet, 9);
            world.deliver();
            world.wait(200s);
            EXPECT_EQ(world.disagreement(), "");
            EXPECT_EQ(world.customer.established().size(), middles[which].ike_sas);
            EXPECT_EQ(world.customer.live_children(), middles[which].children);
            EXPECT_EQ(world.fleet.live_children(), middles[which].children);
            for (const Side* side : {&world.customer, &world.fleet}) {
                EXPECT_EQ(side->count(EventKind::peer_unreachable), 0);
                EXPECT_FALSE(side->engine->next_deadline().has_value());
            }
        }
    }
}

TEST_F(Takeover, ARivalIsRememberedByTheAdopter) {
    // Both rekey the Child SA; the fleet's edge dies between its answer and the customer's.
    for (const bool fleets_is_lowest : {false, true}) {
        World both;
        both.initiate();
        both.fleet.random->steer_request(fleets_is_lowest ? 0 : 2);
        both.customer.random->steer_request(fleets_is_lowest ? 2 : 0);
        both.fleet.random->steer_response(3);
        both.customer.random->steer_response(3);
        both.rekey_child(both.fleet);
        both.rekey_child(both.customer);
        const auto asked = both.take_from(both.fleet);
        both.deliver_from(both.customer);
        both.take_over(both.fleet, 9);
        both.lose_from(both.fleet);
        both.put_back(asked);
        both.deliver();
        both.wait(30s);
        EXPECT_EQ(both.disagreement(), "");
        EXPECT_EQ(both.fleet.live_children(), 1U);
        EXPECT_EQ(both.fleet.child_sa()->outbound_waits, fleets_is_lowest);
    }
}

}  // namespace
}  // namespace anyswan::ike::test
