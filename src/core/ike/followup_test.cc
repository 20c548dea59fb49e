// SPDX-License-Identifier: Apache-2.0
// Additional key exchanges after CREATE_CHILD_SA (IKE_FOLLOWUP_KE, RFC 9370 2.2.4): between two
// engines, with faults; and against a peer written by hand, which can also do wrong. Collisions,
// takeovers and storms of them are in the tests of those.
#include <set>

#include "core/ike/followup_wishes.h"
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using crypto::KeMethod;
using wire::ike::ExchangeType;
using wire::ike::HeaderView;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

constexpr auto one_more = "x25519-ke1_mlkem768";
constexpr auto seven_more =
    "x25519-ke1_mlkem768-ke2_ecp256-ke3_mlkem1024-ke4_x448-ke5_ecp384-ke6_mlkem512-ke7_modp2048";

void use(Side& side, const std::string& key_exchanges) {
    sa::TunnelRecord& tunnel = side.directory.tunnels.front();
    tunnel.ike_suites = {ike_suite("aes256gcm16-prfsha256-" + key_exchanges)};
    tunnel.esp_suites = {esp_suite("aes256gcm16-" + key_exchanges)};
}

std::size_t requests_of(const World& world, ExchangeType exchange) {
    std::set<MessageId> ids;
    for (const auto& carried : world.trace) {
        const auto header = HeaderView::read(carried.datagram.bytes)->header;
        if (header.exchange == exchange && !header.response) {
            ids.insert(header.message_id);
        }
    }
    return ids.size();
}

/// One more run with the same set-up, inside a test.
template <class Fixture>
struct Another : Fixture {
    void TestBody() override {}
};

/// The tunnel is up, and the customer or the fleet is `first`.
struct FollowUp : testing::TestWithParam<std::tuple<std::size_t, bool>> {
    void establish(const std::string& key_exchanges) {
        use(world.customer, key_exchanges);
        use(world.fleet, key_exchanges);
        world.initiate();
        ASSERT_TRUE(world.up());
        before = world.trace.size();
    }
    void begin() { (world.*wish.begin)(first); }
    void expect_agreement() {
        world.wait(120s);
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_EQ(world.customer.established().size(), 1U);
        EXPECT_EQ(world.customer.live_children(), wish.children);
        EXPECT_EQ(world.fleet.live_children(), wish.children);
        for (const Side* side : {&world.customer, &world.fleet}) {
            EXPECT_FALSE(side->engine->next_deadline().has_value()) << "nothing is left over";
            for (const auto& [spi, claim] : side->ike_sas) {
                EXPECT_TRUE(claim.pending.empty());
                EXPECT_FALSE(claim.request.has_value());
            }
        }
    }

    const Wish& wish = wishes[std::get<0>(GetParam())];
    World world;
    Side& first = std::get<1>(GetParam()) ? world.customer : world.fleet;
    Side& second = world.other(first);
    std::size_t before = 0;
};
INSTANTIATE_TEST_SUITE_P(EverySa, FollowUp,
                         testing::Combine(testing::Range(std::size_t{0}, wishes.size()),
                                          testing::Bool()),
                         [](const auto& named) {
                             return std::string(wishes[std::get<0>(named.param)].name) +
                                    (std::get<1>(named.param) ? "_by_customer" : "_by_fleet");
                         });

TEST_P(FollowUp, OneMoreKeyExchange) {
    establish(one_more);
    const Secret sk_d = first.ike_sa()->sk_d.clone();
    begin();
    world.deliver();
    expect_agreement();
    EXPECT_EQ(requests_of(world, ExchangeType::ike_followup_ke), 1U);
    EXPECT_EQ(crypto::to_string(first.child_sa()->suite),
              first.ike_sa()->sk_d == sk_d ? "aes256gcm16-x25519-ke1_mlkem768" : "aes256gcm16");
    EXPECT_EQ(crypto::to_string(second.ike_sas.at(second.spi()).suite),
              "aes256gcm16-prfsha256-x25519-ke1_mlkem768");
    for (const auto& carried : world.trace) {
        EXPECT_LE(carried.datagram.bytes.size(), fragment_size);
    }
}

TEST_P(FollowUp, UpToSevenMore) {
    establish(seven_more);
    begin();
    world.deliver();
    expect_agreement();
    EXPECT_EQ(requests_of(world, ExchangeType::ike_followup_ke), 7U);
}

