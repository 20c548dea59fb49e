// SPDX-License-Identifier: Apache-2.0
// The forwarder inside a fake driver: limits and times that a real network would blur.
#include "core/wire/ip/compose.h"
#include "core/wire/ip/ecn.h"
#include "dataplane/forward/limits.h"
#include "dataplane/forward/test_forwarder.h"

namespace anyswan::dataplane {
namespace {

using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::make_record;
using esp::testing::near_to_far;
using testing::batch;
using testing::ForwarderTest;
using testing::grant;
using testing::install;
using testing::many;
using testing::Peer;
using testing::record_at;
using testing::tunnel_id;

// --- Outbound: what is in the packet ---

TEST_F(ForwarderTest, TrafficClassGoesToTheOuterHeader) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    wire::ip::IpFields fields = near_to_far;
    fields.traffic_class = 0xb9;
    send(datagram(fields, "x"));
    EXPECT_EQ(driver_.take_outer().at(0).traffic_class, 0xb9);
}

TEST_F(ForwarderTest, TooBigIsAnsweredNotSent) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    wire::ip::IpFields fields = near_to_far;
    fields.dont_fragment = true;
    const std::string fits(esp::default_inner_mtu - 28, 'x');
    send(datagram(fields, fits));
    EXPECT_EQ(driver_.take_outer().size(), 1U);
    send(datagram(fields, fits + "x"));
    send(datagram(esp::testing::near_to_far_v6, fits));
    EXPECT_TRUE(driver_.take_outer().empty());
    const auto errors = driver_.take_inner();
    ASSERT_EQ(errors.size(), 2U);
    const auto v4 = wire::ip::parse_ip(errors[0].packet);
    EXPECT_EQ(v4->ports, (wire::ip::Ports{0x0304, 0x0304}));
    EXPECT_EQ(v4->destination, near_to_far.source);
    EXPECT_EQ(load_u16(ByteView(errors[0].packet).subspan(26)), esp::default_inner_mtu);
    EXPECT_EQ(wire::ip::parse_ip(errors[1].packet)->protocol, wire::ip::IpProtocol::icmpv6);
    send(datagram(near_to_far, fits + "x"));
    EXPECT_TRUE(driver_.take_inner().empty()) << "without DF there is nothing to tell";
    EXPECT_EQ(counter("drop_outbound_too_big"), 3U);
}

TEST_F(ForwarderTest, ClampsMssBothWays) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    const auto mss_of = [](const Bytes& packet) {
        return load_u16(ByteView(packet).subspan(20 + 20 + 2));
    };
    send(wire::ip::compose_tcp_syn(near_to_far, {.ports = {1, 2}, .mss = 1460}));
    EXPECT_EQ(mss_of(at_peer(peer).at(0)), 1350);
    receive(peer.seal(1, wire::ip::compose_tcp_syn(far_to_near, {.ports = {1, 2}, .mss = 1460})));
    EXPECT_EQ(mss_of(driver_.take_inner().at(0).packet), 1350);
    EXPECT_EQ(counter("mss_clamped"), 2U);
}

// --- Outbound: numbers ---

TEST_F(ForwarderTest, PacketsWaitForNumbersAndLeaveInOrder) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    Peer peer(record);
    EXPECT_TRUE(take<NeedSequence>().empty()) << "no traffic, no question";
    std::vector<Bytes> packets;
    for (int i = 0; i < 5; ++i) {
        packets.push_back(datagram(near_to_far, "packet " + std::to_string(i)));
        send(packets.back());
    }
    const auto asked = take<NeedSequence>();
    ASSERT_EQ(asked.size(), 1U) << "asked once";
    EXPECT_EQ(asked[0].inbound_spi, record.inbound_spi);
    EXPECT_EQ(asked[0].used_up_to, SequenceNumber(0));
    EXPECT_TRUE(driver_.take_outer().empty());
    apply(grant(record.inbound_spi, 1, 3));
    packets.push_back(datagram(near_to_far, "packet 5"));
    send(packets.back());
    apply(grant(record.inbound_spi, 4, many));
    EXPECT_EQ(at_peer(peer), packets);
    EXPECT_EQ(counter("waited_for_sequence"), 6U);
}

