// SPDX-License-Identifier: Apache-2.0
// IKE_SA_INIT and IKE_AUTH between two engines: what comes out, with loss, duplication and
// reordering at each datagram, COOKIE, INVALID_KE_PAYLOAD, NAT and fragmentation.
#include "core/ike/helpers.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::NotifyType;

TEST(Handshake, MakesAnIkeSaAndAChildSa) {
    World world;
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_EQ(world.trace.size(), 4U);

    const sa::ChildSaRecord& child = *world.fleet.child_sa();
    EXPECT_EQ(child.tunnel.to_string(), "acme/hq");
    EXPECT_EQ(child.ike_spi, world.fleet.ike_sa()->our_spi);
    EXPECT_EQ(child.sender_rule, sa::SenderRule::automatic);
    EXPECT_EQ(child.negotiated_on, "ams1");
    EXPECT_EQ(child.local_ts, std::vector<wire::ike::TrafficSelector>{
                                  wire::ike::TrafficSelector::from_prefix(net("10.0.0.0/8"))});
    EXPECT_EQ(child.remote_ts, std::vector<wire::ike::TrafficSelector>{
                                   wire::ike::TrafficSelector::from_prefix(net("10.1.0.0/16"))});
    EXPECT_EQ(child.expires_at.unix_ns - world.clock().wall.unix_ns, Duration(28800s).count());
    EXPECT_EQ(child.inbound.encr.size(), 36U);

    const sa::IkeSaRecord& claim = *world.fleet.ike_sa();
    EXPECT_EQ(claim.our_spi.value() >> 48, 7U) << "the top 16 bits name the edge";
    EXPECT_EQ(claim.epoch, Epoch(1));
    EXPECT_EQ(claim.owner, EdgeId(7));
    EXPECT_EQ(claim.expected_request, MessageId(2));
    EXPECT_EQ(claim.next_request, MessageId(0));
    EXPECT_EQ(claim.children, std::vector<EspSpi>{child.inbound_spi});
    EXPECT_EQ(claim.last_response, std::vector<Bytes>{world.trace.back().datagram.bytes});
    EXPECT_FALSE(claim.request.has_value());

    EXPECT_FALSE(world.fleet.endpoints.at(claim.our_spi).udp_encapsulation);
    EXPECT_EQ(world.customer.ike_sa()->expected_request, MessageId(0));
    EXPECT_EQ(world.customer.ike_sa()->next_request, MessageId(2));
    EXPECT_EQ(world.customer.ike_sa()->sk_d, claim.sk_d);
    EXPECT_EQ(world.fleet.count(EventKind::ike_sa_established), 1);
    EXPECT_EQ(world.fleet.count(EventKind::child_sa_established), 1);
}

TEST(Handshake, ThePublishedRecordsGoWithTheResponseThatCreatedThem) {
    World world;
    world.initiate();
    const Action& action = world.fleet.actions.back();
    ASSERT_EQ(action.send.size(), 1U);
    EXPECT_EQ(action.send.front().bytes, world.trace.back().datagram.bytes);
    ASSERT_EQ(action.writes.size(), 3U);
    EXPECT_TRUE(std::holds_alternative<sa::ChildSaRecord>(action.writes[0]));
    EXPECT_TRUE(std::holds_alternative<sa::EndpointRecord>(action.writes[1]));
    EXPECT_TRUE(std::holds_alternative<sa::IkeSaRecord>(action.writes[2]));
    // Half-open state is not worth a record: the initiator begins again.
    EXPECT_TRUE(world.fleet.actions.front().writes.empty());
}

TEST(Handshake, TheFleetCanInitiate) {
    World world;
    world.initiate_from_fleet();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sa()->our_spi.value() >> 48, 7U);
    EXPECT_TRUE(world.fleet.ike_sa()->we_initiated);
}