TEST_P(FollowUp, PlacesMayBeLeftOut) {
    establish("x25519-ke3_mlkem768-ke6_ecp256");
    begin();
    world.deliver();
    expect_agreement();
    EXPECT_EQ(requests_of(world, ExchangeType::ike_followup_ke), 2U);
}

TEST_P(FollowUp, TwoSuitesMakeItOptional) {
    establish("x25519");
    sa::TunnelRecord& tunnel = first.directory.tunnels.front();
    tunnel.ike_suites.insert(tunnel.ike_suites.begin(),
                             ike_suite("aes256gcm16-prfsha256-x25519-ke1_mlkem768"));
    tunnel.esp_suites.insert(tunnel.esp_suites.begin(),
                             esp_suite("aes256gcm16-x25519-ke1_mlkem768"));
    begin();
    world.deliver();
    expect_agreement();
    EXPECT_EQ(requests_of(world, ExchangeType::ike_followup_ke), 0U);
}

TEST_P(FollowUp, NothingIsMadeBeforeTheLastOne) {
    establish("x25519-ke1_ecp256-ke2_ecp384");
    begin();
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(first.live_children() + second.live_children(), 2U);
        EXPECT_EQ(first.established().size() + second.established().size(), 2U);
        world.deliver_from(i % 2 == 0 ? first : second);
    }
    world.deliver();
    expect_agreement();
}

// Faults.

TEST_P(FollowUp, LossDuplicationAndReorderingDontMatter) {
    establish(one_more);
    begin();
    world.deliver();
    const std::size_t datagrams = world.trace.size() - before;
    ASSERT_GE(datagrams, 5U);
    for (std::size_t at = 0; at < datagrams; ++at) {
        for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
            SCOPED_TRACE(std::to_string(at) + ", " + std::to_string(static_cast<int>(fault)));
            Another<FollowUp> again;
            again.establish(one_more);
            again.world.faults = {{static_cast<int>(again.before + at), fault}};
            again.begin();
            again.world.deliver();
            again.expect_agreement();
        }
    }
}

// The responder has forgotten its half when the next exchange comes: it says so, and all begins
// anew.
TEST_P(FollowUp, TooLateItBeginsAnew) {
    establish(one_more);
    begin();
    world.deliver_from(first);
    world.deliver_from(second);
    world.lose_from(first);
    world.cut = true;
    world.wait(followup_timeout + 1s);
    EXPECT_EQ(second.count(EventKind::peer_refused), 1);
    EXPECT_NE(second.text(EventKind::peer_refused).find("came to nothing"), std::string::npos);
    EXPECT_TRUE(second.ike_sa()->pending.empty()) << "no secret is left in the claim";
    world.cut = false;
    expect_agreement();
    EXPECT_EQ(second.count(EventKind::we_refused), 1);
    EXPECT_EQ(second.text(EventKind::we_refused).find("STATE_NOT_FOUND"), 0U);
    EXPECT_EQ(requests_of(world, ExchangeType::ike_followup_ke), 2U);
}

// The same again and again: after minutes of it our views differ.
TEST_P(FollowUp, WithoutEndItEndsTheIkeSa) {
    establish(one_more);
    begin();
    for (int i = 0; i < 1000 && !first.established().empty(); ++i) {
        world.pass(1s);
        world.deliver_from(first);
        world.deliver_from(second);
        if (!second.ike_sa()->pending.empty()) {
            world.lose_from(first);
            world.pass(followup_timeout);
            world.deliver_from(first);
        }
    }
    world.deliver();
    EXPECT_NE(first.text(EventKind::peer_refused).find("for minutes"), std::string::npos);
    EXPECT_EQ(second.count(EventKind::we_refused), static_cast<int>(put_off_max) + 1);
}

// The peer by hand: it is the customer.

