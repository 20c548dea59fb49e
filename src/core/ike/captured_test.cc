// SPDX-License-Identifier: Apache-2.0
// What a real router says (strongSwan 6.1.0), as captured, and what we answer: the IKE_SA_INIT
// request (aes256gcm16-prfsha256-x25519, from 192.0.2.1:500 to 192.0.2.2:500), all rekeys of
// tests/data/captures/pq-rekey-child-and-ike, the configuration payloads of cp-virtual-ip.
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/ike/configuration.h"
#include "core/ike/helpers.h"
#include "core/ike/nat.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::CfgType;
using wire::ike::Configuration;
using wire::ike::ExchangeType;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

constexpr std::string_view strongswan_init =
    "969e41d4fe8973ce00000000000000002120220800000000000000e82200002800000024010100030300000c"
    "01000014800e01000300000802000005000000080400001f28000028001f0000a9ba8b1132401c007756a235"
    "35f3b55c6d645e673ed5a7a1cb6437b5ee25e23729000024cf6cf4f0963f1831640fb50d946ee29d5c759bcc"
    "acaa9818380eccce496979ba2900001c0000400405bb6f0767dbdc1713071f59170c457d17c23e8a2900001c"
    "000040050af4b710ef366311ca2f505168108e610148b999290000080000402e290000100000402f00020003"
    "000400050000000800004016";

struct Captured : testing::Test {
    Captured() {
        fleet.directory.tunnels.push_back(fleet_tunnel());
        fleet.directory.tunnels[0].remote_addresses = {net("192.0.2.1")};
    }
    Outputs receive(const Endpoint& from) {
        return fleet.step({Instant{1s}, {1'700'000'000'000'000'000}},
                          DatagramReceived{at("192.0.2.2", 500), from, *from_hex(strongswan_init)});
    }
    Side fleet{"ams1", 7, 1};
};

TEST_F(Captured, IsAnsweredInFull) {
    const Outputs out = receive(at("192.0.2.1", 500));
    ASSERT_EQ(out.actions.size(), 1U);
    const Message answer = *Message::parse(out.actions[0].send.at(0).bytes);
    EXPECT_EQ(answer.header.initiator_spi, IkeSpi(0x969e41d4fe8973ce));
    EXPECT_EQ(answer.header.responder_spi.value() >> 48, 7U);
    const auto* sa = answer.find<wire::ike::SecurityAssociation>();
    ASSERT_EQ(sa->proposals.size(), 1U);
    EXPECT_EQ(sa->proposals[0].transforms.size(), 3U);
    EXPECT_EQ(answer.find<wire::ike::KeyExchange>()->data.size(), 32U);
    EXPECT_NE(find_notify(answer.payloads, NotifyType::nat_detection_source_ip), nullptr);
    EXPECT_NE(find_notify(answer.payloads, NotifyType::ikev2_fragmentation_supported), nullptr);
    // What we don't do, we don't announce.
    EXPECT_EQ(find_notify(answer.payloads, NotifyType::signature_hash_algorithms), nullptr);
    EXPECT_EQ(find_notify(answer.payloads, NotifyType::redirect_supported), nullptr);
    EXPECT_NE(find_notify(answer.payloads, NotifyType::childless_ikev2_supported), nullptr);
    EXPECT_EQ(answer.payloads.size(), 7U);
    EXPECT_TRUE(out.drops.empty());
}

TEST_F(Captured, ItsNatDetectionHashesAreUnderstood) {
    const Message request = *Message::parse(*from_hex(strongswan_init));
    const SpiPair spis{request.header.initiator_spi, IkeSpi(0)};
    const Path direct{at("192.0.2.2", 500), at("192.0.2.1", 500)};
    EXPECT_FALSE(detect_nat(request.payloads, spis, direct, Announce::truth).udp_encapsulation);
    const Path translated{at("192.0.2.2", 500), at("192.0.2.1", 1027)};
    EXPECT_TRUE(detect_nat(request.payloads, spis, translated, Announce::truth).peer_is_behind);
}

TEST_F(Captured, FromElsewhereItIsRefusedWithAHint) {
    const Outputs out = receive(at("203.0.113.77", 500));
    EXPECT_EQ(refusal(out.actions.at(0).send.at(0)), NotifyType::no_proposal_chosen);
    EXPECT_EQ(out.events.at(0).text,
              "NO_PROPOSAL_CHOSEN to 203.0.113.77: offered aes256gcm16-prfsha256-x25519; no tunnel "
              "allows this address: add it to a tunnel's remote addresses");
}

// Its rekeys with an additional key exchange (ML-KEM-768 after x25519): what was inside SK is said
// to our engine by a peer that has our keys. The SPIs and links in it are made ours.

/// The requests (or responses) of one exchange, as payloads, in order.
std::vector<std::vector<Payload>> captured(const std::string& capture, std::string_view exchange,
                                           const char* direction = "request") {
    std::ifstream file(ANYSWAN_TEST_DATA "/captures/" + capture + "/vector.json");
    std::vector<std::vector<Payload>> messages;
    const auto vector = nlohmann::json::parse(file);
    for (const auto& event : vector.at("events")) {
        if (event["event"] == "ike" && event["exchange"] == exchange &&
            event["resp"] == (direction == std::string("response"))) {
            const Bytes plain = *from_hex(event["plain"].get<std::string>());
            const auto first = wire::ike::PayloadType(event["first_payload"].get<std::uint8_t>());
            messages.push_back(*wire::ike::parse_chain(first, plain));
        }
    }
    return messages;
}

