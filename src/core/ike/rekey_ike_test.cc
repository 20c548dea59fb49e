// SPDX-License-Identifier: Apache-2.0
// The rekey of the IKE SA, by either side: what the heir takes over, what stays as it was, and who
// may end what.
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::Notify;
using wire::ike::NotifyType;

/// The tunnel is up. Each test runs with the customer and with the fleet as `first`.
struct IkeRekey : testing::TestWithParam<bool> {
    IkeRekey() {
        world.initiate();
        EXPECT_TRUE(world.up());
        origin = world.fleet.spi();
    }
    void expect_one_tunnel() {
        world.wait(200s);
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_TRUE(world.up());
        EXPECT_FALSE(world.customer.engine->next_deadline().has_value()) << "nothing is left over";
        EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
    }
    World world;
    Side& first = GetParam() ? world.customer : world.fleet;
    Side& second = world.other(first);
    IkeSpi origin;
};
INSTANTIATE_TEST_SUITE_P(EitherSide, IkeRekey, testing::Bool(), [](const auto& named) {
    return named.param ? "CustomerFirst" : "FleetFirst";
});

TEST_P(IkeRekey, TheHeirTakesOverAndTheFactsStay) {
    const sa::ChildSaRecord child = world.fleet.child_sa()->clone();
    const sa::EndpointRecord endpoint = world.fleet.endpoints.at(origin);
    const sa::IkeSaRecord old = world.fleet.ike_sa()->clone();
    world.wait(50s);
    world.rekey_ike(first);
    world.deliver();
    expect_one_tunnel();
    const sa::IkeSaRecord& heir = *world.fleet.ike_sa();
    EXPECT_NE(heir.our_spi, origin);
    EXPECT_NE(heir.peer_spi, old.peer_spi);
    EXPECT_EQ(heir.our_spi.value() >> 48, 7U) << "names the edge";
    EXPECT_EQ(heir.origin, origin);
    EXPECT_EQ(heir.origin_initiated, false);
    EXPECT_EQ(heir.we_initiated, &first == &world.fleet);
    EXPECT_FALSE(heir.sk_d == old.sk_d);
    EXPECT_EQ(heir.epoch, Epoch(1));
    EXPECT_GT(heir.established_at, old.established_at);
    EXPECT_EQ(heir.peer_id, old.peer_id);
    EXPECT_EQ(*world.fleet.child_sa(), child);
    EXPECT_EQ(world.fleet.children.size(), 1U);
    EXPECT_EQ(world.fleet.endpoints.at(origin), endpoint);
    EXPECT_EQ(world.fleet.endpoints.size(), 1U);
    EXPECT_TRUE(world.fleet.ike_sas.at(origin).ended);
    for (const Side* side : {&world.customer, &world.fleet}) {
        EXPECT_EQ(side->count(EventKind::ike_sa_rekeyed), 1);
    }
}

TEST_P(IkeRekey, MessageIdsBeginAtZero) {
    world.rekey_ike(first);
    world.deliver();
    EXPECT_EQ(first.ike_sa()->next_request, MessageId(0));
    EXPECT_EQ(first.ike_sa()->expected_request, MessageId(0));
    world.probe(first);
    world.probe(second);
    world.rekey_child(second);
    world.deliver();
    EXPECT_EQ(first.ike_sa()->next_request, MessageId(1));
    expect_one_tunnel();
}

TEST_P(IkeRekey, TheClaimIsWrittenBeforeTheAnswerLeaves) {
    world.rekey_ike(first);
    const std::size_t before = second.actions.size();
    world.deliver_from(first);
    const Action& answer = second.actions.at(before);
    ASSERT_EQ(answer.send.size(), 1U);
    ASSERT_EQ(answer.writes.size(), 2U);
    const auto& heir = std::get<sa::IkeSaRecord>(answer.writes[0]);
    const auto& old = std::get<sa::IkeSaRecord>(answer.writes[1]);
    EXPECT_EQ(answer.our_spi, old.our_spi);
    EXPECT_EQ(heir.children.size(), 1U);
    EXPECT_EQ(heir.heir_of, old.our_spi);
    EXPECT_TRUE(old.children.empty());
    EXPECT_EQ(old.successor, heir.our_spi);
    EXPECT_EQ(old.last_response, std::vector<Bytes>{answer.send[0].bytes});
}

