// SPDX-License-Identifier: Apache-2.0
// Additional key exchanges before IKE_AUTH (RFC 9242, RFC 9370): between two engines, with faults
// at each datagram; and against an initiator written by hand, which can also do wrong.
#include <set>

#include "core/ike/helpers.h"
#include "core/ike/int_auth.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/protect.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::HeaderView;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::PayloadType;

constexpr auto hybrid = "aes256gcm16-prfsha384-x25519-ke1_mlkem768";
constexpr auto classic = "aes256gcm16-prfsha384-x25519";
/// Seven exchanges, of every family.
constexpr auto seven =
    "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_ecp256-ke3_mlkem1024-ke4_x448-ke5_ecp384-"
    "ke6_mlkem512-ke7_modp2048";

void use(Side& side, std::initializer_list<std::string_view> suites) {
    side.directory.tunnels[0].ike_suites.clear();
    for (const std::string_view suite : suites) {
        side.directory.tunnels[0].ike_suites.push_back(ike_suite(suite));
    }
}

std::size_t datagrams_of(const World& world, ExchangeType exchange) {
    std::size_t count = 0;
    for (const auto& carried : world.trace) {
        count += HeaderView::read(carried.datagram.bytes)->header.exchange == exchange ? 1U : 0U;
    }
    return count;
}

// Between two engines.

class HybridSuite : public testing::TestWithParam<const char*> {};

TEST_P(HybridSuite, ComesUpEitherWay) {
    for (const bool from_fleet : {false, true}) {
        World world;
        use(world.customer, {GetParam()});
        use(world.fleet, {GetParam()});
        from_fleet ? world.initiate_from_fleet() : world.initiate();
        ASSERT_TRUE(world.up());
        EXPECT_EQ(crypto::to_string(world.fleet.ike_sa()->suite), GetParam());
        EXPECT_EQ(world.fleet.ike_sa()->sk_d, world.customer.ike_sa()->sk_d);
        EXPECT_EQ(world.fleet.ike_sa()->sk_pr, world.customer.ike_sa()->sk_pr);
        // Message IDs: IKE_AUTH comes after one for each exchange.
        const auto exchanges = static_cast<std::uint32_t>(
            crypto::additional_of(ike_suite(GetParam()).additional).size());
        const Side& responder = from_fleet ? world.customer : world.fleet;
        EXPECT_EQ(responder.ike_sa()->expected_request, MessageId(exchanges + 2));
        EXPECT_TRUE(world.fleet.drops.empty() && world.customer.drops.empty());
        for (const auto& carried : world.trace) {
            EXPECT_LE(carried.datagram.bytes.size(), fragment_size);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Table, HybridSuite,
    testing::Values(hybrid, "aes256gcm16-prfsha384-ecp384-ke1_mlkem1024",
                    "aes256-sha256-modp2048-ke1_mlkem768",
                    "chacha20poly1305-prfsha256-x25519-ke1_ecp256-ke2_mlkem512",
                    "aes128gcm16-prfsha256-x25519-ke3_mlkem768-ke6_x448", seven));

TEST(Intermediate, ClassicSuitesDoWithoutAndDontMentionIt) {
    World world;
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_EQ(datagrams_of(world, ExchangeType::ike_intermediate), 0U);
    for (const int i : {0, 1}) {
        const Message message =
            *Message::parse(world.trace[static_cast<std::size_t>(i)].datagram.bytes);
        EXPECT_EQ(find_notify(message.payloads, NotifyType::intermediate_exchange_supported),
                  nullptr);
    }
}

TEST(Intermediate, AnEncapsulationKeyTravelsInFragments) {
    World world;
    use(world.customer, {"aes256gcm16-prfsha384-x25519-ke1_mlkem1024"});
    use(world.fleet, {"aes256gcm16-prfsha384-x25519-ke1_mlkem1024"});
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_EQ(datagrams_of(world, ExchangeType::ike_intermediate), 4U);  // two each way
}

TEST(Intermediate, TwoSuitesMakeTheExchangeOptional) {
    for (const bool peer_can : {true, false}) {
        World world;
        use(world.customer, {hybrid, classic});
        use(world.fleet, {peer_can ? hybrid : classic});
        world.initiate();
        ASSERT_TRUE(world.up());
        EXPECT_EQ(crypto::to_string(world.customer.ike_sa()->suite), peer_can ? hybrid : classic);
    }
}

TEST(Intermediate, ARefusalSaysWhatWasOfferedAndWhatWouldDo) {
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {classic});
    world.initiate();
    EXPECT_EQ(refusal(world.trace[1].datagram), NotifyType::no_proposal_chosen);
    EXPECT_NE(world.fleet.text(EventKind::we_refused)
                  .find("offered aes256gcm16-prfsha384-x25519-ke1_mlkem768; tunnel acme/hq accepts "
                        "aes256gcm16-prfsha384-x25519"),
              std::string::npos);
}

TEST(Intermediate, WithCookieAndInvalidKe) {
    World world;
    use(world.customer,
        {"aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-prfsha384-ecp384-ke1_mlkem768"});
    use(world.fleet, {"aes256gcm16-prfsha384-ecp384-ke1_mlkem768"});
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 5);
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(refusal(world.trace[1].datagram), NotifyType::cookie);
    EXPECT_EQ(refusal(world.trace[3].datagram), NotifyType::invalid_ke_payload);
}