struct ByHand : testing::Test {
    ByHand() {
        use(world.customer, "x25519");
        use(world.fleet, "x25519");
        world.initiate();
        EXPECT_TRUE(world.up());
        use(world.fleet, "x25519-ke1_ecp256-ke2_ecp384");
        peer.emplace(*world.customer.ike_sa());
    }
    std::vector<Payload> say(ExchangeType exchange, const std::vector<Payload>& payloads) {
        const Bytes request = peer->request(exchange, MessageId(next_++), payloads);
        out = world.fleet.step(world.clock(), DatagramReceived{at("192.0.2.1", 500),
                                                               at("198.51.100.7", 500), request});
        return out.actions.empty() ? std::vector<Payload>{}
                                   : peer->open(out.actions.at(0).send.at(0).bytes);
    }
    Payload half(KeMethod method) {
        ours = std::move(*crypto::KeyExchange::generate(method, random));
        return {KeyExchange{method, to_bytes(ours->public_value())}};
    }
    std::vector<Payload> create(std::vector<Payload> before = {}) {
        const auto tunnel = customer_tunnel();
        std::vector<Payload> payloads = std::move(before);
        const std::vector<crypto::EspSuite> suites{
            esp_suite("aes256gcm16-x25519-ke1_ecp256-ke2_ecp384")};
        payloads.push_back({offer(suites, EspSpi(0x9000 + next_))});
        payloads.push_back({Nonce{random.bytes(32)}});
        payloads.push_back(half(KeMethod::curve25519));
        payloads.push_back({wire::ike::TsInitiator{{selectors_of(tunnel.local_prefixes), {}}}});
        payloads.push_back({wire::ike::TsResponder{{selectors_of(tunnel.remote_prefixes), {}}}});
        return say(ExchangeType::create_child_sa, payloads);
    }
    std::vector<Payload> rekey() {
        Writer spi;
        spi.u32(world.customer.child_sa()->inbound_spi.value());
        return create({{Notify{ProtocolId::esp, std::move(spi).take(), NotifyType::rekey_sa, {}}}});
    }
    std::vector<Payload> follow_up(KeMethod method, const Bytes& link) {
        return say(ExchangeType::ike_followup_ke,
                   {half(method), {Notify{{}, {}, NotifyType::additional_key_exchange, link}}});
    }
    static Bytes link_in(const std::vector<Payload>& answer) {
        const Notify* link = find_notify(answer, NotifyType::additional_key_exchange);
        return link != nullptr ? link->data : Bytes{};
    }
    static bool says(const std::vector<Payload>& answer, NotifyType type) {
        return answer.size() == 1 && find_notify(answer, type) != nullptr;
    }

    World world;
    std::optional<PeerTool> peer;
    SeededRandom random{4};
    std::unique_ptr<crypto::KeyExchange> ours;
    Outputs out;

private:
    std::uint32_t next_ = 2;
};

TEST_F(ByHand, TheSeriesByTheBook) {
    const auto created = create();
    const Bytes first = link_in(created);
    EXPECT_GE(first.size(), 8U);
    EXPECT_EQ(created.size(), 6U);
    const auto one = follow_up(KeMethod::ecp256, first);
    EXPECT_EQ(one.size(), 2U);
    EXPECT_NE(link_in(one), first);
    EXPECT_EQ(world.fleet.live_children(), 1U);
    const auto two = follow_up(KeMethod::ecp384, link_in(one));
    EXPECT_EQ(two.size(), 1U) << "the last one has no link";
    EXPECT_EQ(Message::find_in<KeyExchange>(two)->method, KeMethod::ecp384);
    EXPECT_EQ(world.fleet.live_children(), 2U);
}

TEST_F(ByHand, LinksAreGoodOnce) {
    const Bytes first = link_in(create());
    const Bytes second = link_in(follow_up(KeMethod::ecp256, first));
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, first), NotifyType::state_not_found));
    EXPECT_EQ(follow_up(KeMethod::ecp384, second).size(), 1U) << "the series isn't hurt";
    EXPECT_TRUE(says(follow_up(KeMethod::ecp384, second), NotifyType::state_not_found));
    EXPECT_EQ(world.fleet.live_children(), 2U);
}

TEST_F(ByHand, WithoutAKnownLinkThereIsNoState) {
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, Bytes(16, 1)), NotifyType::state_not_found));
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, {}), NotifyType::state_not_found));
    EXPECT_TRUE(says(say(ExchangeType::ike_followup_ke, {half(KeMethod::ecp256)}),
                     NotifyType::state_not_found));
    EXPECT_EQ(world.fleet.state(), "established") << "not fatal to the IKE SA";
    Bytes link = link_in(create());
    link.push_back(0);
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, link), NotifyType::state_not_found));
    link.pop_back();
    EXPECT_EQ(follow_up(KeMethod::ecp256, link).size(), 2U);
}

