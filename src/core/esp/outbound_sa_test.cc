// SPDX-License-Identifier: Apache-2.0
#include "core/esp/outbound_sa.h"

#include <gtest/gtest.h>

#include <set>

#include "core/esp/test_records.h"
#include "core/wire/esp/esp.h"

namespace anyswan::esp {
namespace {

using testing::datagram;
using testing::make_record;
using testing::near_to_far;

std::vector<Packet> packets(std::size_t count) {
    std::vector<Packet> made;
    for (std::size_t i = 0; i < count; ++i) {
        made.push_back(Packet::copy_of(datagram(near_to_far, "packet")));
    }
    return made;
}

TEST(OutboundSa, SealsABatchUntilNumbersRunOut) {
    OutboundSa sa = std::move(OutboundSa::make(make_record("aes128gcm16"))).value();
    IvAllocator ivs(Incarnation(5));
    SeededRandom random(1);
    std::vector<Packet> batch = packets(4);
    const Bytes plain = to_bytes(batch[0].bytes());
    EXPECT_EQ(sa.seal(batch, ivs, random), 0U);
    ASSERT_TRUE(sa.sequence().grant(SequenceNumber(10), SequenceNumber(12)));
    EXPECT_EQ(sa.seal(batch, ivs, random), 3U);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(*wire::esp::read_header(batch[i].bytes()),
                  (wire::esp::Header{EspSpi(0x1001), 10 + i}));
        EXPECT_EQ(load_u64(ByteView(batch[i].bytes()).subspan(8)), (5ULL << 40U) + i) << "N1";
    }
    EXPECT_TRUE(equal(batch[3].bytes(), plain)) << "left as it was";
}

TEST(OutboundSa, CbcIvsComeFromRandomness) {
    const auto first_ivs = [](std::uint64_t seed) {
        auto record = make_record("aes256-sha256");
        record.sender_rule = sa::SenderRule::spread;
        OutboundSa sa = std::move(OutboundSa::make(record)).value();
        IvAllocator ivs(Incarnation(5));
        SeededRandom random(seed);
        std::vector<Packet> batch = packets(8);
        EXPECT_EQ(sa.seal(batch, ivs, random), 8U);
        std::set<std::string> seen;
        for (const Packet& packet : batch) {
            seen.insert(to_hex(packet.bytes().subspan(8, 16)));
        }
        return seen;
    };
    const auto one = first_ivs(1);
    EXPECT_EQ(one.size(), 8U);
    EXPECT_EQ(one, first_ivs(1));
    EXPECT_NE(one, first_ivs(2));
}

TEST(OutboundSa, SpreadAndUnspecifiedNumbersNeedNoGrant) {
    auto record = make_record("aes128gcm16");
    EXPECT_EQ(sequence_rule(record), SequenceAllocator::Rule::granted);
    for (const auto rule : {sa::SenderRule::automatic, sa::SenderRule::per_edge}) {
        record.sender_rule = rule;
        EXPECT_EQ(sequence_rule(record), SequenceAllocator::Rule::granted);
    }
    record.sender_rule = sa::SenderRule::spread;
    EXPECT_EQ(sequence_rule(record), SequenceAllocator::Rule::free_running);
    EXPECT_EQ(sequence_rule(make_record("aes128gcm16-unspecified32")),
              SequenceAllocator::Rule::free_running);
}

TEST(OutboundSa, CoversItsSelectorsOnly) {
    const OutboundSa sa = std::move(OutboundSa::make(make_record("aes128gcm16"))).value();
    const auto covers = [&](const Bytes& packet) { return sa.covers(*wire::ip::parse_ip(packet)); };
    EXPECT_TRUE(covers(datagram(near_to_far, "x")));
    EXPECT_TRUE(covers(datagram(testing::near_to_far_v6, "x")));
    EXPECT_FALSE(covers(datagram(testing::far_to_near, "x")));
}

TEST(OutboundSa, RefusesKeysOfTheWrongLength) {
    auto record = make_record("aes128gcm16");
    record.outbound.encr = testing::key_of(1, 36);
    const auto made = OutboundSa::make(record);
    ASSERT_FALSE(made.has_value());
    EXPECT_NE(made.error().message.find("aes128gcm16"), std::string::npos);
}

}  // namespace
}  // namespace anyswan::esp
