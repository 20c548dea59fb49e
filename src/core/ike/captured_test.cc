// SPDX-License-Identifier: Apache-2.0
// The IKE_SA_INIT request of a real router (strongSwan 6.1.0, aes256gcm16-prfsha256-x25519, from
// 192.0.2.1:500 to 192.0.2.2:500), as captured, and what we answer.
#include "core/ike/helpers.h"
#include "core/ike/nat.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::Message;
using wire::ike::NotifyType;

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
    EXPECT_EQ(answer.payloads.size(), 6U);
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

}  // namespace
}  // namespace anyswan::ike::test
