// SPDX-License-Identifier: Apache-2.0
// An established IKE SA: liveness, deletion from either side, takeover, and what must not touch it.
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using testing::Test;
using wire::ike::Delete;
using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::ProtocolId;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// The tunnel is up.
struct Up : Test {
    Up() {
        world.initiate();
        EXPECT_TRUE(world.up());
        before = world.trace.size();
    }
    IkeSpi customer_spi() { return world.customer.ike_sas.begin()->first; }
    IkeSpi fleet_spi() { return world.fleet.ike_sas.begin()->first; }
    Datagram sent(std::size_t n) { return world.trace.at(before + n).datagram; }
    Outputs to_fleet(const Datagram& datagram) {
        return world.fleet.step(world.clock(),
                                DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
    }
    /// A request that the customer's keys protect, as any IKEv2 peer might send it.
    Outputs customer_says(ExchangeType exchange, std::uint32_t id,
                          std::vector<wire::ike::Payload> payloads) {
        PeerTool peer(*world.customer.ike_sa());
        return to_fleet({at("198.51.100.7", 500), at("192.0.2.1", 500),
                         peer.request(exchange, MessageId(id), payloads)});
    }
    std::vector<wire::ike::Payload> answer(const Outputs& out) {
        PeerTool peer(*world.customer.ike_sa());
        return peer.open(out.actions.at(0).send.at(0).bytes);
    }
    void expect_gone_everywhere() {
        for (Side* side : {&world.customer, &world.fleet}) {
            EXPECT_EQ(side->state(), "none");
            EXPECT_EQ(side->live_children(), 0U);
            EXPECT_EQ(side->ike_sa(), nullptr);
            EXPECT_TRUE(side->endpoints.begin()->second.ended);
        }
    }

    World world;
    std::size_t before = 0;
};

// Liveness (RFC 7296 2.4).

TEST_F(Up, LivenessCheckIsAnsweredWithoutTouchingTheStore) {
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    world.deliver();
    EXPECT_EQ(world.trace.size(), before + 2);
    EXPECT_TRUE(world.fleet.actions.back().writes.empty());
    // Our own request is written before it is sent, with its bytes, and forgotten when answered.
    ASSERT_GE(world.customer.actions.size(), 2U);
    const Action& asked = world.customer.actions[world.customer.actions.size() - 2];
    ASSERT_EQ(asked.writes.size(), 1U);
    const auto& claim = std::get<sa::IkeSaRecord>(asked.writes[0]);
    ASSERT_TRUE(claim.request.has_value());
    EXPECT_EQ(claim.request->datagrams, std::vector<Bytes>{sent(0).bytes});
    EXPECT_EQ(claim.request->message_id, MessageId(2));
    EXPECT_EQ(claim.next_request, MessageId(3));
    EXPECT_FALSE(world.customer.ike_sa()->request.has_value());
    EXPECT_TRUE(world.customer.actions.back().send.empty());
    EXPECT_TRUE(world.up());
}

TEST_F(Up, TheFleetAsksToo) {
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});  // one in flight is enough
    world.deliver();
    EXPECT_EQ(world.trace.size(), before + 2);
    world.wait(60s);
    EXPECT_EQ(world.trace.size(), before + 2);
    EXPECT_TRUE(world.up());
}

TEST_F(Up, LivenessSurvivesLossOfRequestAndResponse) {
    for (int i = 0; i < 2; ++i) {
        world.faults[static_cast<int>(world.trace.size()) + i] = Fault::drop;
        world.tell(world.customer, ProbeLiveness{customer_spi()});
        world.deliver();
        world.wait(10s);
        EXPECT_TRUE(world.up());
        EXPECT_FALSE(world.customer.engine->next_deadline().has_value());
    }
}

TEST_F(Up, SilenceEndsTheSa) {
    world.cut = true;
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.wait(120s);
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.count(EventKind::peer_unreachable), 1);
    EXPECT_EQ(world.fleet.count(EventKind::retransmission), 5);
    EXPECT_EQ(world.fleet.live_children(), 0U);
    EXPECT_TRUE(world.fleet.ike_sas.begin()->second.ended);
    EXPECT_TRUE(world.fleet.ike_sas.begin()->second.sk_d.empty()) << "tombstones hold no keys";
    EXPECT_TRUE(world.fleet.children.begin()->second.inbound.encr.empty());
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
}

// DELETE (RFC 7296 1.4.1).

TEST_F(Up, TheCustomerEndsIt) {
    world.tell(world.customer, Terminate{{"acme", "hq"}});
    EXPECT_EQ(world.customer.state(), "deleting");
    world.deliver();
    expect_gone_everywhere();
    const sa::ChildSaRecord& tombstone = world.fleet.children.begin()->second;
    EXPECT_NE(tombstone.outbound_spi, EspSpi(0));
    EXPECT_EQ(world.fleet.ike_sas.begin()->second.last_response, std::vector<Bytes>{sent(1).bytes});
}

