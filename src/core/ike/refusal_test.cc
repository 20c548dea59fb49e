// SPDX-License-Identifier: Apache-2.0
// What the responder refuses, how it says so on the wire, and what it tells the operator; and what
// an initiator makes of refusals.
#include <functional>

#include "core/ike/helpers.h"
#include "core/ike/limits.h"

namespace anyswan::ike::test {
namespace {

using testing::Test;
using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::PayloadType;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// The customer's first IKE_SA_INIT request, not delivered.
struct InitRequest : Test {
    InitRequest() {
        world.cut = true;
        world.initiate();
        datagram = world.trace.front().datagram;
        message = *Message::parse(datagram.bytes);
    }
    Outputs send(Bytes bytes) {
        return world.fleet.step(
            world.clock(), DatagramReceived{datagram.remote, datagram.local, std::move(bytes)});
    }
    Outputs send(const Message& changed) { return send(changed.emit()); }
    template <class T>
    T& part() {
        for (Payload& payload : message.payloads) {
            if (T* body = std::get_if<T>(&payload.body)) {
                return *body;
            }
        }
        ADD_FAILURE() << "no such payload";
        std::abort();
    }
    void expect_refusal(const Outputs& out, NotifyType type, DropReason reason,
                        const Bytes& data = {}) {
        ASSERT_EQ(out.actions.size(), 1U);
        const Action& action = out.actions.front();
        EXPECT_EQ(action.our_spi, IkeSpi(0));
        EXPECT_TRUE(action.writes.empty());
        ASSERT_EQ(action.send.size(), 1U);
        EXPECT_EQ(refusal(action.send[0]), type);
        EXPECT_EQ(action.send[0].local, datagram.remote);
        EXPECT_EQ(action.send[0].remote, datagram.local);
        const Message answer = *Message::parse(action.send[0].bytes);
        EXPECT_TRUE(answer.header.response);
        EXPECT_FALSE(answer.header.from_initiator);
        EXPECT_EQ(answer.header.initiator_spi, message.header.initiator_spi);
        EXPECT_EQ(answer.header.message_id, message.header.message_id);
        EXPECT_EQ(std::get<wire::ike::Notify>(answer.payloads[0].body).data, data);
        ASSERT_EQ(out.drops.size(), 1U);
        EXPECT_EQ(out.drops[0].reason, reason);
        EXPECT_EQ(world.fleet.state(), "none") << "no state";
    }
    void expect_silence(const Outputs& out, DropReason reason) {
        EXPECT_TRUE(out.actions.empty());
        ASSERT_EQ(out.drops.size(), 1U);
        EXPECT_EQ(out.drops[0].reason, reason);
        EXPECT_EQ(world.fleet.state(), "none");
    }

    World world;
    Datagram datagram;
    Message message;
};

TEST_F(InitRequest, Unchanged) {
    EXPECT_EQ(send(message.emit()).actions.size(), 1U);
    EXPECT_EQ(world.fleet.state(), "half_open");
}

TEST_F(InitRequest, HigherMajorVersion) {
    Bytes bytes = datagram.bytes;
    bytes[17] = 0x30;
    expect_refusal(send(bytes), NotifyType::invalid_major_version, DropReason::version_too_new);
    bytes[19] |= 0x20;  // as a response
    expect_silence(send(bytes), DropReason::version_too_new);
}

TEST_F(InitRequest, HigherMinorVersionIsIgnored) {
    Bytes bytes = datagram.bytes;
    bytes[17] = 0x2f;
    EXPECT_EQ(send(bytes).drops.size(), 0U);
    EXPECT_EQ(world.fleet.state(), "half_open");
}

TEST_F(InitRequest, Ikev1GetsAHint) {
    Bytes bytes = datagram.bytes;
    bytes[17] = 0x10;
    expect_silence(send(bytes), DropReason::version_too_old);
    EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused), "set the router to IKEv2"));
}

TEST_F(InitRequest, WrongLengths) {
    for (std::size_t size = 0; size < datagram.bytes.size(); ++size) {
        expect_silence(send(Bytes(datagram.bytes.begin(),
                                  datagram.bytes.begin() + static_cast<std::ptrdiff_t>(size))),
                       DropReason::malformed_header);
    }
    Bytes longer = datagram.bytes;
    longer.push_back(0);
    expect_silence(send(longer), DropReason::malformed_header);
}