TEST_F(ForwarderTest, AsksAgainWhilePacketsWaitAndGivesUpAfterASecond) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    send(out_);
    EXPECT_EQ(take<NeedSequence>().size(), 1U);
    wait(need_sequence_interval - 1ms);
    EXPECT_EQ(take<NeedSequence>().size(), 0U);
    wait(tick_interval);
    EXPECT_EQ(take<NeedSequence>().size(), 1U);
    wait(waiting_max);
    EXPECT_EQ(counter("drop_sequence_timeout"), 1U);
    (void)take<NeedSequence>();
    wait(waiting_max);
    EXPECT_TRUE(take<NeedSequence>().empty()) << "nothing waits";
    apply(grant(record.inbound_spi, 1, many));
    EXPECT_TRUE(driver_.take_outer().empty());
}

TEST_F(ForwarderTest, AsksEarlyAtHalfOfTheGrant) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, 10));
    send(out_, 4);
    EXPECT_TRUE(take<NeedSequence>().empty());
    send(out_);
    const auto asked = take<NeedSequence>();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].used_up_to, SequenceNumber(5));
    EXPECT_EQ(asked[0].rate_per_s, 5U);
    send(out_);
    EXPECT_TRUE(take<NeedSequence>().empty()) << "already asked";
    apply(grant(record.inbound_spi, 11, 20));
    send(out_, 2);
    EXPECT_TRUE(take<NeedSequence>().empty());
}

TEST_F(ForwarderTest, RevokedNumbersStayUnused) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    send(out_, 3);
    apply(RevokeSequence{record.inbound_spi});
    (void)driver_.take_outer();
    send(out_);
    EXPECT_TRUE(driver_.take_outer().empty());
    const auto asked = take<NeedSequence>();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].used_up_to, SequenceNumber(3));
    apply(grant(record.inbound_spi, 500, 600));
    const auto sent = driver_.take_outer();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(wire::esp::read_header(sent[0].packet.bytes())->sequence_low, 500U);
}

TEST_F(ForwarderTest, WaitingIsBounded) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    send(out_, waiting_packets_per_sa_max + 5);
    EXPECT_EQ(counter("drop_sequence_queue_full"), 5U);
    apply(grant(record.inbound_spi, 1, many));
    EXPECT_EQ(driver_.take_outer().size(), waiting_packets_per_sa_max);
}

TEST_F(ForwarderTest, AnExhaustedSaIsSilent) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 0xfffffffe, 0xffffffff));
    send(out_, 4);
    EXPECT_EQ(driver_.take_outer().size(), 2U);
    EXPECT_EQ(counter("drop_sequence_exhausted"), 2U);
    EXPECT_TRUE(take<NeedSequence>().empty()) << "no number is left to be granted";
}

TEST_F(ForwarderTest, AnOlderSaStandsInForAnExhaustedOne) {
    const auto fresh = record_at(0x2000, 2);
    const auto old_one = record_at(0x1000, 1);
    apply(install(fresh), grant(fresh.inbound_spi, 0xffffffff, 0xffffffff), install(old_one),
          grant(old_one.inbound_spi, 1, many));
    send(out_, 2);
    EXPECT_EQ(driver_.take_outer().size(), 2U);
}

TEST_F(ForwarderTest, ABadGrantIsReported) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 5, 4));
    const auto failed = take<SaFailed>();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_NE(failed[0].why.find("5..4"), std::string::npos);
}

TEST_F(ForwarderTest, SpreadSendsAtOnce) {
    auto record = make_record("aes128gcm16");
    record.sender_rule = sa::SenderRule::spread;
    apply(install(record));
    send(out_);
    EXPECT_EQ(driver_.take_outer().size(), 1U);
    EXPECT_TRUE(take<NeedSequence>().empty());
}

TEST_F(ForwarderTest, ARekeyedBusyTunnelAsksForNumbersBeforeItsFirstPacket) {
    apply(install(record_at(0x1000, 1)), grant(EspSpi(0x1000), 1, many));
    apply(install(record_at(0x2000, 2)));
    EXPECT_TRUE(take<NeedSequence>().empty()) << "an idle tunnel doesn't";
    apply(RemoveSa{EspSpi(0x2000)});
    send(out_);
    apply(install(record_at(0x3000, 3)));
    EXPECT_EQ(take<NeedSequence>().size(), 1U);
    wait(5s);
    (void)take<NeedSequence>();
    apply(install(record_at(0x4000, 4)));
    EXPECT_TRUE(take<NeedSequence>().empty()) << "idle again";
}