class EverySuite : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(EverySuite, ComesUp) {
    World world;
    for (Side* side : {&world.customer, &world.fleet}) {
        side->directory.tunnels[0].ike_suites = {ike_suite(GetParam().first)};
        side->directory.tunnels[0].esp_suites = {esp_suite(GetParam().second)};
        side->directory.tunnels[0].allow_weak = {"sha1", "modp1536", "null"};
    }
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(crypto::to_string(world.fleet.ike_sa()->suite), GetParam().first);
    EXPECT_EQ(crypto::to_string(world.fleet.child_sa()->suite), GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(
    Table, EverySuite,
    testing::Values(std::pair{"aes256gcm16-prfsha384-ecp384", "aes256gcm16-esn"},
                    std::pair{"aes128gcm16-prfsha256-ecp256", "aes128gcm16"},
                    std::pair{"chacha20poly1305-prfsha256-x25519", "chacha20poly1305"},
                    std::pair{"aes256-sha256-modp2048", "aes256-sha256"},
                    std::pair{"aes128-sha1-modp1536", "aes128-sha1"},
                    std::pair{"aes128-sha1-modp1536", "null-sha256"},
                    std::pair{"aes256-sha512-ecp521", "aes256-sha512-esn"}));

TEST(Handshake, SameSeedSameBytes) {
    World first(42);
    World second(42);
    World third(43);
    for (World* world : {&first, &second, &third}) {
        world->initiate();
    }
    ASSERT_EQ(first.trace.size(), second.trace.size());
    for (std::size_t i = 0; i < first.trace.size(); ++i) {
        EXPECT_EQ(first.trace[i].datagram.bytes, second.trace[i].datagram.bytes);
        EXPECT_NE(first.trace[i].datagram.bytes, third.trace[i].datagram.bytes);
    }
}

// Faults: one at each position of the handshake, and each pair of positions.

class OneFault : public testing::TestWithParam<std::tuple<int, Fault>> {};

TEST_P(OneFault, StillComesUpOnce) {
    World world;
    world.faults[std::get<0>(GetParam())] = std::get<1>(GetParam());
    world.initiate();
    world.settle();
    EXPECT_TRUE(world.up());
    world.wait(100s);  // late timers change nothing
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sas.size(), 1U);
    EXPECT_EQ(world.fleet.children.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(EveryDatagram, OneFault,
                         testing::Combine(testing::Range(0, 4),
                                          testing::Values(Fault::drop, Fault::duplicate,
                                                          Fault::delay_one)));

TEST(Handshake, SurvivesEveryPairOfLosses) {
    for (int first = 0; first < 6; ++first) {
        for (int second = first + 1; second < 8; ++second) {
            World world;
            world.faults = {{first, Fault::drop}, {second, Fault::drop}};
            world.initiate();
            world.settle();
            EXPECT_TRUE(world.up()) << first << " and " << second;
        }
    }
}

TEST(Handshake, RandomLossAndDuplicationEitherWay) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        World world(seed);
        SeededRandom dice(seed);
        for (int i = 0; i < 100; ++i) {
            const std::uint64_t roll = dice.below(10);
            world.faults[i] = roll < 2   ? Fault::drop
                              : roll < 4 ? Fault::duplicate
                              : roll < 5 ? Fault::delay_one
                                         : Fault::none;
        }
        world.initiate();
        world.settle();
        EXPECT_TRUE(world.up()) << "seed " << seed;
    }
}

TEST(Handshake, RetransmissionsBackOffAndAreTheSameBytes) {
    World world;
    world.cut = true;
    world.initiate();
    std::vector<Duration> times;
    const Instant start = world.clock().instant;
    while (const auto due = world.customer.engine->next_deadline()) {
        world.wait(*due - world.clock().instant);
        times.push_back(world.clock().instant - start);
    }
    // 1, 1.8, 3.24 ... seconds apart: five retransmissions, then the end.
    ASSERT_EQ(times.size(), 6U);
    EXPECT_EQ(times[0], Duration(1s));
    EXPECT_EQ(times[1], Duration(2800ms));
    EXPECT_EQ(times[2], Duration(6040ms));
    ASSERT_EQ(world.trace.size(), 6U);
    for (const auto& carried : world.trace) {
        EXPECT_EQ(carried.datagram.bytes, world.trace.front().datagram.bytes);
    }
    EXPECT_EQ(world.customer.count(EventKind::peer_unreachable), 1);
    EXPECT_EQ(world.customer.state(), "none");
}

TEST(Handshake, HalfOpenExpires) {
    World world;
    world.faults = {{1, Fault::drop}};
    world.initiate();
    world.cut = true;
    EXPECT_EQ(world.fleet.state(), "half_open");
    world.wait(29s);
    EXPECT_EQ(world.fleet.state(), "half_open");
    world.wait(1s);
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.count(EventKind::peer_unreachable), 1);
    EXPECT_TRUE(world.fleet.ike_sas.empty());
}

// COOKIE.

TEST(Cookie, IsDemandedFromTheThresholdOnAndComesUp) {
    World world;
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 5);
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(world.trace.size(), 6U);
    EXPECT_EQ(refusal(world.trace[1].datagram), NotifyType::cookie);
    EXPECT_EQ(world.fleet.count(EventKind::cookie_demanded), 1);
}