TEST(Intermediate, BehindANatItGoesToPort4500) {
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {hybrid});
    world.nat = *IpAddress::parse("203.0.113.5");
    world.fleet.directory.tunnels[0].remote_addresses = {};
    world.initiate();
    ASSERT_TRUE(world.up());
    for (const auto& carried : world.trace) {
        const auto view = HeaderView::read(carried.datagram.bytes);
        const bool init = view->header.exchange == ExchangeType::ike_sa_init;
        EXPECT_EQ(carried.from == &world.customer ? carried.datagram.remote.port
                                                  : carried.datagram.local.port,
                  init ? 500 : 4500);
    }
}

constexpr int hybrid_datagrams = 7;  // IKE_SA_INIT 2, IKE_INTERMEDIATE 2 + 1, IKE_AUTH 2

class HybridFault : public testing::TestWithParam<std::tuple<int, Fault>> {};

TEST_P(HybridFault, StillComesUpOnce) {
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {hybrid});
    world.faults[std::get<0>(GetParam())] = std::get<1>(GetParam());
    world.initiate();
    world.settle();
    EXPECT_TRUE(world.up());
    world.wait(100s);
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sas.size(), 1U);
    EXPECT_EQ(world.fleet.children.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(EveryDatagram, HybridFault,
                         testing::Combine(testing::Range(0, hybrid_datagrams),
                                          testing::Values(Fault::drop, Fault::duplicate,
                                                          Fault::delay_one)));

TEST(Intermediate, SurvivesEveryPairOfLosses) {
    for (int first = 0; first < hybrid_datagrams + 2; ++first) {
        for (int second = first + 1; second < hybrid_datagrams + 4; ++second) {
            World world;
            use(world.customer, {hybrid});
            use(world.fleet, {hybrid});
            world.faults = {{first, Fault::drop}, {second, Fault::drop}};
            world.initiate();
            world.settle();
            EXPECT_TRUE(world.up()) << first << " and " << second;
        }
    }
}

TEST(Intermediate, SevenExchangesSurviveRandomFaults) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world(seed);
        use(world.customer, {seven});
        use(world.fleet, {seven});
        world.fleet.config.half_open_timeout = 300s;
        world.customer.config.retransmit_tries = 10;
        world.fleet.restart(7, seed);
        world.customer.restart(8, seed + 100);
        SeededRandom dice(seed);
        for (int i = 0; i < 100; ++i) {
            const std::uint64_t roll = dice.below(10);
            world.faults[i] = roll < 1   ? Fault::drop
                              : roll < 3 ? Fault::duplicate
                              : roll < 4 ? Fault::delay_one
                                         : Fault::none;
        }
        world.initiate();
        world.settle();
        EXPECT_TRUE(world.up()) << "seed " << seed;
    }
}