TEST_F(Up, TheFleetEndsIt) {
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    world.deliver();
    expect_gone_everywhere();
}

TEST_F(Up, DeleteSurvivesLossAndDuplicationOfEachDatagram) {
    for (const Fault fault : {Fault::drop, Fault::duplicate}) {
        for (int i = 0; i < 2; ++i) {
            World other;
            other.initiate();
            other.faults[4 + i] = fault;
            other.tell(other.fleet, Terminate{{"acme", "hq"}});
            other.deliver();
            other.wait(10s);
            EXPECT_EQ(other.customer.state(), "none");
            EXPECT_EQ(other.fleet.state(), "none");
            EXPECT_EQ(other.fleet.count(EventKind::peer_unreachable), 0);
        }
    }
}

TEST_F(Up, BothEndItAtOnce) {
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    world.tell(world.customer, Terminate{{"acme", "hq"}});
    world.deliver();
    expect_gone_everywhere();
    world.wait(120s);
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
}

TEST_F(Up, DeleteWaitsForTheRequestInFlight) {
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    EXPECT_EQ(world.trace.size(), before + 1) << "a window of one";
    world.deliver();
    expect_gone_everywhere();
}

TEST_F(Up, UnansweredDeleteEndsItAnyway) {
    world.cut = true;
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    world.wait(120s);
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_TRUE(has(world.fleet.text(EventKind::ike_sa_ended), "did not answer our DELETE"));
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_F(Up, OneOfSeveralCanBeEnded) {
    world.tell(world.fleet, Terminate{{"acme", "hq"}, IkeSpi(12345)});
    EXPECT_EQ(world.trace.size(), before);
    world.tell(world.fleet, Terminate{{"acme", "hq"}, fleet_spi()});
    world.deliver();
    expect_gone_everywhere();
}

TEST_F(Up, DeleteOfTheChildSaIsPaired) {
    const EspSpi theirs = world.fleet.child_sa()->outbound_spi;
    const EspSpi ours = world.fleet.child_sa()->inbound_spi;
    Writer spi;
    spi.u32(theirs.value());
    const Bytes unknown{1, 2, 3, 4};
    const Outputs out =
        customer_says(ExchangeType::informational, 2,
                      {{Delete{ProtocolId::esp, 4, {unknown, std::move(spi).take()}}}});
    const auto payloads = answer(out);
    ASSERT_EQ(payloads.size(), 1U);
    const auto& paired = std::get<Delete>(payloads[0].body);
    ASSERT_EQ(paired.spis.size(), 1U);
    EXPECT_EQ(load_u32(paired.spis[0]), ours.value());
    EXPECT_EQ(world.fleet.live_children(), 0U);
    EXPECT_TRUE(world.fleet.children.at(ours).inbound.encr.empty());
    EXPECT_EQ(world.fleet.children.at(ours).outbound_spi, theirs);
    EXPECT_EQ(world.fleet.state(), "established") << "the IKE SA stays";
    EXPECT_TRUE(world.fleet.ike_sa()->children.empty());
    EXPECT_EQ(world.fleet.ike_sa()->expected_request, MessageId(3));
    EXPECT_EQ(world.fleet.count(EventKind::child_sa_ended), 1);
}

TEST_F(Up, UnknownNotifiesAreAnsweredWithNothing) {
    const Outputs out = customer_says(ExchangeType::informational, 2,
                                      {{Notify{{}, {}, static_cast<NotifyType>(40999), {1}}},
                                       {Notify{{}, {}, NotifyType::authentication_failed, {}}}});
    // The second is fatal right after IKE_AUTH and only there.
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_TRUE(answer(out).empty());
    EXPECT_TRUE(has(world.fleet.text(EventKind::peer_refused), "AUTHENTICATION_FAILED"));
}

TEST_F(Up, ErrorNotifiesLaterOnChangeNothing) {
    customer_says(ExchangeType::informational, 2, {});
    const Outputs out = customer_says(ExchangeType::informational, 3,
                                      {{Notify{{}, {}, static_cast<NotifyType>(40999), {1}}},
                                       {Notify{{}, {}, NotifyType::authentication_failed, {}}},
                                       {Notify{{}, {}, NotifyType::invalid_syntax, {}}}});
    EXPECT_TRUE(answer(out).empty());
    EXPECT_EQ(world.fleet.state(), "established");
}

TEST_F(Up, CreateChildSaThatCannotBeIsRefused) {
    const auto first = [&](const Outputs& out) {
        return std::get<Notify>(answer(out).at(0).body).type;
    };
    EXPECT_EQ(first(customer_says(ExchangeType::create_child_sa, 2, {})),
              NotifyType::no_proposal_chosen);
    Writer spi;
    spi.u32(world.fleet.child_sa()->outbound_spi.value());
    EXPECT_EQ(first(customer_says(
                  ExchangeType::create_child_sa, 3,
                  {{Notify{ProtocolId::esp, std::move(spi).take(), NotifyType::rekey_sa, {}}}})),
              NotifyType::no_proposal_chosen);
    EXPECT_EQ(
        first(customer_says(ExchangeType::create_child_sa, 4,
                            {{Notify{ProtocolId::esp, {1, 2, 3, 4}, NotifyType::rekey_sa, {}}}})),
        NotifyType::child_sa_not_found);
    world.cut = true;
    world.tell(world.fleet, Terminate{{"acme", "hq"}});
    EXPECT_EQ(first(customer_says(ExchangeType::create_child_sa, 5, {})),
              NotifyType::temporary_failure);
}

TEST_F(Up, CriticalPayloadOnlyRefusesTheRequest) {
    const Outputs out = customer_says(
        ExchangeType::informational, 2,
        {{wire::ike::UnknownPayload{static_cast<wire::ike::PayloadType>(77), {}}, true}});
    const auto payloads = answer(out);
    EXPECT_EQ(std::get<Notify>(payloads.at(0).body).type, NotifyType::unsupported_critical_payload);
    EXPECT_EQ(std::get<Notify>(payloads.at(0).body).data, Bytes{77});
    EXPECT_EQ(world.fleet.state(), "established");
}

TEST_F(Up, AuthenticNonsenseEndsTheSa) {
    PeerTool peer(*world.customer.ike_sa());
    const Outputs out =
        to_fleet({at("198.51.100.7", 500), at("192.0.2.1", 500),
                  peer.raw_request(ExchangeType::informational, MessageId(2),
                                   wire::ike::PayloadType::notify, {0, 0, 0, 99, 1})});
    EXPECT_EQ(std::get<Notify>(answer(out).at(0).body).type, NotifyType::invalid_syntax);
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_F(Up, UnknownExchangeTypesAreDropped) {
    const Outputs out = customer_says(static_cast<ExchangeType>(43), 2, {});
    EXPECT_TRUE(out.actions.empty());
    EXPECT_EQ(world.fleet.count(DropReason::unexpected_exchange), 1);
}

// What must not change anything.

TEST_F(Up, ReplaysOfEveryDatagramChangeNothing) {
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    world.deliver();
    world.tell(world.fleet, ProbeLiveness{fleet_spi()});
    world.deliver();
    const auto trace = world.trace;
    for (int round = 0; round < 2; ++round) {
        for (const auto& carried : trace) {
            // Only the answer to the last request may be repeated, with the same bytes: the
            // network's checks see to that. To the right side, and reflected to its sender.
            world.tell(world.other(*carried.from),
                       DatagramReceived{carried.datagram.remote, carried.datagram.local,
                                        carried.datagram.bytes});
            world.tell(*carried.from,
                       DatagramReceived{carried.datagram.local, carried.datagram.remote,
                                        carried.datagram.bytes});
        }
        world.deliver();
    }
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sas.size(), 1U);
    EXPECT_GT(world.fleet.count(DropReason::reflected), 0);
    EXPECT_GT(world.customer.count(DropReason::reflected), 0);
    EXPECT_GT(world.fleet.count(DropReason::duplicate_init), 0);
    EXPECT_GT(world.customer.count(DropReason::unexpected_response), 0);
}

TEST_F(Up, EveryFlippedBitIsRefused) {
    world.cut = true;
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    const Datagram probe = sent(0);
    for (std::size_t bit = 0; bit < probe.bytes.size() * 8; ++bit) {
        Datagram damaged = probe;
        damaged.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        const Outputs out = to_fleet(damaged);
        for (const Action& action : out.actions) {
            EXPECT_EQ(action.our_spi, IkeSpi(0)) << "bit " << bit;
            EXPECT_TRUE(action.writes.empty());
        }
        EXPECT_FALSE(out.drops.empty()) << "bit " << bit;
        EXPECT_EQ(world.fleet.state(), "established");
    }
    EXPECT_GT(world.fleet.count(DropReason::bad_icv), 100);
    EXPECT_EQ(to_fleet(probe).actions.size(), 1U) << "the undamaged one is still new";
}

TEST_F(Up, EveryTruncationIsRefused) {
    world.cut = true;
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    const Datagram probe = sent(0);
    for (std::size_t size = 28; size < probe.bytes.size(); ++size) {
        Datagram damaged = probe;
        damaged.bytes.resize(size);
        store_u32(MutableBytes(damaged.bytes).subspan(24), static_cast<std::uint32_t>(size));
        if (size >= 32) {
            store_u16(MutableBytes(damaged.bytes).subspan(30),
                      static_cast<std::uint16_t>(size - 28));
        }
        EXPECT_TRUE(to_fleet(damaged).actions.empty()) << size;
    }
    EXPECT_EQ(to_fleet(probe).actions.size(), 1U);
}

TEST_F(Up, UnprotectedMessagesChangeNothing) {
    for (const NotifyType type : {NotifyType::invalid_ike_spi, NotifyType::authentication_failed,
                                  NotifyType::invalid_syntax}) {
        for (const bool response : {false, true}) {
            Message message;
            message.header.initiator_spi = customer_spi();
            message.header.responder_spi = fleet_spi();
            message.header.exchange = ExchangeType::informational;
            message.header.from_initiator = true;
            message.header.response = response;
            message.header.message_id = MessageId(2);
            message.payloads = {{Notify{{}, {}, type, {}}}};
            EXPECT_TRUE(to_fleet({at("198.51.100.7", 500), at("192.0.2.1", 500), message.emit()})
                            .actions.empty());
            message.payloads = {{Delete{ProtocolId::ike, 0, {}}}};
            EXPECT_TRUE(to_fleet({at("198.51.100.7", 500), at("192.0.2.1", 500), message.emit()})
                            .actions.empty());
        }
    }
    EXPECT_EQ(world.fleet.count(DropReason::unprotected), 12);
    EXPECT_TRUE(world.up());
}

TEST_F(Up, WrongSpiOfThePeerIsDropped) {
    world.cut = true;
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    Datagram probe = sent(0);
    probe.bytes[7] ^= 1;
    EXPECT_TRUE(to_fleet(probe).actions.empty());
    EXPECT_EQ(world.fleet.count(DropReason::wrong_spi), 1);
}

TEST_F(Up, MessageIdsOutsideTheWindowAreDropped) {
    for (const std::uint32_t id : {0U, 3U, 4U, 1000U, 0xffffffffU}) {
        EXPECT_TRUE(customer_says(ExchangeType::informational, id, {}).actions.empty());
    }
    EXPECT_EQ(world.fleet.count(DropReason::message_id_out_of_window), 5);
    EXPECT_EQ(customer_says(ExchangeType::informational, 2, {}).actions.size(), 1U);
}

TEST_F(Up, RepeatedRequestsGetTheSameBytes) {
    const Outputs first = customer_says(ExchangeType::create_child_sa, 2, {});
    const Outputs again = customer_says(ExchangeType::create_child_sa, 2, {});
    EXPECT_EQ(first.actions.at(0).send.at(0).bytes, again.actions.at(0).send.at(0).bytes);
    EXPECT_TRUE(again.actions.at(0).writes.empty());
    EXPECT_TRUE(again.events.empty());
}

TEST_F(Up, OnlyAnAuthenticRepetitionIsAnswered) {
    world.tell(world.customer, ProbeLiveness{customer_spi()});
    world.deliver();
    const Datagram probe = sent(0);
    EXPECT_EQ(to_fleet(probe).actions.size(), 1U);
    for (std::size_t at = 28; at < probe.bytes.size(); ++at) {
        Datagram damaged = probe;
        damaged.bytes[at] ^= 0x10;
        EXPECT_TRUE(to_fleet(damaged).actions.empty()) << at;
    }
}

// INITIAL_CONTACT.

TEST_F(Up, InitialContactEndsTheOlderSa) {
    const IkeSpi old = fleet_spi();
    world.customer.restart(0, 4711);
    world.initiate();
    EXPECT_EQ(world.fleet.state(), "established");
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_TRUE(world.fleet.ike_sas.at(old).ended);
    EXPECT_TRUE(has(world.fleet.text(EventKind::ike_sa_ended), "INITIAL_CONTACT"));
    EXPECT_EQ(world.fleet.ike_sas.size(), 2U);
}

TEST_F(Up, AnotherIdentityKeepsItsSa) {
    sa::TunnelRecord second = fleet_tunnel();
    second.id = {"acme", "dc"};
    second.remote_id = wire::ike::Identification::from_text("dc.acme.example");
    world.fleet.directory.tunnels.push_back(std::move(second));
    world.customer.directory.tunnels[0].local_id =
        wire::ike::Identification::from_text("dc.acme.example");
    world.customer.restart(0, 4711);
    world.initiate();
    EXPECT_EQ(world.fleet.state(), "several");
    EXPECT_EQ(world.fleet.live_children(), 2U);
}

TEST_F(Up, InitiateTwiceIsOnce) {
    world.initiate();
    EXPECT_EQ(world.trace.size(), before);
}

}  // namespace
}  // namespace anyswan::ike::test
