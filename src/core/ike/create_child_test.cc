// SPDX-License-Identifier: Apache-2.0
// Further Child SAs, their rekey and their end, by either side; and what goes wrong with them.
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::Delete;
using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::ProtocolId;

/// The tunnel is up. Each test runs with the customer and with the fleet as `first`.
struct Life : testing::TestWithParam<bool> {
    Life() {
        world.initiate();
        EXPECT_TRUE(world.up());
    }
    void expect_agreement(std::size_t children) {
        world.wait(10s);
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_EQ(world.customer.live_children(), children);
        EXPECT_EQ(world.fleet.live_children(), children);
        EXPECT_EQ(world.customer.established().size(), 1U);
        EXPECT_FALSE(world.customer.engine->next_deadline().has_value()) << "nothing is left over";
        EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
    }
    void both_tunnels(const std::function<void(sa::TunnelRecord&)>& change) {
        change(world.customer.directory.tunnels.front());
        change(world.fleet.directory.tunnels.front());
    }
    Outputs customer_says(ExchangeType exchange, std::uint32_t id,
                          std::vector<wire::ike::Payload> payloads) {
        PeerTool peer(*world.customer.ike_sa());
        return world.fleet.step(world.clock(),
                                DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500),
                                                 peer.request(exchange, MessageId(id), payloads)});
    }
    NotifyType refusal_in(const Outputs& out) {
        PeerTool peer(*world.customer.ike_sa());
        return std::get<Notify>(peer.open(out.actions.at(0).send.at(0).bytes).at(0).body).type;
    }

    World world;
    Side& first = GetParam() ? world.customer : world.fleet;
    Side& second = world.other(first);
};
INSTANTIATE_TEST_SUITE_P(EitherSide, Life, testing::Bool(), [](const auto& named) {
    return named.param ? "CustomerFirst" : "FleetFirst";
});

Bytes spi_bytes(EspSpi spi) {
    Writer writer;
    writer.u32(spi.value());
    return std::move(writer).take();
}

// Further Child SAs.

TEST_P(Life, AFurtherChildSa) {
    world.create_child(first);
    world.deliver();
    expect_agreement(2);
    EXPECT_EQ(first.child_sa()->replaces, EspSpi{});
    EXPECT_EQ(first.child_sa()->remote_ts, first.children.begin()->second.remote_ts);
    EXPECT_FALSE(first.child_sa()->outbound_waits);
    EXPECT_TRUE(second.child_sa()->outbound_waits) << "until the other has the response";
}

TEST_P(Life, AChildSaForOneEdgeHasHeirsForIt) {
    const EdgeId sender(7);
    world.tell(first, CreateChild{first.spi(), sender});
    world.deliver();
    expect_agreement(2);
    const EspSpi made = first.child_sa()->inbound_spi;
    EXPECT_EQ(first.children.at(made).made_for, sender);
    EXPECT_EQ(second.child_sa()->made_for, EdgeId{}) << "that is the other side's own business";
    world.rekey_child(first);
    world.deliver();
    EXPECT_EQ(first.child_sa()->replaces, made);
    EXPECT_EQ(first.child_sa()->made_for, sender);
    world.rekey_child(second);
    world.deliver();
    expect_agreement(2);
    EXPECT_NE(first.child_sa()->replaces, made);
    EXPECT_EQ(first.child_sa()->made_for, sender) << "also if the peer rekeys";
}

TEST_P(Life, HundredsWithTheSameSelectors) {
    for (std::size_t i = 0; i < children_max + 10; ++i) {
        world.create_child(first);
        world.deliver();
    }
    expect_agreement(children_max);
    EXPECT_EQ(second.count(EventKind::we_refused), 0) << "we know the limit and don't ask";
    const auto refused = customer_says(ExchangeType::create_child_sa,
                                       world.fleet.ike_sa()->expected_request.value(), {});
    EXPECT_EQ(refusal_in(refused), NotifyType::no_additional_sas);
}

TEST_P(Life, SeveralWishesWaitForEachOther) {
    for (int i = 0; i < 5; ++i) {
        world.create_child(first);
        world.create_child(second);
    }
    world.deliver();
    expect_agreement(11);
}

