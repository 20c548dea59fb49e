// SPDX-License-Identifier: Apache-2.0
// Who runs an IKE SA.
#include "edge/ownership.h"

#include "edge/owners_test.h"

namespace anyswan::edge {
namespace {

using owners::alive;
using owners::Member;

using OwnershipTest = owners::OwnersTest;

TEST_F(OwnershipTest, WhatALivingEdgeOwnsIsRelayedToIt) {
    b_.heard(EdgeId(1), alive);
    land(b_, router_.step(ike::CreateChild{router_sa()}));
    ASSERT_EQ(b_.told.size(), 1U);
    EXPECT_EQ(b_.told.front().first, ike_subject(EdgeId(1)));
    EXPECT_EQ(b_.told_of<RelayedIke>().at(0).hops, 1U);
    EXPECT_EQ(claim().owner, EdgeId(1));
    EXPECT_TRUE(b_.role.list().empty());
}

TEST_F(OwnershipTest, WhatADeadEdgeOwnedIsTakenByTheEdgeWhereItLands) {
    b_.heard(EdgeId(1), 3s);
    exchange(b_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(router_children(), 2U) << "answered";
    EXPECT_EQ(claim().owner, EdgeId(2));
    EXPECT_EQ(claim().epoch, Epoch(2));
    EXPECT_EQ(claim().children.size(), 2U);
    ASSERT_EQ(b_.told_of<OwnerIs>().size(), 1U);
    EXPECT_EQ(b_.told_of<OwnerIs>().front().owner, EdgeId(2));
    EXPECT_EQ(b_.counter("ike_taken_over"), 1U);
}

TEST_F(OwnershipTest, AThirdEdgeAsksTheClaimWhoTookIt) {
    b_.heard(EdgeId(1), 3s);
    exchange(b_, router_.step(ike::CreateChild{router_sa()}));
    c_.heard(EdgeId(1), 3s);
    c_.heard(EdgeId(2), alive);
    land(c_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(claim().owner, EdgeId(2));
    ASSERT_EQ(c_.told.size(), 1U);
    EXPECT_EQ(c_.told.front().first, ike_subject(EdgeId(2)));
}

TEST_F(OwnershipTest, OfTwoThatTakeOneWins) {
    b_.heard(EdgeId(1), 3s);
    c_.heard(EdgeId(1), 3s);
    b_.heard(EdgeId(3), alive);
    c_.heard(EdgeId(2), alive);
    const auto request = router_.step(ike::CreateChild{router_sa()});
    b_.ownership.receive(arrival(request.at(0)), 0);
    c_.ownership.receive(arrival(request.at(0)), 0);
    loop_.run_ready();
    EXPECT_EQ(b_.role.list().size() + c_.role.list().size(), 1U);
    EXPECT_EQ(b_.sent.size() + c_.sent.size(), 1U) << "the router gets one answer";
    EXPECT_EQ(b_.told_of<RelayedIke>().size() + c_.told_of<RelayedIke>().size(), 1U)
        << "who lost the race sends it to who won";
}

TEST_F(OwnershipTest, TheOldOwnerForgetsWhatItHearsWasTaken) {
    b_.heard(EdgeId(1), 3s);
    exchange(b_, router_.step(ike::CreateChild{router_sa()}));
    a_.ownership.on_owner(b_.told_of<OwnerIs>().at(0));
    EXPECT_TRUE(a_.role.list().empty());
    a_.heard(EdgeId(2), alive);
    land(a_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_TRUE(a_.sent.empty());
    EXPECT_EQ(a_.told_of<RelayedIke>().size(), 1U);
}

TEST_F(OwnershipTest, TheOldOwnerThatHeardNothingAsksTheStoreWhenItIsBack) {
    hub_->cut(*a_.store);
    b_.heard(EdgeId(1), 3s);
    exchange(b_, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(a_.role.list().size(), 1U);
    hub_->heal(*a_.store);
    a_.ownership.on_connected();
    loop_.run_ready();
    EXPECT_TRUE(a_.role.list().empty());
}

TEST_F(OwnershipTest, WhatTheOldOwnerMadeInVainIsEnded) {
    b_.heard(EdgeId(1), 3s);
    const auto request = router_.step(ike::CreateChild{router_sa()});
    land(b_, request);
    const std::size_t known = c_.dataplane.list().size();
    land(a_, request);  // it does not know yet, and makes another Child SA
    EXPECT_TRUE(a_.sent.empty());
    EXPECT_TRUE(a_.role.list().empty());
    a_.ownership.keep_up();
    loop_.run_ready();
    EXPECT_EQ(c_.dataplane.list().size(), known);
    EXPECT_EQ(a_.counter("child_sas_never_used_ended"), 1U);
}

TEST_F(OwnershipTest, InventedSpisMakeTheStoreDoLittle) {
    hub_->set_leader(store::Leader::silent);
    ike::Datagram datagram = router_.step(ike::CreateChild{router_sa()}).at(0);
    for (std::size_t number = 0; number < claims_asked_max + 7; ++number) {
        datagram.bytes.at(8) = 0x77;  // of an edge that nobody has heard of
        datagram.bytes.at(14) = static_cast<std::uint8_t>(number >> 8U);
        datagram.bytes.at(15) = static_cast<std::uint8_t>(number);
        b_.ownership.receive(arrival(datagram), 0);
    }
    EXPECT_EQ(b_.counter("ike_drop_too_many_unknown"), 7U);
}

TEST_F(OwnershipTest, OrphansAreTakenByTheFirstOfTheLiving) {
    for (Member* member : {&b_, &c_}) {
        member->heard(EdgeId(1), 6s);
        member->heard(EdgeId(2), alive);
        member->heard(EdgeId(3), alive);
    }
    c_.ownership.keep_up();
    loop_.run_ready();
    EXPECT_EQ(claim().owner, EdgeId(1)) << "not the first";
    b_.ownership.keep_up();
    loop_.run_ready();
    EXPECT_EQ(claim().owner, EdgeId(2));
    b_.ownership.keep_up();
    loop_.run_ready();
    EXPECT_EQ(claim().epoch, Epoch(2)) << "once";
}

TEST_F(OwnershipTest, AnEdgeThatStartsAgainGoesOnWithItsOwn) {
    Member again(EdgeId(1), loop_, hub_, keys_, random_);
    loop_.run_ready();
    again.ownership.resume();
    loop_.run_ready();
    EXPECT_EQ(claim().epoch, Epoch(2));
    exchange(again, router_.step(ike::CreateChild{router_sa()}));
    EXPECT_EQ(router_children(), 2U);
}

}  // namespace
}  // namespace anyswan::edge