struct CapturedRekeys : testing::Test {
    CapturedRekeys() {
        sa::TunnelRecord& tunnel = world.fleet.directory.tunnels.front();
        world.initiate();
        tunnel.ike_suites = {ike_suite("aes256gcm16-prfsha384-x25519-ke1_mlkem768")};
        tunnel.esp_suites = {esp_suite("aes256gcm16-x25519-ke1_mlkem768")};
        tunnel.local_prefixes = tunnel.remote_prefixes = {net("0.0.0.0/0")};
    }
    std::vector<Payload> say(PeerTool& peer, ExchangeType exchange, std::uint32_t id,
                             const std::vector<Payload>& payloads) {
        const Bytes request = peer.request(exchange, MessageId(id), payloads);
        const Outputs out = world.fleet.step(
            world.clock(),
            DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 500), request});
        return peer.open(out.actions.at(0).send.at(0).bytes);
    }
    World world;
};

/// One more run with the same set-up, inside a test.
struct Another : CapturedRekeys {
    void TestBody() override {}
};

TEST_F(CapturedRekeys, AreAnsweredToTheirEnd) {
    const auto creates = captured("pq-rekey-child-and-ike", "CREATE_CHILD_SA");
    const auto follow_ups = captured("pq-rekey-child-and-ike", "IKE_FOLLOWUP_KE");
    ASSERT_EQ(creates.size(), 5U);
    ASSERT_EQ(follow_ups.size(), creates.size());
    for (std::size_t i = 0; i < creates.size(); ++i) {
        Another fresh_one;
        Side& fleet = fresh_one.world.fleet;
        PeerTool peer(*fresh_one.world.customer.ike_sa());
        std::vector<Payload> create = creates[i];
        for (Payload& payload : create) {
            auto* notify = std::get_if<Notify>(&payload.body);
            if (notify != nullptr && notify->type == NotifyType::rekey_sa) {
                store_u32(notify->spi, fleet.child_sa()->outbound_spi.value());
            }
        }
        const bool of_child = find_notify(create, NotifyType::rekey_sa) != nullptr;
        const auto answer = fresh_one.say(peer, ExchangeType::create_child_sa, 2, create);
        const Notify* link = find_notify(answer, NotifyType::additional_key_exchange);
        ASSERT_NE(link, nullptr) << i;
        std::vector<Payload> follow_up = follow_ups[i];
        ASSERT_EQ(follow_up.size(), 2U) << "KE and the link";
        std::get<Notify>(follow_up[1].body).data = link->data;
        const auto last = fresh_one.say(peer, ExchangeType::ike_followup_ke, 3, follow_up);
        ASSERT_EQ(last.size(), 1U);
        EXPECT_EQ(Message::find_in<KeyExchange>(last)->method, crypto::KeMethod::ml_kem_768);
        EXPECT_EQ(fleet.count(of_child ? EventKind::child_sa_rekeyed : EventKind::ike_sa_rekeyed),
                  1);
    }
}

// Its configuration payloads: what it asks us for, and what it gives us.

constexpr const char* virtual_ip = "cp-virtual-ip";

TEST(CapturedConfiguration, WeGiveWhatItGives) {
    const auto request = captured(virtual_ip, "IKE_AUTH").at(0);
    sa::TunnelRecord tunnel = fleet_tunnel();
    tunnel.addressing.pool = {net("10.3.0.1/32"), net("fd00:3::1/128")};
    tunnel.addressing.dns = {net("10.3.0.254/32").address, net("fd00:3::ff/128").address};
    Session session;
    const auto ours = configuration::assign(session, tunnel, request, std::nullopt);
    ASSERT_TRUE(ours && ours->size() == 1U);
    Configuration theirs =
        *Message::find_in<Configuration>(captured(virtual_ip, "IKE_AUTH", "response").at(0));
    ASSERT_EQ(theirs.attributes.at(1).value.back(), 64) << "the prefix that its pool is of";
    theirs.attributes[1].value.back() = 128;
    EXPECT_EQ(std::get<Configuration>(ours->front().body), theirs);
    EXPECT_EQ(configuration::remote_selectors(session, tunnel).size(),
              tunnel.remote_prefixes.size() + 2);
}

TEST(CapturedConfiguration, WeTakeWhatItGives) {
    const auto response = captured(virtual_ip, "IKE_AUTH", "response").at(0);
    sa::TunnelRecord tunnel = customer_tunnel();
    tunnel.local_prefixes.clear();
    tunnel.addressing.request = {IpFamily::v4, IpFamily::v6};
    const auto taken = configuration::take_reply(tunnel, response);
    ASSERT_TRUE(taken) << taken.error();
    const auto ip = [](std::string_view text) { return *IpAddress::parse(text); };
    EXPECT_EQ(taken->addresses, (std::vector{ip("10.3.0.1"), ip("fd00:3::1")}));
    EXPECT_EQ(taken->dns, (std::vector{ip("10.3.0.254"), ip("fd00:3::ff")}));
    Session session;
    session.origin_initiated = true;
    session.assigned = *taken;
    EXPECT_EQ(configuration::local_selectors(session, tunnel),
              Message::find_in<wire::ike::TsInitiator>(response)->selectors);
}

}  // namespace
}  // namespace anyswan::ike::test