TEST_P(Life, WithKeyExchange) {
    both_tunnels(
        [](sa::TunnelRecord& tunnel) { tunnel.esp_suites = {esp_suite("aes256gcm16-x25519")}; });
    world.create_child(first);
    world.rekey_child(first);
    world.deliver();
    expect_agreement(2);
    EXPECT_EQ(first.child_sa()->suite.ke, crypto::KeMethod::curve25519);
}

TEST_P(Life, TheOtherGroupIsTriedWhenAsked) {
    first.directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-x25519"),
                                                  esp_suite("aes256gcm16-ecp256")};
    second.directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-ecp256")};
    world.rekey_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_EQ(first.child_sa()->suite.ke, crypto::KeMethod::ecp256);
    EXPECT_EQ(first.count(EventKind::peer_refused), 0);
}

TEST_P(Life, APeerThatWantsKeyExchangeGetsIt) {
    first.directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-x25519")};
    world.rekey_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_EQ(second.child_sa()->suite.ke, crypto::KeMethod::curve25519);
}

TEST_P(Life, KeyExchangeThatTheTunnelDemandsIsNotWaived) {
    second.directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-x25519")};
    world.create_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_NE(second.text(EventKind::we_refused).find("NO_PROPOSAL_CHOSEN"), std::string::npos);
}

TEST_P(Life, SelectorsThatDoNotMeetAreRefused) {
    second.directory.tunnels.front().remote_prefixes = {net("172.16.0.0/12")};
    second.directory.tunnels.front().local_prefixes = {net("172.16.0.0/12")};
    world.create_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_NE(first.text(EventKind::peer_refused).find("TS_UNACCEPTABLE"), std::string::npos);
}

TEST_P(Life, WithoutSpisWePutItOff) {
    first.spis.dry = true;
    world.create_child(first);
    world.deliver();
    EXPECT_EQ(first.live_children(), 1U);
    first.spis.dry = false;
    expect_agreement(2);
}

TEST_P(Life, TransportModeIsAnsweredWithTunnelMode) {
    world.cut = true;
    world.create_child(world.customer);
    PeerTool peer(*world.customer.ike_sa());
    PeerTool fleet(*world.fleet.ike_sa());
    std::vector<wire::ike::Payload> payloads = fleet.open(world.trace.back().datagram.bytes);
    payloads.push_back({Notify{{}, {}, NotifyType::use_transport_mode, {}}});
    payloads.push_back({Notify{{}, {}, NotifyType::esp_tfc_padding_not_supported, {}}});
    const Outputs out = customer_says(ExchangeType::create_child_sa, 2, payloads);
    for (const wire::ike::Payload& payload : peer.open(out.actions.at(0).send.at(0).bytes)) {
        EXPECT_FALSE(std::holds_alternative<Notify>(payload.body));
    }
    EXPECT_EQ(world.fleet.live_children(), 2U);
}

// Rekey.

TEST_P(Life, ARekeyReplacesTheChildSa) {
    const sa::ChildSaRecord old = first.child_sa()->clone();
    const EspSpi old_there = second.child_sa()->inbound_spi;
    world.wait(100s);
    world.rekey_child(first);
    world.deliver();
    expect_agreement(1);
    const sa::ChildSaRecord& ours = *first.child_sa();
    EXPECT_NE(ours.inbound_spi, old.inbound_spi);
    EXPECT_FALSE(ours.inbound == old.inbound);
    EXPECT_EQ(ours.local_ts, old.local_ts);
    EXPECT_EQ(ours.expires_at.unix_ns - old.expires_at.unix_ns, Duration(100s).count());
    // Who began sends on the new one at once, who answered waits for the other.
    EXPECT_EQ(ours.replaces, old.inbound_spi);
    EXPECT_FALSE(ours.outbound_waits);
    EXPECT_EQ(second.child_sa()->replaces, old_there);
    EXPECT_TRUE(second.child_sa()->outbound_waits);
    for (const auto& [side, spi] :
         {std::pair{&first, old.inbound_spi}, std::pair{&second, old_there}}) {
        EXPECT_TRUE(side->children.at(spi).ended);
        EXPECT_TRUE(side->children.at(spi).drain) << "what is under way still comes in";
    }
    EXPECT_EQ(first.count(EventKind::child_sa_rekeyed), 1);
    EXPECT_EQ(second.count(EventKind::child_sa_rekeyed), 1);
}