TEST(Intermediate, AResponderThatFallsSilentIsGivenUp) {
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {hybrid});
    for (int i = 2; i < 100; ++i) {
        world.faults[i] = Fault::drop;
    }
    world.initiate();
    EXPECT_EQ(world.customer.state(), "inter_sent");
    EXPECT_EQ(world.fleet.state(), "half_open");
    world.wait(200s);
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.customer.count(EventKind::peer_unreachable), 1);
    EXPECT_TRUE(world.customer.ike_sas.empty() && world.fleet.ike_sas.empty());
}

TEST(Intermediate, TerminateGivesUp) {
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {hybrid});
    for (int i = 2; i < 100; ++i) {
        world.faults[i] = Fault::drop;
    }
    world.initiate();
    world.tell(world.customer, Terminate{{"acme", "hq"}});
    world.wait(1s);
    EXPECT_EQ(world.customer.state(), "none");
}

TEST(Intermediate, WhatWasNotOfferedIsNotTaken) {
    // The answer agrees to the additional exchange but not to IKE_INTERMEDIATE.
    World world;
    use(world.customer, {hybrid});
    use(world.fleet, {hybrid});
    world.faults = {{1, Fault::drop}};
    world.initiate();
    Datagram answer = world.trace.at(1).datagram;
    Message message = *Message::parse(answer.bytes);
    std::erase_if(message.payloads, [](const Payload& payload) {
        const auto* notify = std::get_if<Notify>(&payload.body);
        return notify != nullptr && notify->type == NotifyType::intermediate_exchange_supported;
    });
    answer.bytes = message.emit();
    world.inject(world.customer, answer);
    world.deliver();
    EXPECT_EQ(world.customer.count(DropReason::bad_init_response), 1);
    EXPECT_EQ(world.customer.state(), "init_sent");
    world.settle();
    EXPECT_TRUE(world.up()) << "the true answer still counts";
}

// An initiator by hand.

struct ByHand {
    ByHand() { use(world.fleet, {hybrid}); }