TEST_F(ByHand, SeveralAtOnceAreTold) {
    std::vector<Bytes> links;
    for (std::size_t i = 0; i < awaited_max; ++i) {
        links.push_back(link_in(create()));
    }
    EXPECT_TRUE(says(create(), NotifyType::temporary_failure)) << "there is a limit";
    for (const Bytes& link : links) {
        follow_up(KeMethod::ecp384, link_in(follow_up(KeMethod::ecp256, link)));
    }
    EXPECT_EQ(world.fleet.live_children(), 1 + awaited_max);
}

TEST_F(ByHand, ARekeyThatBeginsAgainReplacesTheOneBefore) {
    const Bytes old = link_in(rekey());
    const Bytes link = link_in(rekey());
    ASSERT_NE(link, old);
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, old), NotifyType::state_not_found));
    follow_up(KeMethod::ecp384, link_in(follow_up(KeMethod::ecp256, link)));
    EXPECT_EQ(world.fleet.live_children(), 2U);
    EXPECT_NE(world.fleet.child_sa()->replaces, EspSpi{});
}

TEST_F(ByHand, WhileThePeerRekeysWeDoNot) {
    const Bytes link = link_in(rekey());
    world.rekey_child(world.fleet);
    EXPECT_FALSE(world.fleet.ike_sa()->request.has_value());
    EXPECT_TRUE(world.fleet.established().front().children.front().rekeying);
    follow_up(KeMethod::ecp384, link_in(follow_up(KeMethod::ecp256, link)));
    world.pass(2s);
    EXPECT_FALSE(world.fleet.ike_sa()->request.has_value()) << "it has become moot";
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
}

TEST_F(ByHand, AWrongKeyExchangeIsASyntaxError) {
    for (const KeMethod method : {KeMethod::ecp384, KeMethod::curve25519, KeMethod::ecp256}) {
        Another<ByHand> fresh_one;
        const Bytes link = fresh_one.link_in(fresh_one.create());
        Payload ke = fresh_one.half(method);
        if (method == KeMethod::ecp256) {
            std::get<KeyExchange>(ke.body).data.assign(64, 0xff);  // no point of the curve
        }
        const auto answer =
            fresh_one.say(ExchangeType::ike_followup_ke,
                          {ke, {Notify{{}, {}, NotifyType::additional_key_exchange, link}}});
        EXPECT_TRUE(says(answer, NotifyType::invalid_syntax)) << name(method);
        EXPECT_EQ(fresh_one.world.fleet.live_children(), 0U);
    }
}

TEST_F(ByHand, TheAdopterKnowsTheLink) {
    const Bytes first = link_in(create());
    world.take_over(world.fleet, 9);
    const Bytes second = link_in(follow_up(KeMethod::ecp256, first));
    ASSERT_FALSE(second.empty());
    world.take_over(world.fleet, 10);
    EXPECT_EQ(follow_up(KeMethod::ecp384, second).size(), 1U);
    EXPECT_EQ(world.fleet.live_children(), 2U);
}

TEST_F(ByHand, AnAdoptersPatienceEndsToo) {
    const Bytes link = link_in(create());
    world.take_over(world.fleet, 9);
    world.pass(followup_timeout);
    EXPECT_TRUE(world.fleet.ike_sa()->pending.empty());
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, link), NotifyType::state_not_found));
}

TEST_F(ByHand, ARemovedTunnelMakesNothingMore) {
    const Bytes link = link_in(create());
    world.fleet.directory.tunnels.clear();
    EXPECT_TRUE(says(follow_up(KeMethod::ecp256, link), NotifyType::state_not_found));
    EXPECT_EQ(world.fleet.live_children(), 1U);
}

// The same peer as responder.

