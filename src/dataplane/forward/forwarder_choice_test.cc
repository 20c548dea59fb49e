// SPDX-License-Identifier: Apache-2.0
// Which SA the forwarder sends on, and what it does without one.
#include "dataplane/forward/limits.h"
#include "dataplane/forward/test_forwarder.h"

namespace anyswan::dataplane {
namespace {

using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::make_record;
using esp::testing::near_to_far;
using testing::ForwarderTest;
using testing::grant;
using testing::install;
using testing::many;
using testing::Peer;
using testing::record_at;
using testing::tunnel_id;

TEST_F(ForwarderTest, TheNewestSaSends) {
    const auto old_one = record_at(0x1000, 1);
    const auto new_one = record_at(0x2000, 2);
    const auto oldest = record_at(0x3000, 0);
    for (const auto* record : {&old_one, &new_one, &oldest}) {
        apply(install(*record), grant(record->inbound_spi, 1, many));
    }
    send(out_);
    const auto sent = driver_.take_outer();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(wire::esp::read_header(sent[0].packet.bytes())->spi, new_one.outbound_spi);
    apply(RemoveSa{new_one.inbound_spi});
    send(out_);
    EXPECT_EQ(wire::esp::read_header(driver_.take_outer()[0].packet.bytes())->spi,
              old_one.outbound_spi);
}

TEST_F(ForwarderTest, AnSaThatThePeerAskedForIsSentOnOnceThePeerUsesIt) {
    const auto before = record_at(0x1000, 1);
    auto after = record_at(0x2000, 2);
    after.replaces = before.inbound_spi;
    after.outbound_waits = true;
    apply(install(before), grant(before.inbound_spi, 1, many), install(after),
          grant(after.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(sent_on(), before.outbound_spi);
    Peer peer(after);
    receive(peer.seal(1, in_));
    send(out_);
    EXPECT_EQ(sent_on(), after.outbound_spi);
}

TEST_F(ForwarderTest, AFurtherSaThatThePeerAskedForLetsOthersGoFirst) {
    auto first = record_at(0x1000, 1);
    auto second = record_at(0x2000, 2);
    first.outbound_waits = second.outbound_waits = true;
    apply(install(first), grant(first.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(sent_on(), first.outbound_spi) << "there is no other";
    const auto others = record_at(0x1800, 1);
    InstallSa for_others = install(others);
    for_others.send_on = SendOn::others;
    apply(std::move(for_others), grant(others.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(sent_on(), first.outbound_spi) << "what there was before goes first";
    apply(install(second), grant(second.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(sent_on(), first.outbound_spi);
    wait(outbound_wait);
    send(out_);
    EXPECT_EQ(sent_on(), second.outbound_spi);

    auto third = record_at(0x3000, 3);
    third.outbound_waits = true;
    apply(install(third), grant(third.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(sent_on(), second.outbound_spi);
    Peer peer(third);
    receive(peer.seal(1, in_));
    send(out_);
    EXPECT_EQ(sent_on(), third.outbound_spi) << "the peer uses it";
}

TEST_F(ForwarderTest, AnSaStopsWaitingWhenItsPredecessorCannotSend) {
    auto before = record_at(0x1000, 1);
    before.remote_ts = esp::testing::selectors({"10.2.7.0/24"});  // not out_'s destination
    auto after = record_at(0x2000, 2);
    after.replaces = before.inbound_spi;
    after.outbound_waits = true;
    auto last = record_at(0x3000, 3);
    last.replaces = after.inbound_spi;
    last.outbound_waits = true;
    for (const auto* record : {&before, &after, &last}) {
        apply(install(*record), grant(record->inbound_spi, 1, many));
    }
    send(out_);
    EXPECT_EQ(sent_on(), after.outbound_spi) << "the predecessor doesn't cover the packet";
    apply(RemoveSa{after.inbound_spi, true});
    send(out_);
    EXPECT_EQ(sent_on(), last.outbound_spi) << "the predecessor drains";
}

TEST_F(ForwarderTest, AReplacedSaReceivesForAWhile) {
    const auto before = record_at(0x1000, 1);
    const auto after = record_at(0x2000, 2);
    Peer peer(before);
    apply(install(before), grant(before.inbound_spi, 1, many));
    apply(RemoveSa{before.inbound_spi, true});
    send(out_);
    EXPECT_TRUE(driver_.take_outer().empty()) << "nothing is sent on it";
    apply(RemoveSa{before.inbound_spi, true});  // comes by two ways
    wait(drain_time - tick_interval);
    const Bytes late = peer.seal(2, in_);
    receive(late);
    EXPECT_EQ(driver_.take_inner().size(), 1U);
    receive(late);
    EXPECT_TRUE(driver_.take_inner().empty()) << "N3: once, also while it drains";
    wait(2 * tick_interval);
    receive(peer.seal(3, in_));
    EXPECT_TRUE(driver_.take_inner().empty());
    EXPECT_EQ(counter("held_unknown_spi"), 1U) << "it is gone";
}

TEST_F(ForwarderTest, ARevokedSaIsCutOffEvenWhileItDrains) {
    const auto record = record_at(0x1000, 1);
    Peer peer(record);
    apply(install(record), RemoveSa{record.inbound_spi, true}, RemoveSa{record.inbound_spi});
    receive(peer.seal(4, in_));
    EXPECT_TRUE(driver_.take_inner().empty());
    wait(2 * drain_time);
}

TEST_F(ForwarderTest, EqualAgeIsDecidedBySpi) {
    for (const std::uint32_t spi : {0x2000U, 0x4000U, 0x3000U}) {
        apply(install(record_at(spi, 5)), grant(EspSpi(spi), 1, many));
    }
    send(out_);
    EXPECT_EQ(wire::esp::read_header(driver_.take_outer()[0].packet.bytes())->spi, EspSpi(0x4001));
}

TEST_F(ForwarderTest, AnOlderSaSendsWhatTheNewestDoesNotCover) {
    auto narrow = record_at(0x2000, 2);
    narrow.remote_ts = esp::testing::selectors({"10.2.7.0/24"});
    const auto wide = record_at(0x1000, 1);
    apply(install(narrow), grant(narrow.inbound_spi, 1, many), install(wide),
          grant(wide.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(wire::esp::read_header(driver_.take_outer()[0].packet.bytes())->spi,
              wide.outbound_spi);
}

TEST_F(ForwarderTest, DropsWithoutRouteSaOrSelector) {
    wire::ip::IpFields nowhere = near_to_far;
    nowhere.destination = esp::testing::address("10.99.0.1");
    send(datagram(nowhere, "x"));
    EXPECT_EQ(counter("drop_no_route"), 1U);
    nowhere.destination = esp::testing::address("224.0.0.22");
    send(datagram(nowhere, "x"));
    EXPECT_EQ(counter("drop_outbound_multicast"), 1U);
    send(out_);
    EXPECT_EQ(counter("drop_no_sa"), 1U);
    const auto record = make_record("aes128gcm16");
    apply(install(record), grant(record.inbound_spi, 1, many));
    wire::ip::IpFields spoofed = near_to_far;
    spoofed.source = esp::testing::address("10.99.0.1");
    send(datagram(spoofed, "x"));
    EXPECT_EQ(counter("drop_outbound_selector"), 1U);
    send(Bytes(20, 0x11));
    EXPECT_EQ(counter("drop_outbound_malformed"), 1U);
    EXPECT_TRUE(driver_.take_outer().empty());
}

TEST_F(ForwarderTest, TheSecondTunnelOfAPrefixStandsInForTheFirst) {
    auto record = make_record("aes128gcm16");
    record.tunnel = {"acme", "zz-backup"};
    apply(AddRoute{record.tunnel, *IpPrefix::parse("10.2.0.0/16")}, install(record),
          grant(record.inbound_spi, 1, many));
    send(out_);
    EXPECT_EQ(driver_.take_outer().size(), 1U) << "hq has no SA";
}

TEST_F(ForwarderTest, AccountsNeverMeet) {
    auto other = make_record("aes128gcm16", 0x5000);
    other.tunnel = {"rival", "hq"};
    const auto ours = make_record("aes256gcm16", 0x6000);
    apply(AddDomain{"rival"}, AddRoute{other.tunnel, *IpPrefix::parse("10.2.0.0/16")},
          install(other), grant(other.inbound_spi, 1, many), install(ours),
          grant(ours.inbound_spi, 1, many));
    driver_.send_inner("rival", out_);
    EXPECT_EQ(wire::esp::read_header(driver_.take_outer()[0].packet.bytes())->spi,
              other.outbound_spi);
    Peer peer(other);
    receive(peer.seal(1, in_));
    EXPECT_EQ(driver_.take_inner().at(0).account, "rival");
}

TEST_F(ForwarderTest, ExpiredSasNeitherSendNorReceive) {
    auto record = make_record("aes128gcm16");
    record.expires_at = WallTime{std::chrono::nanoseconds(10s).count()};
    apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    send(out_);
    receive(peer.seal(1, in_));
    EXPECT_EQ(driver_.take_outer().size(), 1U);
    EXPECT_EQ(driver_.take_inner().size(), 1U);
    wait(10s);
    send(out_);
    receive(peer.seal(2, in_));
    EXPECT_EQ(counter("drop_sa_expired"), 2U);
    EXPECT_TRUE(driver_.take_outer().empty());
    EXPECT_TRUE(driver_.take_inner().empty());
}

}  // namespace
}  // namespace anyswan::dataplane
