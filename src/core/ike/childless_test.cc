// SPDX-License-Identifier: Apache-2.0
// Childless IKE SAs (RFC 6023), in both roles; and what a peer may say that changes nothing.
#include "core/ike/helpers.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::HeaderView;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

std::vector<ExchangeType> exchanges_of(const World& world) {
    std::vector<ExchangeType> exchanges;
    for (const auto& carried : world.trace) {
        const auto header = HeaderView::read(carried.datagram.bytes)->header;
        if (!header.response) {
            exchanges.push_back(header.exchange);
        }
    }
    return exchanges;
}

/// One more run with the same set-up, inside a test.
template <class Fixture>
struct Another : Fixture {
    void TestBody() override {}
};

struct Childless : testing::TestWithParam<bool> {
    Childless() { tunnel().childless = true; }
    sa::TunnelRecord& tunnel() { return first.directory.tunnels.front(); }
    void initiate() { GetParam() ? world.initiate() : world.initiate_from_fleet(); }
    World world;
    Side& first = GetParam() ? world.customer : world.fleet;
    Side& second = world.other(first);
};
INSTANTIATE_TEST_SUITE_P(EitherSide, Childless, testing::Bool(),
                         [](const auto& named) { return named.param ? "ByCustomer" : "ByFleet"; });

TEST_P(Childless, TheChildSaComesByCreateChildSa) {
    initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(exchanges_of(world), (std::vector{ExchangeType::ike_sa_init, ExchangeType::ike_auth,
                                                ExchangeType::create_child_sa}));
    for (const Side* side : {&first, &second}) {
        EXPECT_NE(side->text(EventKind::ike_sa_established).find("childless"), std::string::npos);
        EXPECT_EQ(side->count(EventKind::we_refused), 0);
        EXPECT_EQ(side->endpoints.size(), 1U);
    }
    EXPECT_EQ(world.disagreement(), "");
    EXPECT_FALSE(first.engine->next_deadline().has_value());
}

TEST_P(Childless, TheFirstChildSaHasItsOwnKeyExchange) {
    for (Side* side : {&first, &second}) {
        side->directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-x25519-ke1_mlkem768")};
    }
    initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(crypto::to_string(first.child_sa()->suite), "aes256gcm16-x25519-ke1_mlkem768");
    EXPECT_EQ(exchanges_of(world).back(), ExchangeType::ike_followup_ke);
}

TEST_P(Childless, ARefusedChildSaIsAskedForAgainButNotIfThereIsOne) {
    for (const bool peer_makes_one : {false, true}) {
        Another<Childless> again;
        World& net = again.world;
        again.second.directory.tunnels.front().esp_suites = {esp_suite("aes128gcm16")};
        again.initiate();
        EXPECT_EQ(again.first.state(), "established");
        EXPECT_EQ(again.first.live_children(), 0U);
        EXPECT_NE(again.first.text(EventKind::peer_refused).find("NO_PROPOSAL_CHOSEN"),
                  std::string::npos);
        again.second.directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16")};
        if (peer_makes_one) {
            net.create_child(again.second);
        }
        net.wait(100s);
        EXPECT_EQ(again.first.live_children(), 1U);
        EXPECT_EQ(net.disagreement(), "");
    }
}

TEST_P(Childless, TerminateBeforeTheAnswerIsHonoured) {
    world.cut = true;
    initiate();
    world.cut = false;
    world.wait(1s);
    EXPECT_TRUE(world.up());
    world.delete_ike(first);
    world.deliver();
    EXPECT_EQ(first.state(), "none");
    EXPECT_EQ(second.state(), "none");
}

TEST_P(Childless, LossAndDuplicationDontMatter) {
    for (int at = 0; at < 6; ++at) {
        for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
            Another<Childless> again;
            again.world.faults = {{at, fault}};
            again.initiate();
            again.world.wait(30s);
            EXPECT_TRUE(again.world.up()) << at;
            EXPECT_EQ(again.first.live_children(), 1U);
        }
    }
}

TEST_P(Childless, AnAdopterGoesOn) {
    for (int steps = 4; steps < 7; ++steps) {
        Another<Childless> again;
        again.initiate();
        again.world.take_over(steps % 2 == 0 ? again.first : again.second, 9);
        again.world.deliver();
        again.world.wait(30s);
        EXPECT_EQ(again.world.disagreement(), "");
    }
}

// RFC 6023 3: a responder that didn't say so gets a Child SA offered. (The changed response makes
// AUTH fail; how the request was made is seen from its size.)
TEST(ChildlessInitiator, DoesNotAskAResponderThatDidNotSaySo) {
    const auto auth_request_size = [](bool announced) {
        World world;
        world.customer.directory.tunnels.front().childless = true;
        world.tell(world.customer,
                   Initiate{{"acme", "hq"}, at("198.51.100.7", 500), at("192.0.2.1", 500)});
        world.deliver_from(world.customer);
        auto response = world.take_from(world.fleet);
        Message message = *Message::parse(response.front().datagram.bytes);
        if (!announced) {
            std::erase_if(message.payloads, [](const Payload& payload) {
                const auto* notify = std::get_if<Notify>(&payload.body);
                return notify != nullptr && notify->type == NotifyType::childless_ikev2_supported;
            });
        }
        response.front().datagram.bytes = message.emit();
        world.put_back(response);
        world.deliver_from(world.fleet);
        return world.trace.back().datagram.bytes.size();
    };
    EXPECT_GT(auth_request_size(false), auth_request_size(true) + 80);
}