TEST_F(ForwarderTest, WhatWaitedForARemovedSaGoesToTheNext) {
    const auto old_one = record_at(0x1000, 1);
    const auto new_one = record_at(0x2000, 2);
    apply(install(old_one), grant(old_one.inbound_spi, 1, many), install(new_one));
    send(out_, 3);
    EXPECT_TRUE(driver_.take_outer().empty());
    apply(RemoveSa{new_one.inbound_spi});
    Peer peer(old_one);
    EXPECT_EQ(at_peer(peer).size(), 3U);
}

// --- Inbound ---

TEST_F(ForwarderTest, HoldsPacketsOfAnUnknownSpiForTheirSa) {
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    receive(peer.seal(1, in_));
    receive(peer.seal(2, in_));
    const auto asked = take<UnknownSpi>();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].inbound_spi, record.inbound_spi);
    EXPECT_EQ(asked[0].remote, testing::peer_natt);
    wait(900ms);
    apply(install(record));
    EXPECT_EQ(driver_.take_inner().size(), 2U);
    EXPECT_EQ(counter("held_unknown_spi"), 2U);
    receive(peer.seal(3, in_));
    EXPECT_EQ(driver_.take_inner().size(), 1U);
}

TEST_F(ForwarderTest, HeldPacketsExpire) {
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    receive(peer.seal(1, in_));
    wait(500ms);
    receive(peer.seal(2, in_));
    wait(500ms);
    EXPECT_EQ(counter("drop_unknown_spi_timeout"), 1U);
    apply(install(record));
    EXPECT_EQ(driver_.take_inner().size(), 1U) << "the second is young enough";
}

TEST_F(ForwarderTest, AsksAboutAnSpiOncePerInterval) {
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    for (std::uint64_t i = 1; i <= 25; ++i) {
        receive(peer.seal(i, in_));
        wait(100ms);
    }
    EXPECT_EQ(take<UnknownSpi>().size(), 3U) << "2.5 seconds";
}

TEST_F(ForwarderTest, DeniedSpisAreDroppedAtOnceForAWhile) {
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    receive(peer.seal(1, in_));
    apply(DenySpi{record.inbound_spi});
    EXPECT_EQ(counter("drop_unknown_spi_denied"), 1U);
    receive(peer.seal(2, in_));
    EXPECT_EQ(counter("drop_unknown_spi_denied"), 2U);
    EXPECT_EQ(take<UnknownSpi>().size(), 1U);
    wait(unknown_spi_interval);
    receive(peer.seal(3, in_));
    EXPECT_EQ(take<UnknownSpi>().size(), 1U) << "asked anew";
    apply(install(record));
    EXPECT_EQ(driver_.take_inner().size(), 1U);
}

TEST_F(ForwarderTest, HoldingIsBounded) {
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    for (std::uint64_t i = 1; i <= held_packets_per_spi_max + 3; ++i) {
        receive(peer.seal(i, in_));
    }
    EXPECT_EQ(counter("drop_unknown_spi_full"), 3U);
    Bytes other = peer.seal(1, in_);
    for (std::uint32_t spi = 1; spi <= held_spis_max + 3; ++spi) {
        store_u32(other, 0x10000 + spi);
        receive(other);
    }
    EXPECT_EQ(counter("drop_unknown_spi_full"), 3U + 4U);
    EXPECT_EQ(take<UnknownSpi>().size(), held_spis_max);
    wait(2s);
    receive(other);
    EXPECT_EQ(take<UnknownSpi>().size(), 1U) << "there is room again";
}

TEST_F(ForwarderTest, RuntsAndReservedSpisAreNotHeld) {
    receive(Bytes(7, 1));
    EXPECT_EQ(counter("drop_esp_bad_length"), 1U);
    Bytes reserved(60);
    reserved[3] = 255;
    receive(reserved);
    EXPECT_EQ(counter("drop_esp_reserved_spi"), 1U);
    EXPECT_TRUE(take<UnknownSpi>().empty());
}

TEST_F(ForwarderTest, EveryInboundDropIsCountedUnderItsName) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    Peer peer(record);
    const Bytes sealed = peer.seal(2000, in_);
    receive(sealed);
    receive(sealed);
    EXPECT_EQ(counter("drop_replay_seen"), 1U);
    receive(peer.seal(3, in_));
    EXPECT_EQ(counter("drop_replay_too_old"), 1U);
    Bytes forged = peer.seal(2001, in_);
    forged.back() ^= 1;
    receive(forged);
    EXPECT_EQ(counter("drop_integrity"), 1U);
    wire::ip::IpFields spoofed = far_to_near;
    spoofed.source = esp::testing::address("10.77.0.1");
    receive(peer.seal(2002, datagram(spoofed, "x")));
    EXPECT_EQ(counter("drop_inner_selector"), 1U);
    receive(peer.seal(2003, Bytes(30, 0x44)));
    EXPECT_EQ(counter("drop_inner_malformed"), 1U);
    receive(peer.seal(2004, in_), testing::peer_natt, 3);
    EXPECT_EQ(counter("drop_ecn_not_capable"), 1U);
    EXPECT_EQ(driver_.take_inner().size(), 1U);
    EXPECT_EQ(counter("packets_in"), 1U);
}