struct AnsweredByHand : ByHand {
    /// What our engine asked last, read.
    std::vector<Payload> asked() { return peer->open(world.trace.back().datagram.bytes); }
    void answer(const std::vector<Payload>& payloads) {
        const auto view = HeaderView::read(world.trace.back().datagram.bytes);
        world.lose_from(world.fleet);
        const Bytes bytes =
            peer->response(view->header.exchange, view->header.message_id, payloads);
        world.tell(world.fleet,
                   DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), bytes});
    }
    Payload half_for(const std::vector<Payload>& request) {
        const auto* theirs = Message::find_in<KeyExchange>(request);
        auto made = crypto::KeyExchange::respond(theirs->method, theirs->data, random);
        return {KeyExchange{theirs->method, std::move(made->public_value)}};
    }
    /// To our CREATE_CHILD_SA.
    void accept(const std::vector<Payload>& links) {
        const auto request = asked();
        auto chosen = *Message::find_in<wire::ike::SecurityAssociation>(request);
        chosen.proposals.front().spi = Bytes{0, 0, 0x90, 0};
        std::vector<Payload> payloads{{chosen}, {Nonce{random.bytes(32)}}, half_for(request)};
        for (const Payload& payload : request) {
            if (std::holds_alternative<wire::ike::TsInitiator>(payload.body) ||
                std::holds_alternative<wire::ike::TsResponder>(payload.body)) {
                payloads.push_back(payload);
            }
        }
        payloads.insert(payloads.end(), links.begin(), links.end());
        answer(payloads);
    }
    static Payload link(std::string_view text) {
        return {Notify{{}, {}, NotifyType::additional_key_exchange, to_bytes(text)}};
    }
    /// How our request in flight begins.
    ExchangeType under_way() {
        return HeaderView::read(world.trace.back().datagram.bytes)->header.exchange;
    }
};

TEST_F(AnsweredByHand, LinksGoBackAsTheyCame) {
    world.create_child(world.fleet);
    accept({link("one")});
    EXPECT_EQ(link_in(asked()), to_bytes("one"));
    EXPECT_EQ(Message::find_in<KeyExchange>(asked())->method, KeMethod::ecp256);
    answer({half_for(asked()), link("")});
    EXPECT_EQ(Message::find_in<KeyExchange>(asked())->method, KeMethod::ecp384);
    EXPECT_TRUE(link_in(asked()).empty());
    EXPECT_NE(find_notify(asked(), NotifyType::additional_key_exchange), nullptr);
    EXPECT_EQ(world.fleet.live_children(), 1U);
    answer({half_for(asked())});
    EXPECT_EQ(world.fleet.live_children(), 2U);
    EXPECT_FALSE(world.fleet.engine->next_deadline().has_value());
}

TEST_F(AnsweredByHand, WithoutALinkThereIsNoNextExchange) {
    world.create_child(world.fleet);
    accept({});
    EXPECT_EQ(under_way(), ExchangeType::informational) << "what the peer may have made is deleted";
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_NE(world.fleet.text(EventKind::peer_refused).find("no link"), std::string::npos);
}

TEST_F(AnsweredByHand, AnAnswerThatIsNoneEndsTheSeries) {
    for (const bool wrong_method : {false, true}) {
        Another<AnsweredByHand> fresh_one;
        fresh_one.world.create_child(fresh_one.world.fleet);
        fresh_one.accept({link("one")});
        std::vector<Payload> payloads;
        if (wrong_method) {
            payloads = {fresh_one.half(KeMethod::curve25519), link("two")};
        }
        fresh_one.answer(payloads);
        EXPECT_EQ(fresh_one.under_way(), ExchangeType::informational);
        EXPECT_EQ(fresh_one.world.fleet.live_children(), 1U);
        EXPECT_EQ(fresh_one.world.fleet.count(EventKind::peer_refused), 1);
    }
}

TEST_F(AnsweredByHand, ARefusedFollowUpLeavesTheOldSaAlone) {
    world.rekey_child(world.fleet);
    accept({link("one")});
    answer({{Notify{{}, {}, NotifyType::no_additional_sas, {}}}});
    EXPECT_EQ(world.fleet.live_children(), 1U);
    EXPECT_EQ(world.fleet.state(), "established");
    EXPECT_TRUE(world.fleet.engine->next_deadline().has_value()) << "tried again in a while";
}

TEST_F(AnsweredByHand, WhileOurRekeyIsInItsSeriesThePeersIsPutOff) {
    world.rekey_child(world.fleet);
    accept({link("one")});
    EXPECT_TRUE(says(rekey(), NotifyType::temporary_failure));
    answer({half_for(asked()), link("two")});
    EXPECT_EQ(under_way(), ExchangeType::ike_followup_ke) << "ours goes on";
}

}  // namespace
}  // namespace anyswan::ike::test