// What changes nothing.

/// Status notifies that an initiator may add to its request for a Child SA.
const std::vector<NotifyType> harmless{
    NotifyType::non_first_fragments_also,
    // We never pad for traffic flow confidentiality, and take the padding of others.
    NotifyType::esp_tfc_padding_not_supported, NotifyType::additional_ts_possible,
    NotifyType::http_cert_lookup_supported, NotifyType::ipcomp_supported,
    NotifyType::additional_key_exchange,
    static_cast<NotifyType>(40959),  // private use
    static_cast<NotifyType>(16500),  // unassigned
};

TEST(WhatThePeerMayAdd, ChangesNothingInCreateChildSa) {
    for (const NotifyType type : harmless) {
        for (const bool rekey : {false, true}) {
            World world;
            world.initiate();
            world.cut = true;
            rekey ? world.rekey_child(world.customer) : world.create_child(world.customer);
            PeerTool fleet(*world.fleet.ike_sa());
            PeerTool peer(*world.customer.ike_sa());
            std::vector<Payload> payloads = fleet.open(world.trace.back().datagram.bytes);
            payloads.push_back({Notify{{}, {}, type, {1, 2, 3}}});
            payloads.push_back({wire::ike::VendorId{to_bytes("somebody")}});
            const Bytes request =
                peer.request(ExchangeType::create_child_sa, MessageId(2), payloads);
            const Outputs out = world.fleet.step(
                world.clock(),
                DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), request});
            const auto answer = peer.open(out.actions.at(0).send.at(0).bytes);
            EXPECT_EQ(answer.size(), 4U) << name(type) << ": SA, Nr, TSi, TSr";
            for (const Payload& payload : answer) {
                EXPECT_FALSE(std::holds_alternative<Notify>(payload.body)) << name(type);
            }
            EXPECT_EQ(world.fleet.live_children(), 2U);
        }
    }
}

TEST(WhatThePeerMayAdd, ChangesNothingInIkeSaInit) {
    World world;
    world.tell(world.customer,
               Initiate{{"acme", "hq"}, at("198.51.100.7", 500), at("192.0.2.1", 500)});
    auto request = world.take_from(world.customer);
    const Message plain = *Message::parse(request.front().datagram.bytes);
    world.put_back(request);
    world.deliver_from(world.customer);
    const auto usual =
        Message::parse(world.take_from(world.fleet).front().datagram.bytes)->payloads.size();
    for (const NotifyType type : harmless) {
        Message more = plain;
        more.header.initiator_spi = IkeSpi(0x1234 + static_cast<std::uint64_t>(type));
        more.payloads.push_back({Notify{{}, {}, type, {}}});
        more.payloads.push_back({wire::ike::VendorId{to_bytes("somebody")}});
        const Outputs out = world.fleet.step(
            world.clock(),
            DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), more.emit()});
        ASSERT_EQ(out.actions.size(), 1U) << name(type);
        EXPECT_EQ(Message::parse(out.actions[0].send.at(0).bytes)->payloads.size(), usual)
            << name(type);
    }
}

TEST(WhatThePeerMayAdd, ChangesNothingInInformational) {
    for (const NotifyType type : harmless) {
        World world;
        world.initiate();
        PeerTool peer(*world.customer.ike_sa());
        const Bytes request =
            peer.request(ExchangeType::informational, MessageId(2), {{Notify{{}, {}, type, {}}}});
        const Outputs out = world.fleet.step(
            world.clock(),
            DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), request});
        EXPECT_TRUE(peer.open(out.actions.at(0).send.at(0).bytes).empty()) << name(type);
        EXPECT_EQ(world.fleet.live_children(), 1U);
    }
}

TEST(WhatThePeerMayRefuse, ARekeyAndTheOldSaLivesOn) {
    for (const NotifyType type :
         {NotifyType::no_proposal_chosen, NotifyType::single_pair_required,
          NotifyType::ts_unacceptable, NotifyType::no_additional_sas,
          NotifyType::internal_address_failure, static_cast<NotifyType>(8191)}) {
        World world;
        world.initiate();
        world.cut = true;
        world.rekey_child(world.customer);
        PeerTool peer(*world.fleet.ike_sa());
        world.tell(world.customer,
                   DatagramReceived{at("198.51.100.7", 500), at("192.0.2.1", 500),
                                    peer.response(ExchangeType::create_child_sa, MessageId(2),
                                                  {{Notify{{}, {}, type, {}}}})});
        EXPECT_EQ(world.customer.live_children(), 1U) << name(type);
        EXPECT_EQ(world.customer.state(), "established") << name(type);
        EXPECT_NE(world.customer.text(EventKind::peer_refused).find(name(type)), std::string::npos);
        EXPECT_TRUE(world.customer.engine->next_deadline().has_value()) << "tried again later";
    }
}

}  // namespace
}  // namespace anyswan::ike::test