TEST_P(IkeRekey, TwentyTimesAndChildrenBetween) {
    for (int i = 0; i < 20; ++i) {
        world.rekey_ike(i % 3 == 0 ? second : first);
        world.deliver();
        world.rekey_child(i % 2 == 0 ? first : second);
        world.deliver();
    }
    expect_one_tunnel();
    EXPECT_EQ(world.fleet.child_sa()->ike_spi, origin);
    EXPECT_EQ(world.fleet.endpoints.size(), 1U);
    world.delete_ike(first);
    world.deliver();
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_TRUE(world.fleet.endpoints.at(origin).ended);
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_P(IkeRekey, EveryLostOrRepeatedDatagramIsMadeUpFor) {
    for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
        for (int i = 0; i < 4; ++i) {
            World other;
            other.initiate();
            other.faults[4 + i] = fault;
            other.rekey_ike(GetParam() ? other.customer : other.fleet);
            other.deliver();
            other.wait(100s);
            EXPECT_TRUE(other.up()) << "datagram " << i;
            EXPECT_EQ(other.disagreement(), "");
        }
    }
}

TEST_P(IkeRekey, WishesMoveToTheHeir) {
    world.rekey_ike(first);
    world.create_child(first);
    world.deliver();
    world.wait(100s);
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(second.live_children(), 2U);
    EXPECT_EQ(first.established().size(), 1U);
}

TEST_P(IkeRekey, TheOtherGroupIsTriedWhenAsked) {
    first.directory.tunnels.front().ike_suites = {ike_suite("aes128gcm16-prfsha256-x25519"),
                                                  ike_suite("aes128gcm16-prfsha256-ecp256")};
    second.directory.tunnels.front().ike_suites = {ike_suite("aes128gcm16-prfsha256-ecp256")};
    world.rekey_ike(first);
    world.deliver();
    expect_one_tunnel();
    EXPECT_EQ(first.ike_sa()->suite, ike_suite("aes128gcm16-prfsha256-ecp256"));
}

TEST_P(IkeRekey, AnotherPrfTakesTheOldOnesKeys) {
    for (Side* side : {&first, &second}) {
        side->directory.tunnels.front().ike_suites = {ike_suite("aes256-sha512-prfsha512-ecp384")};
    }
    world.rekey_ike(first);
    world.deliver();
    world.rekey_ike(second);
    world.deliver();
    expect_one_tunnel();
}

TEST_P(IkeRekey, ARefusalIsToldAndTriedAgainLater) {
    const auto suites = second.directory.tunnels.front().ike_suites;
    second.directory.tunnels.front().ike_suites = {ike_suite("aes128gcm16-prfsha256-ecp384")};
    world.rekey_ike(first);
    world.deliver();
    EXPECT_NE(first.text(EventKind::peer_refused).find("NO_PROPOSAL_CHOSEN"), std::string::npos);
    EXPECT_NE(second.text(EventKind::we_refused).find("ecp384"), std::string::npos);
    EXPECT_TRUE(world.up());
    second.directory.tunnels.front().ike_suites = suites;
    world.wait(120s);
    EXPECT_EQ(first.count(EventKind::ike_sa_rekeyed), 1);
    expect_one_tunnel();
}

TEST_P(IkeRekey, TheRekeyedOneRefusesAllButItsEnd) {
    // The DELETE doesn't come; the old one is used on.
    world.rekey_ike(world.customer);
    world.deliver_from(world.customer);
    PeerTool pen(world.customer.ike_sas.begin()->second);
    const auto say = [&](ExchangeType exchange, std::uint32_t id,
                         const std::vector<wire::ike::Payload>& payloads) {
        const Outputs out = world.fleet.step(
            world.clock(), DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500),
                                            pen.request(exchange, MessageId(id), payloads)});
        return pen.open(out.actions.at(0).send.at(0).bytes);
    };
    EXPECT_EQ(std::get<Notify>(say(ExchangeType::create_child_sa, 3, {}).at(0).body).type,
              NotifyType::temporary_failure);
    EXPECT_TRUE(say(ExchangeType::informational, 4, {}).empty());
    const auto rows = world.fleet.engine->list();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].state == "rekeyed", rows[0].children.empty());
    EXPECT_NE(rows[0].state, rows[1].state);
}

TEST_P(IkeRekey, WithoutThePeersDeleteWeSendOne) {
    world.rekey_ike(first);
    world.deliver_from(first);
    world.deliver_from(second);
    // The DELETE is lost, and the peer forgets that it ever sent it.
    world.lose_from(first);
    const IkeSpi old = first.endpoints.begin()->first;
    world.tell(first, LostOwnership{old});
    world.wait(retire_after / 2);
    EXPECT_EQ(second.engine->list().size(), 2U);
    world.wait(retire_after + 100s);
    EXPECT_EQ(second.engine->list().size(), 1U);
    EXPECT_EQ(second.live_children(), 1U);
    EXPECT_EQ(second.count(EventKind::peer_unreachable), 0);
}