TEST(Cookie, AnotherEdgeAcceptsIt) {
    World world;
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 5);
    world.tell(world.customer,
               Initiate{{"acme", "hq"}, at("198.51.100.7", 500), at("192.0.2.1", 500)});
    world.faults = {{2, Fault::none}};
    Side second("fra1", 9, 77);
    second.config.cookie_threshold = 0;
    second.restart(9, 77);
    second.directory.tunnels.push_back(fleet_tunnel());
    world.deliver();  // through ams1 all the way: take the request with the cookie from the trace
    const Datagram& with_cookie = world.trace[2].datagram;
    const Outputs out = second.step(
        world.clock(), DatagramReceived{with_cookie.remote, with_cookie.local, with_cookie.bytes});
    ASSERT_EQ(out.actions.size(), 1U);
    EXPECT_NE(out.actions[0].our_spi, IkeSpi(0)) << "answered, not asked for a cookie again";
}

TEST(Cookie, SurvivesLossAtEachDatagram) {
    for (int lost = 0; lost < 6; ++lost) {
        World world;
        world.fleet.config.cookie_threshold = 0;
        world.fleet.restart(7, 5);
        world.faults = {{lost, Fault::drop}};
        world.initiate();
        world.settle();
        EXPECT_TRUE(world.up()) << lost;
    }
}

// INVALID_KE_PAYLOAD.

void offer_two_groups(World& world) {
    world.customer.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha256-x25519"),
                                                      ike_suite("aes256gcm16-prfsha384-ecp384")};
    world.fleet.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha384-ecp384")};
}

TEST(InvalidKe, IsFollowedWithTheGroupThatWasAskedFor) {
    World world;
    offer_two_groups(world);
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(refusal(world.trace[1].datagram), NotifyType::invalid_ke_payload);
    EXPECT_EQ(crypto::to_string(world.customer.ike_sa()->suite), "aes256gcm16-prfsha384-ecp384");
}

TEST(InvalidKe, TogetherWithACookie) {
    World world;
    offer_two_groups(world);
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 5);
    world.initiate();
    EXPECT_TRUE(world.up());
}

TEST(InvalidKe, OurOrderOfPreferenceDecides) {
    World world;
    offer_two_groups(world);
    world.fleet.directory.tunnels[0].ike_suites = {ike_suite("aes256gcm16-prfsha384-ecp384"),
                                                   ike_suite("aes256gcm16-prfsha256-x25519")};
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_EQ(crypto::to_string(world.fleet.ike_sa()->suite), "aes256gcm16-prfsha384-ecp384");
}

Datagram forged_notify(const World& world, NotifyType type, Bytes data) {
    const Datagram& request = world.trace.back().datagram;
    wire::ike::Message message = *wire::ike::Message::parse(request.bytes);
    message.header.from_initiator = false;
    message.header.response = true;
    message.payloads = {{wire::ike::Notify{{}, {}, type, std::move(data)}}};
    return {request.remote, request.local, message.emit()};
}

TEST(InvalidKe, AGroupThatWasNotOfferedIsIgnored) {
    World world;
    world.cut = true;
    world.initiate();
    world.inject(world.customer, forged_notify(world, NotifyType::invalid_ke_payload, {0, 2}));
    world.inject(world.customer, forged_notify(world, NotifyType::invalid_ke_payload, {0, 31}));
    world.inject(world.customer, forged_notify(world, NotifyType::invalid_ke_payload, {31}));
    world.deliver();
    EXPECT_EQ(world.customer.count(DropReason::bad_init_response), 3);
    EXPECT_EQ(world.trace.size(), 1U);
}

TEST(InvalidKe, EndlessRestartsAreBounded) {
    World world;
    world.cut = true;
    world.initiate();
    for (std::uint8_t i = 0; i < 20; ++i) {
        world.inject(world.customer, forged_notify(world, NotifyType::cookie, {i}));
        world.deliver();
    }
    EXPECT_EQ(world.customer.count(DropReason::too_many_restarts), 15);
    EXPECT_EQ(world.trace.size(), 6U);
    world.cut = false;
    world.settle();
    EXPECT_TRUE(world.up()) << "and the genuine responder is still heard";
}

// NAT.

TEST(Nat, InitiatorMovesTo4500AndBothEncapsulate) {
    World world;
    world.nat = IpAddress::parse("203.0.113.9");
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
    world.initiate();
    ASSERT_TRUE(world.up());
    const auto& customer = world.customer.endpoints.begin()->second;
    const auto& fleet = world.fleet.endpoints.begin()->second;
    EXPECT_TRUE(customer.udp_encapsulation);
    EXPECT_TRUE(fleet.udp_encapsulation);
    EXPECT_EQ(customer.local, at("198.51.100.7", 4500));
    EXPECT_EQ(customer.remote, at("192.0.2.1", 4500));
    EXPECT_EQ(fleet.local, at("192.0.2.1", 4500));
    EXPECT_EQ(fleet.remote, at("203.0.113.9", 34500)) << "the responder follows the new port";
    EXPECT_EQ(world.trace[0].datagram.remote.port, 500);
    EXPECT_EQ(world.trace[2].datagram.remote.port, 4500);
}