TEST_P(Life, TheNewOneIsWrittenBeforeTheAnswerLeavesAndTheOldOneStays) {
    const EspSpi old = second.child_sa()->inbound_spi;
    world.rekey_child(first);
    const std::size_t before = second.actions.size();
    world.deliver_from(first);
    const Action& answer = second.actions.at(before);
    ASSERT_EQ(answer.send.size(), 1U);
    const auto* child = std::get_if<sa::ChildSaRecord>(&answer.writes.at(0));
    ASSERT_NE(child, nullptr);
    EXPECT_EQ(child->replaces, old);
    EXPECT_FALSE(second.children.at(old).ended);
    world.deliver();
    expect_agreement(1);
}

TEST_P(Life, WhatWasReplacedStaysUntilEveryEdgeHasTheNewOne) {
    const EspSpi before = first.child_sa()->inbound_spi;
    world.rekey_child(first);
    world.deliver();
    world.wait(replaced_for - 10ms);
    EXPECT_EQ(first.live_children(), 2U);
    EXPECT_EQ(second.live_children(), 2U);
    EXPECT_FALSE(first.child_sa()->outbound_waits);
    world.wait(20ms);
    EXPECT_EQ(second.live_children(), 1U);
    EXPECT_TRUE(first.children.at(before).ended);
    expect_agreement(1);
}

TEST_P(Life, WhatWasReplacedIsNotRekeyedAgainMeanwhile) {
    const EspSpi before = second.child_sa()->inbound_spi;
    world.rekey_child(first);
    world.deliver();
    world.tell(second, RekeyChild{second.spi(), before});
    world.deliver();
    expect_agreement(1);
}

TEST_P(Life, RekeyTwentyTimesFromEitherSide) {
    for (int i = 0; i < 20; ++i) {
        world.rekey_child(i % 2 == 0 ? first : second);
        world.deliver();
    }
    expect_agreement(1);
}

TEST_P(Life, EveryLostOrRepeatedDatagramOfARekeyIsMadeUpFor) {
    for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
        for (int i = 0; i < 4; ++i) {
            World other;
            other.initiate();
            other.faults[4 + i] = fault;
            other.rekey_child(GetParam() ? other.customer : other.fleet);
            other.deliver();
            other.wait(10s);
            EXPECT_TRUE(other.up()) << "datagram " << i;
            EXPECT_EQ(other.disagreement(), "");
        }
    }
}

TEST_P(Life, AWishThatIsWantedAlreadyIsOne) {
    world.rekey_child(first);
    world.rekey_child(first);
    world.deliver();
    const std::size_t sent = world.trace.size();
    world.tell(first, RekeyChild{first.spi(), EspSpi(12345)});
    world.tell(first, DeleteChild{first.spi(), EspSpi(12345)});
    world.tell(first, RekeyChild{IkeSpi(1), first.child_sa()->inbound_spi});
    EXPECT_EQ(world.trace.size(), sent);
    expect_agreement(1);
    EXPECT_EQ(first.count(EventKind::child_sa_rekeyed), 1);
}

TEST_P(Life, ARekeyIsShownWhileItLasts) {
    const auto row = [&](const Side& side) { return side.engine->list().at(0).children.at(0); };
    EXPECT_FALSE(row(first).rekeying);
    EXPECT_EQ(row(first).expires_at, first.child_sa()->expires_at);
    world.rekey_child(first);
    EXPECT_TRUE(row(first).rekeying);
    world.deliver_from(first);
    EXPECT_TRUE(row(second).rekeying) << "it has a successor";
    world.deliver();
    world.wait(replaced_for);
    EXPECT_FALSE(row(first).rekeying);
    EXPECT_FALSE(row(second).rekeying);
}

