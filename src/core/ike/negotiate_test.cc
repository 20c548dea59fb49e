// SPDX-License-Identifier: Apache-2.0
// Proposal matching and traffic selector narrowing, as tables.
#include "core/ike/negotiate.h"

#include <gtest/gtest.h>

namespace anyswan::ike {
namespace {

using wire::ike::Attribute;
using wire::ike::Proposal;
using wire::ike::ProtocolId;
using wire::ike::SecurityAssociation;
using wire::ike::TrafficSelector;
using wire::ike::Transform;
using wire::ike::TransformType;

Transform encr(std::uint16_t id, std::uint16_t bits = 0) {
    return Transform::make(TransformType::encr, id, bits);
}
Transform prf(std::uint16_t id) {
    return Transform::make(TransformType::prf, id);
}
Transform integ(std::uint16_t id) {
    return Transform::make(TransformType::integ, id);
}
Transform ke(std::uint16_t id) {
    return Transform::make(TransformType::ke, id);
}
Transform sn(std::uint16_t id) {
    return Transform::make(TransformType::sn, id);
}
Transform addke(std::uint8_t n, std::uint16_t id) {
    return Transform::make(static_cast<TransformType>(5 + n), id);
}
Proposal ike(std::vector<Transform> transforms) {
    return {1, ProtocolId::ike, {}, std::move(transforms)};
}
Proposal esp(std::vector<Transform> transforms) {
    return {1, ProtocolId::esp, {0, 1, 0, 0}, std::move(transforms)};
}
Transform with_attribute(Transform transform, Attribute attribute) {
    transform.attributes.push_back(std::move(attribute));
    return transform;
}

struct IkeCase {
    const char* what;
    const char* suite;
    Proposal offered;
    std::size_t transforms;  // of the reply; 0: no match
};

class MatchIke : public testing::TestWithParam<IkeCase> {};

TEST_P(MatchIke, Table) {
    const auto reply = match(*crypto::parse_ike_suite(GetParam().suite), GetParam().offered);
    EXPECT_EQ(reply ? reply->transforms.size() : 0U, GetParam().transforms) << GetParam().what;
}

constexpr auto gcm = "aes256gcm16-prfsha256-x25519";
constexpr auto hybrid = "aes256gcm16-prfsha256-x25519-ke1_mlkem768";
constexpr auto cbc = "aes128-sha1-modp1536";
constexpr auto chacha = "chacha20poly1305-prfsha256-x25519";

INSTANTIATE_TEST_SUITE_P(
    Table, MatchIke,
    testing::Values(
        IkeCase{"exact", gcm, ike({encr(20, 256), prf(5), ke(31)}), 3},
        IkeCase{"any order", gcm, ike({ke(31), prf(5), encr(20, 256)}), 3},
        IkeCase{"integ NONE beside an AEAD is echoed", gcm,
                ike({encr(20, 256), prf(5), integ(0), ke(31)}), 4},
        IkeCase{"real integ beside an AEAD", gcm, ike({encr(20, 256), prf(5), integ(12), ke(31)}),
                0},
        IkeCase{"key length differs", gcm, ike({encr(20, 128), prf(5), ke(31)}), 0},
        IkeCase{"key length missing", gcm, ike({encr(20), prf(5), ke(31)}), 0},
        IkeCase{"both key lengths", gcm, ike({encr(20, 128), encr(20, 256), prf(5), ke(31)}), 3},
        IkeCase{"no prf", gcm, ike({encr(20, 256), ke(31)}), 0},
        IkeCase{"no group", gcm, ike({encr(20, 256), prf(5)}), 0},
        IkeCase{"other group", gcm, ike({encr(20, 256), prf(5), ke(19)}), 0},
        IkeCase{"many of each", gcm,
                ike({encr(12, 128), encr(20, 256), prf(2), prf(5), ke(14), ke(31)}), 3},
        IkeCase{"additional key exchange", gcm, ike({encr(20, 256), prf(5), ke(31), addke(1, 36)}),
                0},
        IkeCase{"additional key exchange that may be left out", gcm,
                ike({encr(20, 256), prf(5), ke(31), addke(1, 36), addke(1, 0)}), 4},
        IkeCase{"hybrid", hybrid, ike({encr(20, 256), prf(5), ke(31), addke(1, 36)}), 4},
        IkeCase{"hybrid among others, optional", hybrid,
                ike({encr(20, 256), prf(5), ke(31), addke(1, 37), addke(1, 36), addke(1, 0)}), 4},
        IkeCase{"hybrid, and a further exchange left out", hybrid,
                ike({encr(20, 256), prf(5), ke(31), addke(1, 36), addke(7, 37), addke(7, 0)}), 5},
        IkeCase{"hybrid, but a further exchange is demanded", hybrid,
                ike({encr(20, 256), prf(5), ke(31), addke(1, 36), addke(2, 20)}), 0},
        IkeCase{"hybrid, as the wrong exchange", hybrid,
                ike({encr(20, 256), prf(5), ke(31), addke(2, 36)}), 0},
        IkeCase{"hybrid, not offered", hybrid, ike({encr(20, 256), prf(5), ke(31)}), 0},
        IkeCase{"hybrid, NONE alone", hybrid, ike({encr(20, 256), prf(5), ke(31), addke(1, 0)}), 0},
        IkeCase{"unknown transform type", gcm,
                ike({encr(20, 256), prf(5), ke(31),
                     Transform::make(static_cast<TransformType>(241), 1)}),
                0},
        IkeCase{"unknown attribute", gcm,
                ike({with_attribute(encr(20, 256), {99, false, {0, 1}}), prf(5), ke(31)}), 0},
        IkeCase{"unknown attribute beside a plain one", gcm,
                ike({with_attribute(encr(20, 256), {99, false, {0, 1}}), encr(20, 256), prf(5),
                     ke(31)}),
                3},
        IkeCase{"for another protocol", gcm,
                Proposal{1, ProtocolId::esp, {}, {encr(20, 256), prf(5), ke(31)}}, 0},
        IkeCase{"SHA-1 and group 5 where configured", cbc,
                ike({encr(12, 128), prf(2), integ(2), ke(5)}), 4},
        IkeCase{"CBC without integ", cbc, ike({encr(12, 128), prf(2), ke(5)}), 0},
        IkeCase{"CBC with integ NONE", cbc, ike({encr(12, 128), prf(2), integ(0), ke(5)}), 0},
        IkeCase{"ChaCha has no key length", chacha, ike({encr(28), prf(5), ke(31)}), 3},
        IkeCase{"nothing", gcm, ike({}), 0}));

struct EspCase {
    const char* what;
    const char* suite;
    Proposal offered;
    std::size_t transforms;
};

class MatchEsp : public testing::TestWithParam<EspCase> {};

TEST_P(MatchEsp, Table) {
    const auto reply = match(*crypto::parse_esp_suite(GetParam().suite), GetParam().offered);
    EXPECT_EQ(reply ? reply->transforms.size() : 0U, GetParam().transforms) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    Table, MatchEsp,
    testing::Values(
        EspCase{"exact", "aes256gcm16", esp({encr(20, 256), sn(0)}), 2},
        EspCase{"absent SN is no ESN", "aes256gcm16", esp({encr(20, 256)}), 1},
        EspCase{"ESN wanted, absent", "aes256gcm16-esn", esp({encr(20, 256)}), 0},
        EspCase{"ESN wanted, both offered", "aes256gcm16-esn", esp({encr(20, 256), sn(0), sn(1)}),
                2},
        EspCase{"no ESN wanted, only ESN offered", "aes256gcm16", esp({encr(20, 256), sn(1)}), 0},
        EspCase{"group in IKE_AUTH is read over", "aes256gcm16",
                esp({encr(20, 256), ke(31), sn(0)}), 2},
        EspCase{"so are additional ones", "aes256gcm16",
                esp({encr(20, 256), ke(31), addke(1, 36), sn(0)}), 2},
        EspCase{"group NONE too", "aes256gcm16", esp({encr(20, 256), ke(0), sn(0)}), 2},
        EspCase{"CBC", "aes128-sha256", esp({encr(12, 128), integ(12), sn(0)}), 3},
        EspCase{"AH", "aes256gcm16", Proposal{1, ProtocolId::ah, {0, 1, 0, 0}, {integ(12)}}, 0},
        EspCase{"SPI of the wrong size", "aes256gcm16",
                Proposal{1, ProtocolId::esp, {1, 0, 0}, {encr(20, 256), sn(0)}}, 0},
        EspCase{"reserved SPI", "aes256gcm16",
                Proposal{1, ProtocolId::esp, {0, 0, 0, 255}, {encr(20, 256), sn(0)}}, 0}));

TEST(Offer, AdditionalKeyExchangesAreTransformsOfTheirOwn) {
    const std::vector suites{
        *crypto::parse_ike_suite("aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke3_ecp384"),
        *crypto::parse_ike_suite(gcm)};
    const SecurityAssociation sa = offer(suites);
    ASSERT_EQ(sa.proposals.size(), 2U);
    EXPECT_EQ(sa.proposals[0].transforms,
              (std::vector{encr(20, 256), prf(5), ke(31), addke(1, 36), addke(3, 20)}));
    EXPECT_EQ(sa.proposals[1].transforms, (std::vector{encr(20, 256), prf(5), ke(31)}));
    EXPECT_EQ(without_additional(sa).proposals, std::vector{sa.proposals[1]});
    SecurityAssociation answer{{sa.proposals[0]}};
    EXPECT_EQ(accepted(suites, answer), suites[0]);
    answer.proposals[0].transforms.pop_back();
    EXPECT_EQ(accepted(suites, answer), std::nullopt) << "less than was offered";
}

TEST(Choose, OurOrderDecidesAndTheProposalNumberIsKept) {
    const std::vector<crypto::IkeSuite> ours{*crypto::parse_ike_suite(chacha),
                                             *crypto::parse_ike_suite(gcm)};
    SecurityAssociation offered;
    offered.proposals = {ike({encr(20, 256), prf(5), ke(31)}), ike({encr(28), prf(5), ke(31)})};
    offered.proposals[1].number = 2;
    const auto chosen = choose(ours, offered);
    ASSERT_TRUE(chosen.has_value());
    EXPECT_EQ(chosen->suite, ours[0]);
    EXPECT_EQ(chosen->proposal.number, 2);
}

TEST(Offer, IsAcceptedByItsOwnChoiceAndNothingElse) {
    const std::vector<crypto::IkeSuite> suites{*crypto::parse_ike_suite(gcm),
                                               *crypto::parse_ike_suite(cbc)};
    const SecurityAssociation offered = offer(suites);
    ASSERT_EQ(offered.proposals.size(), 2U);
    EXPECT_EQ(offered.proposals[0].transforms.size(), 3U) << "no integ beside an AEAD";
    EXPECT_EQ(accepted(suites, {{offered.proposals[1]}}), suites[1]);

    EXPECT_FALSE(accepted(suites, offered)) << "two proposals";
    EXPECT_FALSE(accepted(suites, {})) << "none";
    Proposal changed = offered.proposals[0];
    changed.number = 2;
    EXPECT_FALSE(accepted(suites, {{changed}})) << "number of another proposal";
    changed.number = 0;
    EXPECT_FALSE(accepted(suites, {{changed}}));
    changed.number = 3;
    EXPECT_FALSE(accepted(suites, {{changed}}));
    changed = offered.proposals[0];
    changed.transforms[0] = encr(20, 128);
    EXPECT_FALSE(accepted(suites, {{changed}})) << "weaker than offered";
    changed = offered.proposals[0];
    changed.transforms.push_back(encr(20, 256));
    EXPECT_FALSE(accepted(suites, {{changed}})) << "two of one type";
}

// Traffic selectors (RFC 7296 2.9).

std::vector<TrafficSelector> ts(std::initializer_list<const char*> prefixes) {
    std::vector<IpPrefix> list;
    for (const char* prefix : prefixes) {
        list.push_back(*IpPrefix::parse(prefix));
    }
    return selectors_of(list);
}

TrafficSelector only(TrafficSelector selector, std::uint8_t protocol, std::uint16_t from,
                     std::uint16_t to) {
    selector.ip_protocol = protocol;
    selector.start_port = from;
    selector.end_port = to;
    return selector;
}

struct NarrowCase {
    const char* what;
    std::vector<TrafficSelector> offered;
    std::vector<TrafficSelector> allowed;
    std::vector<TrafficSelector> result;
};

class Narrow : public testing::TestWithParam<NarrowCase> {};

TEST_P(Narrow, Table) {
    const auto result = narrow(GetParam().offered, GetParam().allowed);
    EXPECT_EQ(result, GetParam().result) << GetParam().what;
    EXPECT_TRUE(within(result, GetParam().offered));
    EXPECT_TRUE(within(result, GetParam().allowed));
}

const TrafficSelector wide = ts({"10.0.0.0/8"})[0];
const TrafficSelector opaque_ports = only(wide, 6, 65535, 0);

INSTANTIATE_TEST_SUITE_P(
    Table, Narrow,
    testing::Values(
        NarrowCase{"equal", ts({"10.1.0.0/16"}), ts({"10.1.0.0/16"}), ts({"10.1.0.0/16"})},
        NarrowCase{"offered wider", ts({"0.0.0.0/0"}), ts({"10.1.0.0/16"}), ts({"10.1.0.0/16"})},
        NarrowCase{"offered narrower", ts({"10.1.2.0/24"}), ts({"10.1.0.0/16"}),
                   ts({"10.1.2.0/24"})},
        NarrowCase{"apart", ts({"10.2.0.0/16"}), ts({"10.1.0.0/16"}), {}},
        NarrowCase{"some of several", ts({"10.1.0.0/16", "192.168.0.0/16", "10.3.0.0/16"}),
                   ts({"10.3.0.0/16", "10.1.0.0/16"}), ts({"10.1.0.0/16", "10.3.0.0/16"})},
        NarrowCase{"first, specific selector is covered once", ts({"10.1.2.3/32", "10.1.0.0/16"}),
                   ts({"10.1.0.0/16"}), ts({"10.1.2.3/32", "10.1.0.0/16"})},
        NarrowCase{"repeats", ts({"10.1.0.0/16", "10.1.0.0/16"}), ts({"10.0.0.0/8"}),
                   ts({"10.1.0.0/16"})},
        NarrowCase{"families apart", ts({"::/0"}), ts({"0.0.0.0/0"}), {}},
        NarrowCase{"both families", ts({"::/0", "0.0.0.0/0"}), ts({"10.1.0.0/16", "2001:db8::/32"}),
                   ts({"2001:db8::/32", "10.1.0.0/16"})},
        NarrowCase{"protocol and ports are kept",
                   {only(wide, 17, 53, 53)},
                   ts({"10.0.0.0/8"}),
                   {only(wide, 17, 53, 53)}},
        NarrowCase{"ports apart", {only(wide, 17, 53, 53)}, {only(wide, 17, 80, 90)}, {}},
        NarrowCase{"protocols apart", {only(wide, 17, 0, 65535)}, {only(wide, 6, 0, 65535)}, {}},
        NarrowCase{"OPAQUE within any", {opaque_ports}, ts({"10.0.0.0/8"}), {opaque_ports}},
        NarrowCase{"OPAQUE apart from ports", {opaque_ports}, {only(wide, 6, 80, 90)}, {}},
        NarrowCase{"nothing allowed", ts({"0.0.0.0/0"}), {}, {}}));

TEST(Narrow, KeepsToWhatAPayloadCanHold) {
    std::vector<TrafficSelector> many;
    for (unsigned i = 0; i < 300; ++i) {
        many.push_back(TrafficSelector::from_prefix({IpAddress::v4(i << 16), 16}));
    }
    EXPECT_EQ(narrow(many, ts({"0.0.0.0/0"})).size(), 255U);
}

TEST(CommonFamilies, DropWhatNoPacketCanMatch) {
    auto a = ts({"10.0.0.0/8", "2001:db8::/32"});
    auto b = ts({"192.168.0.0/16"});
    keep_common_families(a, b);
    EXPECT_EQ(a, ts({"10.0.0.0/8"}));
    EXPECT_EQ(b, ts({"192.168.0.0/16"}));
    b = ts({"2001:db8::/32"});
    keep_common_families(a, b);
    EXPECT_TRUE(a.empty() && b.empty());
}

}  // namespace
}  // namespace anyswan::ike
