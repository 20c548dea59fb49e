// SPDX-License-Identifier: Apache-2.0
// The edge's small pure parts: steering, the fleet's view of itself, bus messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/wire/ike/message.h"
#include "edge/bus_messages.h"
#include "edge/driver_choice.h"
#include "edge/fleet_view.h"
#include "edge/steering.h"
#include "edge/troubles.h"

namespace anyswan::edge {
namespace {

using ::testing::ElementsAre;

Bytes datagram(IkeSpi initiator, IkeSpi responder, bool from_initiator) {
    wire::ike::Message message;
    message.header.initiator_spi = initiator;
    message.header.responder_spi = responder;
    message.header.exchange = wire::ike::ExchangeType::informational;
    message.header.from_initiator = from_initiator;
    return message.emit();
}

constexpr IkeSpi peers(0x1111222233334444);
constexpr IkeSpi of_edge_7(0x0007aaaabbbbcccc);

TEST(Steering, ANewInitiatorBelongsWhereItLands) {
    EXPECT_TRUE(std::holds_alternative<SteerHere>(steer(datagram(peers, IkeSpi{}, true))));
}

TEST(Steering, OurSpiIsTheRespondersOrWhereWeInitiatedTheInitiators) {
    for (const Bytes& bytes :
         {datagram(peers, of_edge_7, true), datagram(of_edge_7, peers, false)}) {
        const Steering steering = steer(bytes);
        ASSERT_TRUE(std::holds_alternative<SteerToOwner>(steering));
        EXPECT_EQ(std::get<SteerToOwner>(steering).ours, of_edge_7);
        EXPECT_EQ(edge_of(of_edge_7), EdgeId(7));
    }
}

TEST(Steering, WhatIsTooShortGoesNowhereAndWhatIsMalformedToTheEngine) {
    EXPECT_TRUE(std::holds_alternative<SteerNowhere>(steer(Bytes(27))));
    Bytes wrong_length = datagram(peers, of_edge_7, true);
    wrong_length.push_back(0);
    EXPECT_TRUE(std::holds_alternative<SteerHere>(steer(wrong_length)));
}

Heartbeat beat(const std::string& name, std::uint16_t id) {
    Heartbeat beat;
    beat.edge = name;
    beat.id = EdgeId(id);
    return beat;
}

TEST(FleetView, AnEdgeIsAliveUntilTheTimeoutAndKnownAfterIt) {
    FleetView view;
    const Instant start{};
    view.on_heartbeat(start, beat("ams", 1));
    EXPECT_TRUE(view.alive(start + alive_timeout - 1ms, EdgeId(1)));
    EXPECT_FALSE(view.alive(start + alive_timeout, EdgeId(1)));
    EXPECT_FALSE(view.alive(start, EdgeId(2)));
    ASSERT_EQ(view.members(start + 1h).size(), 1U);
    EXPECT_FALSE(view.members(start + 1h)[0].alive);
}

TEST(FleetView, AnEdgeThatWasSilentThoughItLivedReturns) {
    FleetView view;
    Heartbeat first = beat("ams", 1);
    first.incarnation = Incarnation(5);
    const Instant start{};
    EXPECT_EQ(view.on_heartbeat(start, first), Returned::yes) << "it may have lived for long";
    EXPECT_EQ(view.on_heartbeat(start + 300ms, first), Returned::no);
    EXPECT_EQ(view.on_heartbeat(start + 300ms + alive_timeout, first), Returned::yes);
    Heartbeat next_life = first;
    next_life.incarnation = Incarnation(6);
    EXPECT_EQ(view.on_heartbeat(start + 300ms + alive_timeout, next_life), Returned::yes);
}

TEST(FleetView, AnEdgeOnlyInTheStoreIsListedAsGone) {
    FleetView view;
    sa::EdgeRecord record;
    record.name = "sfo";
    record.id = EdgeId(3);
    view.on_record(record);
    ASSERT_EQ(view.members(Instant{} + 1h).size(), 1U);
    EXPECT_FALSE(view.alive(Instant{}, EdgeId(3)));
    view.on_heartbeat(Instant{} + 1h, beat("sfo", 3));
    view.on_record(record);
    EXPECT_TRUE(view.alive(Instant{} + 1h, EdgeId(3)));
}

TEST(BusMessages, EachFormSurvivesTheWay) {
    Heartbeat sent = beat("ams", 1);
    sent.incarnation = Incarnation(77);
    sent.address = *IpAddress::parse("203.0.113.7");
    sent.in_step = true;
    sent.applied = Revision(9);
    sent.lag_ms = -3;
    const auto heard = decode(encode(sent));
    ASSERT_TRUE(heard && std::holds_alternative<Heartbeat>(*heard));
    EXPECT_EQ(std::get<Heartbeat>(*heard).incarnation, Incarnation(77));
    EXPECT_EQ(std::get<Heartbeat>(*heard).lag_ms, -3);
    EXPECT_TRUE(std::get<Heartbeat>(*heard).in_step);

    const auto lease = decode(encode(LeaseTaken{EspSpi(5), EdgeId(2), Incarnation(3), Epoch(4)}));
    EXPECT_EQ(std::get<LeaseTaken>(*lease).epoch, Epoch(4));
    EXPECT_EQ(std::get<AskSpi>(*decode(encode(AskSpi{EspSpi(6)}))).inbound_spi, EspSpi(6));
    EXPECT_EQ(std::get<Tell>(*decode(encode(Tell{"child/1", {1, 2}}))).envelope, (Bytes{1, 2}));

    const std::vector<TrafficRow> rows{{EspSpi(1), 1ULL << 40U, 2, 3, 4, true}, {EspSpi(2)}};
    const auto traffic = decode(encode(Traffic{rows}));
    EXPECT_EQ(std::get<Traffic>(*traffic).rows, rows);

    const std::vector<MarkRow> marks{{EspSpi(1), {SequenceNumber(1ULL << 40U), SequenceNumber(7)}},
                                     {EspSpi(2), {}}};
    const auto told = decode(encode(Marks{EdgeId(3), marks, true}));
    EXPECT_EQ(std::get<Marks>(*told).rows, marks);
    EXPECT_EQ(std::get<Marks>(*told).from, EdgeId(3));
    EXPECT_TRUE(std::get<Marks>(*told).answer_complete);
    EXPECT_EQ(std::get<AskMarks>(*decode(encode(AskMarks{EdgeId(4)}))).asker, EdgeId(4));
    EXPECT_TRUE(std::get<AskMarks>(*decode(encode(AskMarks{EdgeId(4), true}))).only_own);

    const Endpoint v6{*IpAddress::parse("2001:db8::1"), 4500};
    const auto relayed = decode(encode(RelayedIke{v6, v6, {9, 8, 7}}));
    EXPECT_EQ(std::get<RelayedIke>(*relayed).remote, v6);
    EXPECT_EQ(std::get<RelayedIke>(*relayed).bytes, (Bytes{9, 8, 7}));
}

TEST(BusMessages, WhatIsNotUnderstoodIsNothing) {
    EXPECT_FALSE(decode({}).has_value());
    EXPECT_FALSE(decode(as_bytes("no cbor at all")).has_value());
    Bytes cut = encode(AskSpi{EspSpi(6)});
    for (std::size_t size = 0; size < cut.size(); ++size) {
        EXPECT_FALSE(decode(ByteView(cut).first(size)).has_value()) << size;
    }
}

TEST(BusMessages, NumbersThatAreNoEdgeAreNothing) {
    const std::string good = to_string(encode(Marks{EdgeId(3), {}, false}));
    const std::string from = "dfrom";  // CBOR: a text of four bytes
    ASSERT_EQ(good.at(good.find(from) + from.size()), 3);
    for (const std::string number :
         {"\x1a\xff\xff\xff\xff", "\x20", "\xfa\x7f\x7f\xff\xff", "\xf9\x7e\x01", "\xf5"}) {
        std::string bad = good;
        bad.replace(bad.find(from) + from.size(), 1, number);
        EXPECT_FALSE(decode(as_bytes(bad)).has_value()) << to_hex(as_bytes(number));
    }
}

TEST(Troubles, AreAnEdgesLastWordUntilItIsSilent) {
    Troubles troubles;
    const Instant start{};
    troubles.on_report(start, {"sin", {{EspSpi(1), "no such cipher"}, {EspSpi(2), "full"}}});
    troubles.on_report(start, {"ams", {{EspSpi(1), "no memory"}}});
    EXPECT_THAT(troubles.of(start, EspSpi(1)),
                ElementsAre(TroubleElsewhere{"ams", "no memory"},
                            TroubleElsewhere{"sin", "no such cipher"}));
    troubles.on_report(start + 1s, {"sin", {{EspSpi(1), "no such cipher"}}});
    EXPECT_TRUE(troubles.of(start + 1s, EspSpi(2)).empty()) << "it could, later";
    troubles.on_report(start + 2s, {"sin", {}});
    EXPECT_EQ(troubles.of(start + 2s, EspSpi(1)).size(), 1U);
    EXPECT_TRUE(troubles.of(start + trouble_timeout, EspSpi(1)).empty()) << "ams is silent";
}

TEST(Troubles, TravelOverTheBus) {
    const auto told =
        std::get<SaTroubles>(*decode(encode(SaTroubles{"sin", {{EspSpi(9), "why"}}})));
    EXPECT_EQ(told.edge, "sin");
    EXPECT_THAT(told.rows, ElementsAre(SaTrouble{EspSpi(9), "why"}));
}

TEST(DriverChoice, AutoTakesTheBestThatTheKernelCanDo) {
    using dataplane::xfrm::Mode;
    EXPECT_EQ(driver_for(Mode::interface), config::DataplaneType::xfrm);
    EXPECT_EQ(driver_for(Mode::policies), config::DataplaneType::xfrm_policies);
    EXPECT_EQ(driver_for(std::nullopt), config::DataplaneType::userspace);
}

}  // namespace
}  // namespace anyswan::edge