TEST_F(InitRequest, TruncatedPayloadsWithAHonestLength) {
    for (std::size_t size = 29; size < datagram.bytes.size(); size += 7) {
        Bytes bytes(datagram.bytes.begin(),
                    datagram.bytes.begin() + static_cast<std::ptrdiff_t>(size));
        store_u32(MutableBytes(bytes).subspan(24), static_cast<std::uint32_t>(size));
        expect_refusal(send(bytes), NotifyType::invalid_syntax, DropReason::malformed_init);
    }
}

TEST_F(InitRequest, ZeroInitiatorSpi) {
    message.header.initiator_spi = IkeSpi(0);
    expect_silence(send(message), DropReason::zero_initiator_spi);
}

TEST_F(InitRequest, HeaderThatDoesNotFit) {
    Message changed = message;
    changed.header.responder_spi = IkeSpi(5);
    expect_silence(send(changed), DropReason::bad_init_header);
    changed = message;
    changed.header.message_id = MessageId(1);
    expect_silence(send(changed), DropReason::bad_init_header);
    changed = message;
    changed.header.from_initiator = false;
    expect_silence(send(changed), DropReason::bad_init_header);
    changed = message;
    changed.header.response = true;
    expect_silence(send(changed), DropReason::unknown_spi_response);
}

TEST_F(InitRequest, MissingPayload) {
    for (std::size_t i = 0; i < 3; ++i) {
        Message changed = message;
        changed.payloads.erase(changed.payloads.begin() + static_cast<std::ptrdiff_t>(i));
        expect_refusal(send(changed), NotifyType::invalid_syntax, DropReason::malformed_init);
    }
}

TEST_F(InitRequest, NonceSizes) {
    for (const std::size_t size : {15U, 257U}) {
        message.payloads[2].body = wire::ike::UnknownPayload{PayloadType::nonce, Bytes(size, 1)};
        expect_refusal(send(message), NotifyType::invalid_syntax, DropReason::malformed_init);
    }
}

TEST_F(InitRequest, UnknownCriticalPayload) {
    const auto type = static_cast<PayloadType>(99);
    message.payloads.push_back({wire::ike::UnknownPayload{type, {1, 2, 3}}, true});
    expect_refusal(send(message), NotifyType::unsupported_critical_payload,
                   DropReason::critical_payload, {99});
}

TEST_F(InitRequest, UnknownPayloadsAndNotifiesAreIgnored) {
    message.payloads.push_back(
        {wire::ike::UnknownPayload{static_cast<PayloadType>(99), {1, 2, 3}}, false});
    message.payloads.push_back({wire::ike::VendorId{{1, 2, 3}}});
    for (const int type : {16404, 16418, 16431, 16438, 40960}) {
        message.payloads.push_back(
            {wire::ike::Notify{{}, {}, static_cast<NotifyType>(type), {0, 2}}});
    }
    const Outputs out = send(message);
    EXPECT_EQ(world.fleet.state(), "half_open");
    const Message answer = *Message::parse(out.actions.at(0).send.at(0).bytes);
    EXPECT_EQ(answer.payloads.size(), 7U)
        << "SA, KE, Nonce, NAT detection twice, fragmentation, childless";
}

TEST_F(InitRequest, NoProposal) {
    auto& offered = part<wire::ike::SecurityAssociation>();
    using wire::ike::Transform;
    using wire::ike::TransformType;
    offered.proposals[0].transforms = {
        Transform::make(TransformType::encr, 12, 128), Transform::make(TransformType::prf, 2),
        Transform::make(TransformType::integ, 2), Transform::make(TransformType::ke, 2)};
    expect_refusal(send(message), NotifyType::no_proposal_chosen, DropReason::init_refused);
    EXPECT_EQ(world.fleet.text(EventKind::we_refused),
              "NO_PROPOSAL_CHOSEN to 198.51.100.7: offered aes128-sha1-modp1024; tunnel "
              "acme/hq accepts aes256gcm16-prfsha256-x25519");
}

TEST_F(InitRequest, AddressThatNoTunnelAllows) {
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.0/24")};
    expect_refusal(send(message), NotifyType::no_proposal_chosen, DropReason::init_refused);
    EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused), "no tunnel allows this address"));
}