    Outputs send(Bytes bytes) {
        Outputs out = world.fleet.step(
            world.clock(),
            DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), std::move(bytes)});
        return out;
    }

    /// IKE_SA_INIT; its answer's proposal is kept. `extra`: more payloads.
    Outputs init(std::string_view suite, const std::vector<Payload>& extra) {
        suite_ = ike_suite(suite);
        auto ke = *crypto::KeyExchange::generate(suite_.ke, random);
        Message request;
        request.header.initiator_spi = spis_.initiator;
        request.header.exchange = ExchangeType::ike_sa_init;
        request.header.from_initiator = true;
        const std::vector suites{suite_};
        request.payloads = {{offer(suites)},
                            {KeyExchange{suite_.ke, to_bytes(ke->public_value())}},
                            {wire::ike::Nonce{nonce_i_}}};
        request.payloads.insert(request.payloads.end(), extra.begin(), extra.end());
        init_request_ = request.emit();
        Outputs out = send(init_request_);
        if (!out.actions.empty() && !out.actions[0].send.empty() &&
            !refusal(out.actions[0].send[0])) {
            init_response_ = out.actions[0].send[0].bytes;
            const Message response = *Message::parse(init_response_);
            spis_.responder = response.header.responder_spi;
            nonce_r_ = response.find<wire::ike::Nonce>()->data;
            const auto shared = ke->shared_secret(response.find<KeyExchange>()->data);
            keys_ = derive_ike_keys(
                suite_, skeyseed(suite_.prf, {nonce_i_, nonce_r_}, shared->reveal()).reveal(),
                {nonce_i_, nonce_r_}, spis_);
        }
        return out;
    }
    Outputs init() {
        return init(hybrid, {{Notify{{}, {}, NotifyType::intermediate_exchange_supported, {}}}});
    }

    Bytes sealed(ExchangeType exchange, const std::vector<Payload>& payloads) {
        wire::ike::Header header;
        header.initiator_spi = spis_.initiator;
        header.responder_spi = spis_.responder;
        header.exchange = exchange;
        header.from_initiator = true;
        header.message_id = next_id_;
        next_id_ = MessageId(next_id_.value() + 1);
        return protector(true).seal(header, payloads, next_iv_++, random);
    }
    MessageProtector protector(bool from_initiator) const {
        return {suite_.cipher, (from_initiator ? keys_.ei : keys_.er).reveal(),
                (from_initiator ? keys_.ai : keys_.ar).reveal()};
    }
    OpenedChain opened(ByteView datagram, bool from_initiator) const {
        auto chain = protector(from_initiator).open(datagram);
        EXPECT_TRUE(chain.has_value());
        return std::move(chain).value();
    }
    static std::optional<NotifyType> error_of(const OpenedChain& chain) {
        const auto* notify = Message::find_in<Notify>(chain.payloads);
        return notify == nullptr ? std::nullopt : std::optional(notify->type);
    }

    /// One exchange with ML-KEM-768, all the way; the new keys are in use after it.
    void intermediate() {
        auto ke = *crypto::KeyExchange::generate(crypto::KeMethod::ml_kem_768, random);
        last_request =
            sealed(ExchangeType::ike_intermediate,
                   {{KeyExchange{crypto::KeMethod::ml_kem_768, to_bytes(ke->public_value())}}});
        const Outputs out = send(last_request);
        ASSERT_EQ(out.actions.size(), 1U);
        ASSERT_EQ(out.actions[0].send.size(), 1U);
        last_response = out.actions[0].send[0].bytes;
        const OpenedChain answer = opened(last_response, false);
        const auto* theirs = Message::find_in<KeyExchange>(answer.payloads);
        ASSERT_NE(theirs, nullptr);
        const auto shared = ke->shared_secret(theirs->data);
        ASSERT_TRUE(shared);
        int_auth.of_initiator = next_int_auth(suite_.prf, keys_.pi, int_auth.of_initiator,
                                              int_auth_octets(opened(last_request, true)));
        int_auth.of_responder =
            next_int_auth(suite_.prf, keys_.pr, int_auth.of_responder, int_auth_octets(answer));
        keys_ = derive_ike_keys(
            suite_,
            skeyseed_rekey(suite_.prf, keys_.d.reveal(), {nonce_i_, nonce_r_}, shared->reveal())
                .reveal(),
            {nonce_i_, nonce_r_}, spis_);
    }

    /// IKE_AUTH with the right pre-shared key; what comes back, opened.
    OpenedChain auth() {
        const sa::TunnelRecord tunnel = customer_tunnel();
        const Bytes id = tunnel.local_id.rest_of_payload();
        const Bytes tail = auth_tail(int_auth, next_id_);
        const Bytes octets =
            auth_octets(suite_.prf, {init_request_, nonce_r_, keys_.pi.reveal(), id, tail});
        std::vector<Payload> payloads{
            {wire::ike::IdInitiator{tunnel.local_id}},
            {wire::ike::Authentication{
                wire::ike::AuthMethod::shared_key_mic,
                to_bytes(psk_auth(suite_.prf, tunnel.psk.reveal(), octets).reveal())}},
            {offer(tunnel.esp_suites, EspSpi(0x12345678))},
            {wire::ike::TsInitiator{{selectors_of(tunnel.local_prefixes), {}}}},
            {wire::ike::TsResponder{{selectors_of(tunnel.remote_prefixes), {}}}}};
        const Outputs out = send(sealed(ExchangeType::ike_auth, payloads));
        EXPECT_EQ(out.actions.size(), 1U);
        return opened(out.actions.at(0).send.at(0).bytes, false);
    }

    void expect_refused(const Outputs& out) {
        ASSERT_EQ(out.actions.size(), 1U);
        EXPECT_TRUE(out.actions[0].writes.empty());
        EXPECT_EQ(error_of(opened(out.actions[0].send.at(0).bytes, false)),
                  NotifyType::invalid_syntax);
        EXPECT_EQ(world.fleet.state(), "none") << "it only lingers";
        EXPECT_TRUE(world.fleet.ike_sas.empty());
    }

    World world;
    SeededRandom random{11};
    IntAuth int_auth;
    Bytes last_request;
    Bytes last_response;

private:
    crypto::IkeSuite suite_;
    SpiPair spis_{IkeSpi(0x1122334455667788), IkeSpi(0)};
    Bytes nonce_i_ = Bytes(32, 0x11);
    Bytes nonce_r_;
    Bytes init_request_;
    Bytes init_response_;
    IkeKeys keys_;
    MessageId next_id_{1};
    std::uint64_t next_iv_ = 1;
};

