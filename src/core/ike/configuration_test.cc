// SPDX-License-Identifier: Apache-2.0
// Configuration payloads (RFC 7296 2.19, 3.15): two engines, and attribute by attribute.
#include "core/ike/configuration.h"

#include <gmock/gmock.h>

#include "core/ike/helpers.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using wire::ike::CfgType;
using wire::ike::Configuration;
using wire::ike::Identification;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::TrafficSelector;

IpAddress ip(std::string_view text) {
    return *IpAddress::parse(text);
}
TrafficSelector host(std::string_view text) {
    const IpAddress address = ip(text);
    return TrafficSelector::from_prefix({address, static_cast<std::uint8_t>(address.bit_length())});
}

/// The customer asks for addresses of these families, the fleet has this pool.
void give(World& world, std::vector<IpFamily> families, std::vector<IpPrefix> pool) {
    sa::TunnelRecord& ours = world.fleet.directory.tunnels[0];
    ours.remote_prefixes.clear();
    ours.addressing.pool = std::move(pool);
    ours.addressing.dns = {ip("10.0.0.53"), ip("fd00::53")};
    sa::TunnelRecord& theirs = world.customer.directory.tunnels[0];
    theirs.local_prefixes.clear();
    theirs.addressing.request = std::move(families);
}

void answer(World& world, std::vector<IpAddress> addresses, std::string why = {}) {
    ASSERT_FALSE(world.fleet.addresses_wanted.empty());
    const AddressesWanted wanted = world.fleet.addresses_wanted.back();
    world.tell(world.fleet,
               AddressesGiven{wanted.our_spi, wanted.tunnel, std::move(addresses), std::move(why)});
    world.deliver();
}

TEST(Configuration, ASingleAddressIsGivenAtOnceAndNarrowsTheSelectors) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.5/32")});
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(world.fleet.addresses_wanted, IsEmpty());
    EXPECT_THAT(world.customer.child_sa()->local_ts, ElementsAre(host("10.9.0.5")));
    EXPECT_THAT(world.fleet.child_sa()->remote_ts, ElementsAre(host("10.9.0.5")));
    EXPECT_THAT(world.customer.child_sa()->our_addresses, ElementsAre(ip("10.9.0.5")));
    EXPECT_THAT(world.fleet.child_sa()->our_addresses, IsEmpty());
    EXPECT_THAT(world.customer.ike_sa()->assigned.addresses, ElementsAre(ip("10.9.0.5")));
    EXPECT_THAT(world.customer.ike_sa()->assigned.dns, ElementsAre(ip("10.0.0.53")))
        << "of the family that was asked for";
    EXPECT_THAT(world.fleet.ike_sa()->assigned.addresses, ElementsAre(ip("10.9.0.5")));
}

TEST(Configuration, AnAddressOutOfAPoolIsWaitedFor) {
    World world;
    give(world, {IpFamily::v4, IpFamily::v6}, {net("10.9.0.0/24"), net("fd09::/112")});
    world.fleet.directory.tunnels[0].local_prefixes.push_back(net("fd00::/8"));
    world.customer.directory.tunnels[0].remote_prefixes.push_back(net("fd00::/8"));
    world.initiate();
    EXPECT_EQ(world.customer.state(), "auth_sent");
    ASSERT_EQ(world.fleet.addresses_wanted.size(), 1U);
    const AddressesWanted wanted = world.fleet.addresses_wanted[0];
    EXPECT_EQ(wanted.peer_id, Identification::from_text("hq.acme.example"));
    EXPECT_THAT(wanted.families, ElementsAre(IpFamily::v4, IpFamily::v6));
    // The request comes again meanwhile: it waits, and is not asked for twice.
    world.wait(3s);
    EXPECT_EQ(world.fleet.addresses_wanted.size(), 1U);
    EXPECT_GT(world.fleet.count(DropReason::answer_under_way), 0);
    answer(world, {ip("10.9.0.77"), ip("fd09::7")});
    ASSERT_TRUE(world.up());
    EXPECT_THAT(world.customer.child_sa()->local_ts,
                ElementsAre(host("10.9.0.77"), host("fd09::7")));
    EXPECT_THAT(world.customer.ike_sa()->assigned.dns,
                ElementsAre(ip("10.0.0.53"), ip("fd00::53")));
}

TEST(Configuration, WithoutAnAddressTheIkeSaStandsAndTheChildDoesNot) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.0/24")});
    world.initiate();
    answer(world, {}, "its pool is full");
    EXPECT_THAT(world.fleet.text(EventKind::we_refused),
                AllOf(HasSubstr("INTERNAL_ADDRESS_FAILURE"), HasSubstr("its pool is full")));
    EXPECT_THAT(world.customer.text(EventKind::peer_refused),
                HasSubstr("INTERNAL_ADDRESS_FAILURE"));
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST(Configuration, AnAnswerThatComesTooLateChangesNothing) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.0/24")});
    world.initiate();
    world.cut = true;
    world.wait(200s);
    answer(world, {ip("10.9.0.1")});
    EXPECT_EQ(world.fleet.live_children(), 0U);
    EXPECT_EQ(world.fleet.state(), "none");
}