TEST_F(InitRequest, WrongGroup) {
    world.fleet.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha256-ecp256")};
    expect_refusal(send(message), NotifyType::no_proposal_chosen, DropReason::init_refused);
    auto& offered = part<wire::ike::SecurityAssociation>();
    offered.proposals[0].transforms.push_back(
        wire::ike::Transform::make(wire::ike::TransformType::ke, 19));
    expect_refusal(send(message), NotifyType::invalid_ke_payload, DropReason::init_refused,
                   {0, 19});
}

TEST_F(InitRequest, BadPublicValue) {
    part<wire::ike::KeyExchange>().data = Bytes(32, 0);
    expect_refusal(send(message), NotifyType::invalid_syntax, DropReason::bad_key_exchange);
    part<wire::ike::KeyExchange>().data = Bytes(31, 9);
    expect_refusal(send(message), NotifyType::invalid_syntax, DropReason::bad_key_exchange);
}

TEST_F(InitRequest, CookieThatIsWrongOldOrForeign) {
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 5);
    const Outputs first = send(message);
    const Message answer = *Message::parse(first.actions.at(0).send.at(0).bytes);
    const Bytes cookie = std::get<wire::ike::Notify>(answer.payloads[0].body).data;
    const auto with = [&](Bytes data) {
        Message changed = message;
        changed.payloads.insert(changed.payloads.begin(),
                                {wire::ike::Notify{{}, {}, NotifyType::cookie, std::move(data)}});
        return changed;
    };
    const auto asked_again = [](const Outputs& out) {
        return out.actions.size() == 1 && refusal(out.actions[0].send.at(0)) == NotifyType::cookie;
    };
    Bytes forged = cookie;
    forged.back() ^= 1;
    EXPECT_TRUE(asked_again(send(with(forged))));
    EXPECT_TRUE(asked_again(send(with({}))));
    // From another address.
    EXPECT_TRUE(asked_again(world.fleet.step(
        world.clock(),
        DatagramReceived{datagram.remote, at("198.51.100.8", 500), with(cookie).emit()})));
    // With another nonce, another SPI.
    Message other = with(cookie);
    other.header.initiator_spi = IkeSpi(77);
    EXPECT_TRUE(asked_again(send(other)));
    world.wait(59s);
    Message next_slot = with(cookie);
    next_slot.header.minor_version = 1;  // another packet, so that it isn't a retransmission
    EXPECT_FALSE(asked_again(send(with(cookie)))) << "the slot before is accepted";
    world.wait(120s);
    EXPECT_TRUE(asked_again(send(next_slot))) << "the one before that is not";
}

TEST_F(InitRequest, HalfOpenMaximum) {
    world.fleet.config.half_open_max = 2;
    world.fleet.restart(7, 5);
    for (std::uint64_t spi = 1; spi <= 3; ++spi) {
        message.header.initiator_spi = IkeSpi(spi);
        send(message);
    }
    EXPECT_EQ(world.fleet.engine->list().size(), 2U);
    EXPECT_EQ(world.fleet.count(DropReason::half_open_limit), 1);
    world.wait(31s);
    message.header.initiator_spi = IkeSpi(4);
    send(message);
    EXPECT_EQ(world.fleet.engine->list().size(), 1U) << "room again after the timeout";
}

TEST_F(InitRequest, RefusalsAreLimitedInRate) {
    world.fleet.directory.tunnels.clear();
    for (std::uint64_t i = 0; i < refusal_burst; ++i) {
        EXPECT_EQ(send(message).actions.size(), 1U);
    }
    const Outputs out = send(message);
    EXPECT_TRUE(out.actions.empty());
    EXPECT_TRUE(out.events.empty()) << "events neither";
    EXPECT_EQ(world.fleet.count(DropReason::refusal_rate_limited), 1);
    world.wait(1s);
    for (std::uint64_t i = 0; i < refusals_per_s; ++i) {
        EXPECT_EQ(send(message).actions.size(), 1U);
    }
    EXPECT_TRUE(send(message).actions.empty());
    world.wait(1h);
    for (std::uint64_t i = 0; i < refusal_burst; ++i) {
        EXPECT_EQ(send(message).actions.size(), 1U);
    }
    EXPECT_TRUE(send(message).actions.empty()) << "a quiet hour saves up one burst";
}