TEST(IntermediateByHand, ComesUp) {
    ByHand peer;
    peer.init();
    peer.intermediate();
    const OpenedChain answer = peer.auth();
    EXPECT_NE(Message::find_in<wire::ike::SecurityAssociation>(answer.payloads), nullptr);
    EXPECT_EQ(peer.world.fleet.state(), "established");
}

TEST(IntermediateByHand, ARepeatedRequestGetsTheSameAnswerThoughTheKeysHaveChanged) {
    ByHand peer;
    peer.init();
    peer.intermediate();
    const Outputs out = peer.send(peer.last_request);
    ASSERT_EQ(out.actions.size(), 1U);
    EXPECT_EQ(out.actions[0].send.at(0).bytes, peer.last_response);
    Bytes forged = peer.last_request;
    forged.back() ^= 1U;
    EXPECT_TRUE(peer.send(forged).actions.empty());
    EXPECT_EQ(peer.error_of(peer.auth()), std::nullopt);
    EXPECT_EQ(peer.world.fleet.state(), "established");
}

TEST(IntermediateByHand, AuthCoversWhatTheInitiatorSent) {
    ByHand peer;
    // Someone who can break the key exchange changed the request on its way, so that the keys are
    // still the same: here, as if a notify had been added to it.
    peer.init();
    peer.intermediate();
    peer.int_auth.of_initiator.front() ^= 1U;
    EXPECT_EQ(peer.error_of(peer.auth()), NotifyType::authentication_failed);
}

TEST(IntermediateByHand, AuthCoversWhatTheResponderSent) {
    ByHand peer;
    peer.init();
    peer.intermediate();
    peer.int_auth.of_responder.front() ^= 1U;
    EXPECT_EQ(peer.error_of(peer.auth()), NotifyType::authentication_failed);
}

TEST(IntermediateByHand, AuthWithoutTheExchangeIsRefused) {
    ByHand peer;
    peer.init();
    peer.expect_refused(peer.send(peer.sealed(ExchangeType::ike_auth, {})));
    EXPECT_NE(peer.world.fleet.text(EventKind::we_refused).find("additional key exchanges"),
              std::string::npos);
}

TEST(IntermediateByHand, OneExchangeTooManyIsRefused) {
    ByHand peer;
    peer.init();
    peer.intermediate();
    peer.expect_refused(
        peer.send(peer.sealed(ExchangeType::ike_intermediate, {{wire::ike::Nonce{Bytes(32)}}})));
}

TEST(IntermediateByHand, WrongKePayloadsAreRefused) {
    const Bytes unreduced(1184, 0xff);
    const std::vector<std::vector<Payload>> table{
        {},
        {{KeyExchange{crypto::KeMethod::ml_kem_1024, Bytes(1568)}}},
        {{KeyExchange{crypto::KeMethod::ml_kem_768, Bytes(1183)}}},
        {{KeyExchange{crypto::KeMethod::ml_kem_768, unreduced}}},
    };
    for (const auto& payloads : table) {
        ByHand peer;
        peer.init();
        peer.expect_refused(peer.send(peer.sealed(ExchangeType::ike_intermediate, payloads)));
    }
}

TEST(IntermediateByHand, WithoutTheNotifyItsProposalsAreSkipped) {
    ByHand peer;
    const Outputs out = peer.init(hybrid, {});
    ASSERT_EQ(out.actions.size(), 1U);
    EXPECT_EQ(refusal(out.actions[0].send.at(0)), NotifyType::no_proposal_chosen);
    EXPECT_EQ(peer.world.fleet.state(), "none");
}

TEST(IntermediateByHand, IntermediateAfterAuthChangesNothing) {
    ByHand peer;
    peer.init();
    peer.intermediate();
    peer.auth();
    const Outputs out = peer.send(peer.sealed(ExchangeType::ike_intermediate, {}));
    EXPECT_TRUE(out.actions.empty());
    EXPECT_EQ(out.drops.at(0).reason, DropReason::unexpected_exchange);
    EXPECT_EQ(peer.world.fleet.state(), "established");
}

}  // namespace
}  // namespace anyswan::ike::test