// --- The peer moves ---

TEST_F(ForwarderTest, FollowsAnAuthenticatedPeer) {
    const auto record = make_record("aes128gcm16", 0x1000);
    const auto sibling = make_record("aes128gcm16", 0x2000);
    apply(install(record), install(sibling), grant(sibling.inbound_spi, 1, many));
    Peer peer(record);
    const Endpoint moved{esp::testing::address("198.51.100.9"), 61000};
    receive(peer.seal(10, in_), moved);
    const auto events = take<EndpointMoved>();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].inbound_spi, record.inbound_spi);
    EXPECT_EQ(events[0].remote, moved);
    EXPECT_EQ(events[0].local, testing::driver_natt);
    send(out_);
    EXPECT_EQ(driver_.take_outer().at(0).remote, moved) << "all SAs of the IKE SA follow";
}

TEST_F(ForwarderTest, OldAndForgedPacketsMoveNobody) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    const Endpoint elsewhere{esp::testing::address("198.51.100.9"), 61000};
    const Bytes late = peer.seal(5, in_);
    receive(peer.seal(10, in_));
    receive(late, elsewhere);
    Bytes forged = peer.seal(11, in_);
    forged.back() ^= 1;
    receive(forged, elsewhere);
    EXPECT_TRUE(take<EndpointMoved>().empty());
    send(out_);
    EXPECT_EQ(driver_.take_outer().at(0).remote, testing::peer_natt);
}

TEST_F(ForwarderTest, PlainEspMovesNobody) {
    const auto record = make_record("aes128gcm16");
    auto plain = install(record);
    plain.udp_encapsulation = false;
    apply(std::move(plain));
    Peer peer(record);
    receive(peer.seal(1, in_), {esp::testing::address("198.51.100.9"), 0});
    EXPECT_EQ(driver_.take_inner().size(), 1U) << "but it is welcome";
    EXPECT_TRUE(take<EndpointMoved>().empty());
}

TEST_F(ForwarderTest, ManyMovesMakeFewEvents) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    Peer peer(record);
    Endpoint remote{esp::testing::address("198.51.100.9"), 1};
    for (std::uint16_t i = 1; i <= 50; ++i) {
        remote.port = i;
        receive(peer.seal(i, in_), remote);
    }
    EXPECT_EQ(take<EndpointMoved>().size(), 1U);
    wait(2 * report_interval);
    const auto last = take<EndpointMoved>();
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].remote.port, 50) << "the last word is reported";
}

TEST_F(ForwarderTest, AHostBehindANatStaysPut) {
    FakeDriver natted({.incarnation = Incarnation(8), .follow_moved_peers = false}, random_, {});
    const auto record = make_record("aes128gcm16");
    natted.apply(batch(AddDomain{"acme"}, install(record)));
    Peer peer(record);
    std::vector<esp::OuterPacket> packets;
    packets.push_back({esp::Packet::copy_of(peer.seal(1, in_)),
                       testing::driver_natt,
                       {esp::testing::address("198.51.100.9"), 7},
                       true,
                       0});
    natted.receive(std::move(packets));
    EXPECT_EQ(natted.take_inner().size(), 1U);
    EXPECT_EQ(natted.counters().at("endpoint_moves"), 0U);
}

TEST_F(ForwarderTest, AnSaOfOursBehindANatStaysPutUntilTheNatIsGone) {
    const auto record = make_record("aes128gcm16");
    auto natted = install(record);
    natted.behind_nat = true;
    apply(std::move(natted));
    Peer peer(record);
    const Endpoint elsewhere{esp::testing::address("198.51.100.9"), 7};
    receive(peer.seal(1, in_), elsewhere);
    EXPECT_EQ(driver_.take_inner().size(), 1U);
    EXPECT_TRUE(take<EndpointMoved>().empty());
    apply(MoveEndpoint{record.ike_spi, testing::driver_natt, testing::peer_natt, true});
    receive(peer.seal(2, in_), elsewhere);
    EXPECT_EQ(take<EndpointMoved>().size(), 1U);
}