TEST_F(InitRequest, RequestForAnUnknownIkeSa) {
    for (const auto exchange : {ExchangeType::ike_auth, ExchangeType::informational,
                                ExchangeType::create_child_sa, static_cast<ExchangeType>(240)}) {
        message.header.exchange = exchange;
        message.header.responder_spi = IkeSpi(0x0007000000000001);
        message.header.message_id = MessageId(3);
        message.payloads = {{wire::ike::Encrypted{PayloadType::no_next_payload, Bytes(40)}}};
        expect_refusal(send(message), NotifyType::invalid_ike_spi, DropReason::unknown_spi_request);
    }
    message.header.response = true;
    expect_silence(send(message), DropReason::unknown_spi_response);
}

// IKE_AUTH.

struct AuthRefusal : Test {
    sa::TunnelRecord& router() { return world.customer.directory.tunnels[0]; }
    sa::TunnelRecord& tunnel() { return world.fleet.directory.tunnels[0]; }
    /// The IKE_AUTH response's size: refusals for different reasons must look the same.
    std::size_t run_and_fail() {
        world.initiate();
        EXPECT_EQ(world.customer.state(), "none");
        EXPECT_EQ(world.fleet.state(), "none");
        EXPECT_TRUE(world.fleet.ike_sas.empty());
        EXPECT_TRUE(world.fleet.children.empty());
        EXPECT_TRUE(world.customer.ike_sas.empty());
        EXPECT_EQ(world.trace.size(), 4U);
        EXPECT_TRUE(has(world.customer.text(EventKind::peer_refused), "AUTHENTICATION_FAILED"));
        return world.trace.back().datagram.bytes.size();
    }
    std::string told() { return world.fleet.text(EventKind::authentication_failed); }

    World world;
};

TEST_F(AuthRefusal, WrongKey) {
    router().psk = Secret::copy_of(as_bytes("wrong"));
    run_and_fail();
    EXPECT_TRUE(has(told(), "the pre-shared key differs")) << told();
    EXPECT_TRUE(has(told(), "acme/hq"));
}

TEST_F(AuthRefusal, WrongIdentityLooksTheSameOnTheWire) {
    World other;
    other.customer.directory.tunnels[0].psk = Secret::copy_of(as_bytes("wrong"));
    other.initiate();
    router().local_id = wire::ike::Identification::from_text("mallory.example");
    EXPECT_EQ(run_and_fail(), other.trace.back().datagram.bytes.size());
    EXPECT_TRUE(has(told(), "the router calls itself \"mallory.example\"")) << told();
    EXPECT_TRUE(has(told(), "hq.acme.example"));
    EXPECT_TRUE(has(told(), "set the router's local identity"));
}

TEST_F(AuthRefusal, SameTextOfAnotherIdType) {
    router().local_id = {wire::ike::IdType::key_id, to_bytes(as_bytes("hq.acme.example"))};
    run_and_fail();
}

TEST_F(AuthRefusal, WrongIdOfOurs) {
    router().remote_id = wire::ike::Identification::from_text("other.example");
    run_and_fail();
    EXPECT_TRUE(has(told(), "asks for our identity \"other.example\"")) << told();
}

TEST_F(AuthRefusal, AnEmptyKeyProvesNothing) {
    world.faults = {{1, Fault::drop}};
    world.initiate();
    router().psk = Secret();  // both sides lose it before IKE_AUTH
    tunnel().psk = Secret();
    world.wait(5s);
    EXPECT_EQ(world.fleet.count(EventKind::authentication_failed), 1);
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_TRUE(world.fleet.ike_sas.empty());
}

// The customer stops believing the fleet between its request and the (repeated) response.

TEST_F(AuthRefusal, ResponderWithAnotherKeyIsToldAndEndsItsSa) {
    world.faults = {{3, Fault::drop}};
    world.initiate();
    EXPECT_EQ(world.fleet.state(), "established");
    router().psk = Secret::copy_of(as_bytes("changed"));
    world.wait(5s);
    EXPECT_TRUE(has(world.customer.text(EventKind::authentication_failed), "key differs"));
    EXPECT_TRUE(world.customer.ike_sas.empty()) << "nothing of it was ever published";
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.live_children(), 0U);
    EXPECT_TRUE(
        has(world.fleet.text(EventKind::peer_refused), "AUTHENTICATION_FAILED by the peer"));
}