TEST_P(Life, WindowsRekeysTwiceBeforeItDeletes) {
    // The customer's pen: two rekeys of the same Child SA, then one DELETE of it and of the first
    // new one.
    world.cut = true;
    const EspSpi old = world.fleet.child_sa()->outbound_spi;
    world.rekey_child(world.customer);
    PeerTool pen(*world.fleet.ike_sa());
    std::vector<wire::ike::Payload> payloads = pen.open(world.trace.back().datagram.bytes);
    customer_says(ExchangeType::create_child_sa, 2, payloads);
    const EspSpi between = world.fleet.child_sa()->outbound_spi;
    auto& proposal = std::get<wire::ike::SecurityAssociation>(payloads.at(1).body).proposals.at(0);
    proposal.spi = spi_bytes(EspSpi(0x7777));
    customer_says(ExchangeType::create_child_sa, 3, payloads);
    EXPECT_EQ(world.fleet.live_children(), 3U);
    customer_says(ExchangeType::informational, 4,
                  {{Delete{ProtocolId::esp, 4, {spi_bytes(old), spi_bytes(between)}}}});
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_EQ(world.fleet.child_sa()->outbound_spi, EspSpi(0x7777));
    EXPECT_EQ(world.fleet.state(), "established");
}

TEST_P(Life, AnUnknownChildSaIsNotRekeyed) {
    const auto out =
        customer_says(ExchangeType::create_child_sa, 2,
                      {{Notify{ProtocolId::esp, {9, 9, 9, 9}, NotifyType::rekey_sa, {}}}});
    EXPECT_EQ(refusal_in(out), NotifyType::child_sa_not_found);
}

TEST_P(Life, AChildSaThatThePeerDoesNotKnowIsMadeAnew) {
    sa::IkeSaRecord& claim = second.ike_sas.begin()->second;
    claim.children.clear();
    second.children.begin()->second.ended = true;
    const EspSpi gone = first.child_sa()->inbound_spi;
    world.take_over(second, 9);
    world.rekey_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_TRUE(first.children.at(gone).ended);
    EXPECT_EQ(first.child_sa()->replaces, EspSpi{});
    EXPECT_NE(first.text(EventKind::peer_refused).find("CHILD_SA_NOT_FOUND"), std::string::npos);
}

TEST_P(Life, ARefusedRekeyIsTriedAgainLater) {
    const auto suites = second.directory.tunnels.front().esp_suites;
    second.directory.tunnels.front().esp_suites = {esp_suite("aes128gcm16")};
    world.rekey_child(first);
    world.deliver();
    EXPECT_NE(first.text(EventKind::peer_refused).find("NO_PROPOSAL_CHOSEN"), std::string::npos);
    EXPECT_TRUE(world.up());
    world.rekey_child(first);
    world.wait(20s);
    EXPECT_EQ(first.count(EventKind::peer_refused), 1) << "not at once";
    second.directory.tunnels.front().esp_suites = suites;
    world.wait(120s);
    expect_agreement(1);
    EXPECT_EQ(first.count(EventKind::child_sa_rekeyed), 1);
}

TEST_P(Life, TheNewChildSaThatIsNoGoodGoesAgain) {
    // The first side's configuration changes while it asks.
    world.rekey_child(first);
    first.directory.tunnels.front().esp_suites = {esp_suite("aes128gcm16")};
    world.deliver();
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(second.live_children(), 1U) << "the peer has dropped what we did not want";
}

TEST_P(Life, ATunnelThatIsGoneGetsNothingNew) {
    second.directory.tunnels.clear();
    world.create_child(first);
    world.deliver();
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(second.count(EventKind::we_refused), 1);
}

// DELETE.

TEST_P(Life, OneOfTwoIsDeleted) {
    world.create_child(first);
    world.deliver();
    const EspSpi gone = first.child_sa()->inbound_spi;
    world.delete_child(first);
    world.deliver();
    expect_agreement(1);
    EXPECT_TRUE(first.children.at(gone).ended);
    EXPECT_FALSE(first.children.at(gone).drain) << "revoked, not replaced";
}

TEST_P(Life, TheLastOneIsDeletedAndTheIkeSaStays) {
    world.delete_child(first);
    world.deliver();
    expect_agreement(0);
    world.create_child(second);
    world.deliver();
    expect_agreement(1);
}

TEST_P(Life, BothDeleteItAtOnce) {
    world.delete_child(first);
    world.delete_child(second);
    world.deliver_from(first);
    world.deliver_from(second);
    // RFC 7296 1.4.1: the answers must not name it again.
    PeerTool pen(*first.ike_sa());
    EXPECT_TRUE(pen.open(second.actions.back().send.at(0).bytes).empty());
    world.deliver();
    expect_agreement(0);
}

}  // namespace
}  // namespace anyswan::ike::test