TEST(Configuration, WhoDoesNotAskIsTold) {
    World world;
    give(world, {}, {net("10.9.0.5/32")});
    world.customer.directory.tunnels[0].local_prefixes = {net("10.9.0.5/32")};
    world.initiate();
    EXPECT_THAT(world.fleet.text(EventKind::we_refused), HasSubstr("FAILED_CP_REQUIRED"));
    EXPECT_THAT(world.customer.text(EventKind::peer_refused), HasSubstr("FAILED_CP_REQUIRED"));
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST(Configuration, ASiteMayHavePrefixesAndAnAddress) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.5/32")});
    world.fleet.directory.tunnels[0].remote_prefixes = {net("10.1.0.0/16")};
    world.customer.directory.tunnels[0].local_prefixes = {net("10.1.0.0/16")};
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(world.fleet.child_sa()->remote_ts,
                testing::UnorderedElementsAre(TrafficSelector::from_prefix(net("10.1.0.0/16")),
                                              host("10.9.0.5")));
}

TEST(Configuration, AFamilyWithoutAPoolIsLeftOut) {
    World world;
    give(world, {IpFamily::v4, IpFamily::v6}, {net("10.9.0.5/32")});
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(world.customer.child_sa()->our_addresses, ElementsAre(ip("10.9.0.5")));
}

TEST(Configuration, NoFamilyThatTheTunnelHasIsAFailure) {
    World world;
    give(world, {IpFamily::v6}, {net("10.9.0.5/32")});
    world.initiate();
    EXPECT_THAT(world.fleet.text(EventKind::we_refused), HasSubstr("INTERNAL_ADDRESS_FAILURE"));
}

TEST(Configuration, AResponderThatGivesNothingIsNoUse) {
    World world;
    give(world, {IpFamily::v4}, {});
    world.fleet.directory.tunnels[0].remote_prefixes = {net("10.1.0.0/16")};
    world.initiate();
    EXPECT_THAT(world.customer.text(EventKind::peer_refused), HasSubstr("gave us no address"));
    EXPECT_EQ(world.customer.live_children(), 0U);
}

TEST(Configuration, RekeysKeepTheAddress) {
    for (const bool by_customer : {true, false}) {
        World world;
        give(world, {IpFamily::v4}, {net("10.9.0.5/32")});
        world.initiate();
        ASSERT_TRUE(world.up());
        Side& side = by_customer ? world.customer : world.fleet;
        world.rekey_child(side);
        world.deliver();
        EXPECT_EQ(world.disagreement(), "");
        world.rekey_ike(side);
        world.settle();
        world.rekey_child(side);
        world.settle();
        ASSERT_TRUE(world.up());
        EXPECT_THAT(world.fleet.child_sa()->remote_ts, ElementsAre(host("10.9.0.5")));
        EXPECT_THAT(world.customer.child_sa()->our_addresses, ElementsAre(ip("10.9.0.5")));
        EXPECT_THAT(world.fleet.ike_sa()->assigned.addresses, ElementsAre(ip("10.9.0.5")));
        EXPECT_THAT(world.customer.ike_sa()->assigned.dns, ElementsAre(ip("10.0.0.53")));
    }
}

TEST(Configuration, AnotherEdgeGoesOnWithTheAddress) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.0/24")});
    world.initiate();
    answer(world, {ip("10.9.0.8")});
    ASSERT_TRUE(world.up());
    world.take_over(world.fleet, 9);
    world.rekey_child(world.customer);
    world.settle();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(world.fleet.child_sa()->remote_ts, ElementsAre(host("10.9.0.8")));
}

TEST(Configuration, TheNewestOfAPeerEndsItsOlderOnes) {
    World world;
    give(world, {IpFamily::v4}, {net("10.9.0.0/24")});
    world.initiate();
    answer(world, {ip("10.9.0.8")});
    ASSERT_TRUE(world.up());
    world.customer.restart(0, 99);
    world.initiate();
    answer(world, {ip("10.9.0.8")});
    EXPECT_EQ(world.fleet.live_children(), 1U) << "INITIAL_CONTACT counts also after a wait";
}

// Attributes, as they travel.

constexpr std::uint16_t ip4_address = 1, ip4_netmask = 2, ip4_dns = 3, version = 7, ip6_address = 8,
                        ip4_subnet = 13, supported = 14, ip6_subnet = 15;