TEST_F(AuthRefusal, ResponderWithAnotherIdentityIsNotBelieved) {
    world.faults = {{3, Fault::drop}};
    world.initiate();
    router().remote_id = wire::ike::Identification::from_text("edge.other.example");
    world.wait(5s);
    EXPECT_TRUE(has(world.customer.text(EventKind::authentication_failed),
                    "calls itself \"edge.example\""));
    EXPECT_EQ(world.fleet.state(), "none");
}

TEST_F(AuthRefusal, TwoTunnelsOfOneAddressAreToldApartByIdentity) {
    sa::TunnelRecord second = fleet_tunnel();
    second.id = {"acme", "dc"};
    second.remote_id = wire::ike::Identification::from_text("dc.acme.example");
    second.psk = Secret::copy_of(as_bytes("another key"));
    auto& tunnels = world.fleet.directory.tunnels;
    tunnels.insert(tunnels.begin(), std::move(second));
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sa()->tunnel.to_string(), "acme/hq");
}

TEST_F(AuthRefusal, SuiteOfAnotherTunnelIsExplained) {
    sa::TunnelRecord other = fleet_tunnel();
    other.id = {"acme", "dc"};
    other.remote_id = wire::ike::Identification::from_text("dc.acme.example");
    world.fleet.directory.tunnels.push_back(std::move(other));
    tunnel().ike_suites = {ike_suite("aes256gcm16-prfsha384-ecp384")};
    run_and_fail();
    EXPECT_TRUE(has(told(), "give tunnels that share an address the same IKE suites")) << told();
}

TEST(Identities, OfEveryTypeMatchExactly) {
    const wire::ike::Identification binary{wire::ike::IdType::der_asn1_dn, {0x30, 0x00, 0x0a}};
    const std::vector<wire::ike::Identification> ids{
        wire::ike::Identification::from_text("198.51.100.7"),
        wire::ike::Identification::from_text("2001:db8::7"),
        wire::ike::Identification::from_text("hq.acme.example"),
        wire::ike::Identification::from_text("router@acme.example"),
        wire::ike::Identification::from_text("@#00ff10"),
        binary};
    for (const auto& id : ids) {
        World world;
        world.customer.directory.tunnels[0].local_id = id;
        world.fleet.directory.tunnels[0].remote_id = id;
        world.initiate();
        EXPECT_TRUE(world.up()) << id.to_string();
    }
}

// The first Child SA fails: the IKE SA lives on without it; our initiator then ends it.

struct ChildRefused : Test {
    void expect_childless_then_gone(std::string_view notify) {
        world.faults = {{4, Fault::drop}};  // hold the initiator's DELETE back
        world.initiate();
        EXPECT_EQ(world.fleet.state(), "established");
        ASSERT_NE(world.fleet.ike_sa(), nullptr);
        EXPECT_TRUE(world.fleet.ike_sa()->children.empty());
        EXPECT_TRUE(world.fleet.children.empty());
        EXPECT_EQ(world.fleet.endpoints.size(), 1U);
        EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused), notify));
        EXPECT_TRUE(has(world.customer.text(EventKind::peer_refused), notify));
        EXPECT_EQ(world.customer.state(), "deleting");
        world.wait(5s);
        EXPECT_EQ(world.fleet.state(), "none");
        EXPECT_EQ(world.customer.state(), "none");
        EXPECT_EQ(world.fleet.ike_sa(), nullptr) << "its claim is a tombstone";
        EXPECT_TRUE(world.fleet.endpoints.begin()->second.ended);
    }
    World world;
};

TEST_F(ChildRefused, NoProposalForEsp) {
    world.customer.directory.tunnels[0].esp_suites = {esp_suite("aes128gcm16")};
    expect_childless_then_gone("NO_PROPOSAL_CHOSEN");
    EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused),
                    "offered aes128gcm16 for ESP; tunnel acme/hq accepts aes256gcm16"))
        << world.fleet.text(EventKind::we_refused);
}