TEST_F(ForwarderTest, MoveEndpointTakesAllSasOfTheIkeSa) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    const Endpoint moved{esp::testing::address("203.0.113.5"), 0};
    apply(MoveEndpoint{record.ike_spi, {esp::testing::address("192.0.2.1"), 0}, moved, false});
    send(out_);
    const auto sent = driver_.take_outer();
    EXPECT_EQ(sent.at(0).remote, moved);
    EXPECT_FALSE(sent.at(0).udp_encapsulation);
}

// --- Reports, changes ---

TEST_F(ForwarderTest, ReportsUsageOncePerInterval) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    wait(100ms);
    Peer peer(record);
    receive(peer.seal(7, in_));
    send(out_, 2);
    EXPECT_TRUE(take<Usage>().empty());
    wait(report_interval);
    const auto usage = take<Usage>();
    ASSERT_EQ(usage.size(), 1U);
    EXPECT_EQ(usage[0].inbound_spi, record.inbound_spi);
    EXPECT_EQ(usage[0].packets_in, 1U);
    EXPECT_EQ(usage[0].bytes_in, in_.size());
    EXPECT_EQ(usage[0].packets_out, 2U);
    EXPECT_EQ(usage[0].bytes_out, 2 * out_.size());
    EXPECT_EQ(usage[0].highest_in, SequenceNumber(7));
    EXPECT_EQ(usage[0].highest_out, SequenceNumber(2));
    wait(2 * report_interval);
    EXPECT_TRUE(take<Usage>().empty()) << "an idle SA is not reported";
}

TEST_F(ForwarderTest, InstallingTwiceIsInstallingOnce) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, 5));
    send(out_);
    apply(install(record));
    send(out_);
    const auto sent = driver_.take_outer();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(wire::esp::read_header(sent[1].packet.bytes())->sequence_low, 2U)
        << "numbers go on (N2)";
}

TEST_F(ForwarderTest, SasThatCantBeUsedAreReported) {
    auto homeless = make_record("aes128gcm16", 0x1000);
    homeless.tunnel.account = "nobody";
    auto broken = make_record("aes128gcm16", 0x2000);
    broken.inbound.encr = Secret();
    apply(install(homeless), install(broken));
    const auto failed = take<SaFailed>();
    ASSERT_EQ(failed.size(), 2U);
    EXPECT_EQ(failed[0].inbound_spi, homeless.inbound_spi);
    EXPECT_NE(failed[0].why.find("nobody"), std::string::npos);
    EXPECT_EQ(failed[1].inbound_spi, broken.inbound_spi);
    apply(AddRoute{{"nobody", "hq"}, *IpPrefix::parse("10.0.0.0/8")});
    EXPECT_EQ(take<DomainFailed>().size(), 1U);
}

TEST_F(ForwarderTest, ARemovedDomainTakesEverythingWithIt) {
    const auto record = make_record("aes128gcm16");
    apply(install(record));
    send(out_);
    apply(RemoveDomain{"acme"}, AddDomain{"acme"});
    EXPECT_EQ(counter("drop_no_sa"), 1U) << "what waited";
    send(out_);
    EXPECT_EQ(counter("drop_no_route"), 1U);
    Peer peer(record);
    receive(peer.seal(1, in_));
    EXPECT_EQ(take<UnknownSpi>().size(), 1U);
}

TEST_F(ForwarderTest, RemovedRoutesAreGone) {
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many),
          RemoveRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")},
          RemoveRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    send(out_);
    EXPECT_EQ(counter("drop_no_route"), 1U);
    send(datagram(esp::testing::near_to_far_v6, "x"));
    EXPECT_EQ(driver_.take_outer().size(), 1U) << "the other prefix stays";
}

TEST_F(ForwarderTest, IvsCarryTheIncarnation) {
    const auto one = make_record("aes128gcm16", 0x1000);
    apply(install(one), grant(one.inbound_spi, 1, many));
    send(out_, 2);
    apply(RemoveSa{one.inbound_spi}, install(one), grant(one.inbound_spi, 1, many));
    send(out_);
    const auto sent = driver_.take_outer();
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(load_u64(sent[i].packet.bytes().subspan(8)), (7ULL << 40U) + i)
            << "N1 holds even for an SA that is installed again";
    }
}

}  // namespace
}  // namespace anyswan::dataplane