TEST_P(IkeRekey, TheOperatorEndsWhatIsBeingRekeyed) {
    world.rekey_ike(first);
    world.tell(first, Terminate{{"acme", "hq"}});
    world.deliver();
    world.wait(200s);
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_EQ(first.state(), "none");
    EXPECT_EQ(second.live_children(), 0U);
}

TEST_P(IkeRekey, InitiateKnowsTheHeir) {
    world.rekey_ike(first);
    world.deliver();
    const std::size_t before = world.trace.size();
    world.initiate();
    EXPECT_EQ(world.trace.size(), before);
    EXPECT_TRUE(world.customer.established().at(0).we_initiated);
}

TEST_P(IkeRekey, TheFirstInformationalOfAnHeirIsNotThatOfIkeAuth) {
    // RFC 7296 2.21.2 makes AUTHENTICATION_FAILED fatal right after IKE_AUTH only.
    world.rekey_ike(world.customer);
    world.deliver();
    PeerTool pen(*world.customer.ike_sa());
    for (std::uint32_t id = 0; id < 4; ++id) {
        world.fleet.step(
            world.clock(),
            DatagramReceived{
                at("192.0.2.1", 500), at("198.51.100.7", 500),
                pen.request(ExchangeType::informational, MessageId(id),
                            {{Notify{{}, {}, NotifyType::authentication_failed, {}}}})});
    }
    EXPECT_EQ(world.fleet.state(), "established");
}

// N4, N6: the estate survives an heir that nobody ever spoke to.

TEST_P(IkeRekey, AnHeirWhoseAnswerNeverLeftLeavesTheEstateAlone) {
    // The heir's claim was written, then the old one's was lost to another owner.
    world.cut = true;
    world.rekey_ike(first);
    world.cut = false;
    const Datagram request = world.trace.back().datagram;
    const IkeSpi old = second.spi();
    second.step(world.clock(), DatagramReceived{request.remote, request.local, request.bytes});
    second.step(world.clock(), LostOwnership{old});
    ASSERT_EQ(second.engine->list().size(), 1U);
    world.cut = true;
    world.probe(second);
    world.wait(120s);
    EXPECT_EQ(second.state(), "none");
    EXPECT_EQ(second.live_children(), 1U) << "the other owner has it";
    EXPECT_FALSE(second.endpoints.begin()->second.ended);
}

TEST_P(IkeRekey, AnHeirThatWasSpokenToEndsTheEstate) {
    world.rekey_ike(first);
    world.deliver();
    world.cut = true;
    world.probe(second);
    world.wait(120s);
    EXPECT_EQ(second.state(), "none");
    EXPECT_EQ(second.live_children(), 0U);
    EXPECT_TRUE(second.endpoints.begin()->second.ended);
}

TEST_P(IkeRekey, AnHeirThatIsEndedBeforeAWordOnItTakesTheEstateAlong) {
    // The old one is given up first, and the heir was told to go by then.
    world.rekey_ike(first);
    world.deliver_from(first);
    world.cut = true;
    world.tell(second, Terminate{{"acme", "hq"}});
    world.wait(300s);
    EXPECT_EQ(second.state(), "none");
    EXPECT_EQ(second.live_children(), 0U);
    EXPECT_TRUE(second.endpoints.begin()->second.ended);
}

// Re-authentication by the peer, make before break: a second IKE SA of the same tunnel.

TEST_P(IkeRekey, ThePeerReauthenticates) {
    // The customer's engine takes no second one for a tunnel that it keeps up, so its successor
    // does: without INITIAL_CONTACT, for it knows of the old one.
    const sa::IkeSaRecord claim = world.customer.ike_sa()->clone();
    world.tell(world.customer, LostOwnership{claim.our_spi});
    sa::IkeSaRecord other = claim.clone();
    other.epoch = other.epoch.next();
    other.origin_initiated = false;
    std::vector<sa::ChildSaRecord> children;
    children.push_back(world.customer.child_sa()->clone());
    world.tell(world.customer, Adopt{std::move(other), std::move(children)});
    world.initiate();
    EXPECT_EQ(world.fleet.established().size(), 2U) << "nothing is killed";
    EXPECT_EQ(world.fleet.live_children(), 2U);
    world.tell(world.customer, Terminate{{"acme", "hq"}, claim.our_spi});
    world.deliver();
    expect_one_tunnel();
}

}  // namespace
}  // namespace anyswan::ike::test