TEST(Nat, ForceMakesBothEncapsulateWithoutANat) {
    for (const bool by_customer : {true, false}) {
        World world;
        Side& side = by_customer ? world.customer : world.fleet;
        side.directory.tunnels[0].nat_traversal = sa::NatTraversal::force;
        world.initiate();
        ASSERT_TRUE(world.up());
        EXPECT_TRUE(world.customer.endpoints.begin()->second.udp_encapsulation);
        EXPECT_TRUE(world.fleet.endpoints.begin()->second.udp_encapsulation);
        EXPECT_EQ(world.fleet.endpoints.begin()->second.remote.port, 4500);
    }
}

TEST(Nat, Port4500FromTheStartEncapsulatesOnlyIfThereIsANat) {
    for (const bool nat : {false, true}) {
        World world;
        world.nat = nat ? IpAddress::parse("203.0.113.9") : std::nullopt;
        if (nat) {
            world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
        }
        world.initiate(4500);
        ASSERT_TRUE(world.up());
        EXPECT_EQ(world.customer.endpoints.begin()->second.udp_encapsulation, nat);
        EXPECT_EQ(world.fleet.endpoints.begin()->second.udp_encapsulation, nat);
    }
}

TEST(Nat, ANewMappingIsFollowedAfterANewAuthenticRequest) {
    World world;
    world.nat = IpAddress::parse("203.0.113.9");
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
    world.initiate();
    ASSERT_TRUE(world.up());
    world.nat_port_shift = 31000;
    world.tell(world.customer, ProbeLiveness{world.customer.ike_sa()->our_spi});
    world.deliver();
    const Action& answer = world.fleet.actions.back();
    EXPECT_EQ(world.fleet.endpoints.begin()->second.remote, at("203.0.113.9", 35500));
    EXPECT_EQ(answer.writes.size(), 2U) << "endpoint and claim, before the answer leaves";
    EXPECT_EQ(answer.send.front().remote, at("203.0.113.9", 35500));
}

TEST(Nat, ANewMappingSeenOnEspIsWhereOurRequestsGo) {
    World world;
    world.nat = IpAddress::parse("203.0.113.9");
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
    world.initiate();
    ASSERT_TRUE(world.up());
    const IkeSpi origin = world.fleet.ike_sa()->origin;
    world.rekey_ike(world.fleet);  // what the fact is about outlives the IKE SA that made it
    world.deliver();
    ASSERT_EQ(world.disagreement(), "");
    world.tell(world.fleet, PeerMoved{origin, at("192.0.2.1", 4500), at("203.0.113.9", 35500)});
    world.nat_port_shift = 31000;
    world.probe(world.fleet);
    EXPECT_EQ(world.trace.back().datagram.remote, at("203.0.113.9", 35500));
    world.deliver();
    EXPECT_EQ(world.fleet.count(EventKind::retransmission), 0);
}

TEST(Nat, WhoIsBehindItFollowsNobodyAndSaysSoInItsRecords) {
    World world;
    world.nat = IpAddress::parse("203.0.113.9");
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_TRUE(world.customer.endpoints.begin()->second.behind_nat);
    EXPECT_FALSE(world.fleet.endpoints.begin()->second.behind_nat);
    const IkeSpi origin = world.customer.ike_sa()->origin;
    world.tell(world.customer, PeerMoved{origin, at("198.51.100.7", 4500), at("192.0.2.66", 4500)});
    world.probe(world.fleet);
    Datagram probe = world.trace.back().datagram;
    world.tell(world.customer,
               DatagramReceived{at("198.51.100.7", 4500), at("192.0.2.66", 4500), probe.bytes});
    EXPECT_EQ(world.customer.endpoints.begin()->second.remote, at("192.0.2.1", 4500));
    world.probe(world.customer);
    EXPECT_EQ(world.trace.back().datagram.remote, at("192.0.2.1", 4500));
}