struct Responder {
    Responder() { tunnel.addressing.pool = {net("10.9.0.5/32"), net("fd09::5/128")}; }
    Expected<std::vector<Payload>, ChildRefusal> assign(std::vector<std::uint16_t> asked) {
        Configuration request{CfgType::request, {}};
        for (const std::uint16_t type : asked) {
            request.attributes.push_back({type, {}});
        }
        return configuration::assign(session, tunnel, {{request}}, std::nullopt);
    }
    /// The value of an attribute of the reply; empty: there is none.
    Bytes value(std::vector<std::uint16_t> asked, std::uint16_t type) {
        const auto payloads = assign(std::move(asked));
        if (!payloads || payloads->empty()) {
            return {};
        }
        const auto& reply = std::get<Configuration>(payloads->front().body);
        EXPECT_EQ(reply.type, CfgType::reply);
        for (const auto& attribute : reply.attributes) {
            if (attribute.type == type) {
                return attribute.value;
            }
        }
        return {};
    }
    sa::TunnelRecord tunnel = fleet_tunnel();
    Session session;
};

TEST(Attributes, AddressesAndWhatBelongsToThem) {
    Responder responder;
    responder.tunnel.addressing.netmask_length = 20;
    responder.tunnel.addressing.subnets = {net("10.0.0.0/8"), net("fd00::/8")};
    EXPECT_EQ(responder.value({ip4_address}, ip4_address), *from_hex("0a090005"));
    EXPECT_EQ(responder.value({ip4_address}, ip4_netmask), *from_hex("fffff000"));
    EXPECT_EQ(responder.value({ip4_address}, ip4_subnet), *from_hex("0a000000ff000000"));
    EXPECT_EQ(responder.value({ip4_address}, ip6_subnet),
              *from_hex("fd00000000000000000000000000000008"));
    EXPECT_EQ(responder.value({ip6_address}, ip6_address),
              *from_hex("fd09000000000000000000000000000580"));
    EXPECT_EQ(responder.value({ip6_address}, ip4_netmask), Bytes{}) << "without an IPv4 address";
}

TEST(Attributes, VersionAndWhatIsSupported) {
    Responder responder;
    EXPECT_EQ(responder.value({version}, version), to_bytes(as_bytes("anyswan")));
    const Bytes types = responder.value({supported}, supported);
    ASSERT_EQ(types.size() % 2, 0U);
    EXPECT_NE(types.size(), 0U);
    // A tunnel without a pool answers those too, and is silent otherwise.
    responder.tunnel.addressing = {};
    EXPECT_EQ(responder.value({ip4_address, version}, version), to_bytes(as_bytes("anyswan")));
    EXPECT_THAT(*responder.assign({ip4_address, ip4_dns}), IsEmpty());
    EXPECT_THAT(*configuration::assign(responder.session, responder.tunnel, {}, std::nullopt),
                IsEmpty());
}

TEST(Attributes, ASetIsAcknowledgedWithNothing) {
    Responder responder;
    const Configuration set{CfgType::set, {{ip4_dns, *from_hex("0a000001")}}};
    std::vector<Payload> response;
    configuration::answer({{set}}, response);
    ASSERT_EQ(response.size(), 1U);
    EXPECT_EQ(std::get<Configuration>(response[0].body), (Configuration{CfgType::ack, {}}));
    response.clear();
    configuration::answer({{Configuration{CfgType::request, {{version, {}}}}}}, response);
    ASSERT_EQ(response.size(), 1U);
    EXPECT_EQ(std::get<Configuration>(response[0].body).attributes.at(0).value,
              to_bytes(as_bytes("anyswan")));
}

TEST(Attributes, WhatIsNoAddressIsPassedOver) {
    sa::TunnelRecord tunnel = customer_tunnel();
    tunnel.addressing.request = {IpFamily::v4, IpFamily::v6};
    const auto take = [&](std::uint16_t type, std::string_view hex) {
        return configuration::take_reply(
            tunnel, {{Configuration{CfgType::reply, {{type, *from_hex(hex)}}}}});
    };
    EXPECT_TRUE(take(ip4_address, "0a090005"));
    EXPECT_FALSE(take(ip4_address, ""));
    EXPECT_FALSE(take(ip4_address, "0a0900"));
    EXPECT_FALSE(take(ip4_address, "0a09000500"));
    EXPECT_FALSE(take(ip4_address, "00000000"));
    EXPECT_FALSE(take(ip4_dns, "0a090005"));
    EXPECT_TRUE(take(ip6_address,
                     "fd090000000000000000000000000005"
                     "40"));
    EXPECT_FALSE(take(ip6_address, "fd090000000000000000000000000005"));
    EXPECT_FALSE(configuration::take_reply(tunnel, {}));
    // What wasn't asked for isn't taken.
    tunnel.addressing.request = {IpFamily::v6};
    EXPECT_FALSE(take(ip4_address, "0a090005"));
}

}  // namespace
}  // namespace anyswan::ike