TEST_F(ChildRefused, NoTrafficSelectorInCommon) {
    world.customer.directory.tunnels[0].local_prefixes = {net("192.168.0.0/16")};
    expect_childless_then_gone("TS_UNACCEPTABLE");
    EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused), "192.168.0.0/16"));
    EXPECT_TRUE(has(world.fleet.text(EventKind::we_refused), "10.1.0.0/16"));
}

TEST_F(ChildRefused, NoSpiLeft) {
    world.fleet.spis.dry = true;
    expect_childless_then_gone("NO_ADDITIONAL_SAS");
}

// The responder answers with what the customer didn't offer (it changed its mind meanwhile, which
// is the same to it): the whole IKE SA ends.

struct AnswerNotOffered : Test {
    void expect_refused(const std::function<void(sa::TunnelRecord&)>& change,
                        std::string_view words) {
        world.faults = {{3, Fault::drop}};
        world.initiate();
        change(world.customer.directory.tunnels[0]);
        world.wait(5s);
        EXPECT_TRUE(has(world.customer.text(EventKind::peer_refused), words))
            << world.customer.text(EventKind::peer_refused);
        EXPECT_TRUE(world.customer.children.empty());
        EXPECT_EQ(world.customer.state(), "none");
        EXPECT_EQ(world.fleet.state(), "none");
        EXPECT_EQ(world.fleet.live_children(), 0U);
    }
    World world;
};

TEST_F(AnswerNotOffered, RemoteSelectors) {
    expect_refused([](auto& tunnel) { tunnel.remote_prefixes = {net("10.0.0.0/9")}; },
                   "not within what we offered");
}

TEST_F(AnswerNotOffered, LocalSelectors) {
    expect_refused([](auto& tunnel) { tunnel.local_prefixes = {net("10.1.1.0/24")}; },
                   "not within what we offered");
}

TEST_F(AnswerNotOffered, EspSuite) {
    expect_refused([](auto& tunnel) { tunnel.esp_suites = {esp_suite("aes128gcm16")}; },
                   "the peer chose aes256gcm16; we offered aes128gcm16");
}

TEST_F(AnswerNotOffered, IkeSuite) {
    world.faults = {{1, Fault::drop}};
    world.initiate();
    world.customer.directory.tunnels[0].ike_suites = {ike_suite("aes128gcm16-prfsha256-x25519")};
    world.wait(5s);
    EXPECT_GT(world.customer.count(DropReason::bad_init_response), 0);
    EXPECT_EQ(world.customer.state(), "init_sent") << "such an answer may be forged";
}

TEST(Initiator, WithoutSpisGivesUp) {
    World world;
    world.customer.spis.dry = true;
    world.initiate();
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_TRUE(has(world.customer.text(EventKind::ike_sa_ended), "no block of SPIs"));
}

TEST(Initiator, TellsOnceThatItWasRefusedAndGoesOnTrying) {
    World world;
    world.fleet.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha384-ecp384")};
    world.initiate();
    world.wait(10s);
    EXPECT_EQ(world.customer.state(), "init_sent");
    EXPECT_EQ(world.customer.count(EventKind::peer_refused), 1);
    EXPECT_TRUE(has(world.customer.text(EventKind::peer_refused),
                    "NO_PROPOSAL_CHOSEN by the peer to IKE_SA_INIT; still trying; we offered "
                    "aes256gcm16-prfsha256-x25519"));
    // The operator mends the tunnel: the next retransmission comes through.
    world.fleet.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha256-x25519")};
    world.settle();
    EXPECT_TRUE(world.up());
}

TEST(Initiator, NamesTheRefusalWhenItGivesUp) {
    World world;
    world.fleet.directory.tunnels.clear();
    world.initiate();
    world.wait(120s);
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_TRUE(has(world.customer.text(EventKind::peer_unreachable),
                    "the peer's last word was NO_PROPOSAL_CHOSEN"));
}

TEST(Initiator, UnknownOrUselessTunnelIsReported) {
    World world;
    world.tell(world.customer, Initiate{{"no", "such"}, {}, {}});
    EXPECT_EQ(world.customer.count(EventKind::ike_sa_ended), 1);
    world.customer.directory.tunnels[0].psk = Secret();
    world.initiate();
    EXPECT_EQ(world.customer.count(EventKind::ike_sa_ended), 2);
    EXPECT_TRUE(world.trace.empty());
}

}  // namespace
}  // namespace anyswan::ike::test