TEST(Nat, WhatIsKnownOfItSurvivesATakeover) {
    World world;
    world.nat = IpAddress::parse("203.0.113.9");
    world.fleet.directory.tunnels[0].remote_addresses = {net("203.0.113.9")};
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_EQ(world.fleet.ike_sa()->nat, (sa::NatStatus{true, false, true, true}));
    world.take_over(world.fleet, 8);
    world.nat_port_shift = 31000;
    world.probe(world.customer);
    world.deliver();
    EXPECT_EQ(world.fleet.endpoints.begin()->second.remote, at("203.0.113.9", 35500));
    EXPECT_EQ(world.fleet.ike_sa()->nat, (sa::NatStatus{true, false, true, true}));
}

TEST(Nat, WithoutOneAForeignAddressIsAnsweredButNotFollowed) {
    World world;
    world.initiate();
    world.tell(world.customer, ProbeLiveness{world.customer.ike_sa()->our_spi});
    const Datagram probe = world.trace.back().datagram;
    world.tell(world.fleet, DatagramReceived{probe.remote, at("203.0.113.66", 500), probe.bytes});
    EXPECT_EQ(world.fleet.actions.back().send.front().remote, at("203.0.113.66", 500));
    EXPECT_TRUE(world.fleet.actions.back().writes.empty());
    EXPECT_EQ(world.fleet.endpoints.begin()->second.remote, at("198.51.100.7", 500));
}

// Fragmentation.

/// So many prefixes that IKE_AUTH doesn't fit one datagram, in both directions.
void make_messages_big(World& world) {
    for (int i = 0; i < 60; ++i) {
        const IpPrefix prefix = net("10.7." + std::to_string(i) + ".0/24");
        const IpPrefix other = net("172.16." + std::to_string(i) + ".0/24");
        world.customer.directory.tunnels[0].local_prefixes.push_back(prefix);
        world.fleet.directory.tunnels[0].remote_prefixes.push_back(prefix);
        world.customer.directory.tunnels[0].remote_prefixes.push_back(other);
        world.fleet.directory.tunnels[0].local_prefixes.push_back(other);
    }
}

TEST(Fragmentation, BigMessagesTravelInDatagramsThatFit) {
    World world;
    make_messages_big(world);
    world.initiate();
    EXPECT_TRUE(world.up());
    EXPECT_GT(world.trace.size(), 4U);
    for (const auto& carried : world.trace) {
        EXPECT_LE(carried.datagram.bytes.size(), 1280U);
    }
    EXPECT_GT(world.fleet.ike_sa()->last_response.size(), 1U);
}

TEST(Fragmentation, SurvivesLossDuplicationAndReorderingOfEachFragment) {
    World plain;
    make_messages_big(plain);
    plain.initiate();
    const int datagrams = static_cast<int>(plain.trace.size());
    for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
        for (int i = 0; i < datagrams; ++i) {
            World world;
            make_messages_big(world);
            world.faults = {{i, fault}};
            world.initiate();
            world.settle();
            EXPECT_TRUE(world.up()) << "fault at " << i;
        }
    }
}

TEST(Fragmentation, OnlyTheFirstFragmentOfARepetitionIsAnswered) {
    World world;
    make_messages_big(world);
    world.initiate();
    ASSERT_TRUE(world.up());
    std::size_t answers = 0;
    const auto trace = world.trace;
    for (const auto& carried : trace) {
        const Datagram& datagram = carried.datagram;
        if (carried.from == &world.customer && &carried != &trace.front()) {
            const Outputs out = world.fleet.step(
                world.clock(), DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
            answers += out.actions.size();
        }
    }
    EXPECT_EQ(answers, 1U);
    EXPECT_GT(world.fleet.count(DropReason::retransmitted_fragment), 0);
}

TEST(Fragmentation, ANonFragmentingPeerGetsWholeMessages) {
    World world;
    make_messages_big(world);
    world.check_invariants = false;
    world.tell(world.customer,
               Initiate{{"acme", "hq"}, at("198.51.100.7", 500), at("192.0.2.1", 500)});
    world.deliver();
    ASSERT_TRUE(world.up());
    // The same responder, asked by a message without IKEV2_FRAGMENTATION_SUPPORTED, must not say
    // it.
    wire::ike::Message init = *wire::ike::Message::parse(world.trace[0].datagram.bytes);
    init.payloads.pop_back();
    const Outputs out = world.fleet.step(
        world.clock(),
        DatagramReceived{at("192.0.2.1", 500), at("198.51.100.7", 501), init.emit()});
    ASSERT_EQ(out.actions.size(), 1U);
    const auto answer = wire::ike::Message::parse(out.actions[0].send[0].bytes);
    EXPECT_EQ(find_notify(answer->payloads, NotifyType::ikev2_fragmentation_supported), nullptr);
}

}  // namespace
}  // namespace anyswan::ike::test
