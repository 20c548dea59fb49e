// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <sstream>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/strong.h"

namespace anyswan {
namespace {

TEST(Bytes, HexRoundTripAndRefusals) {
    EXPECT_EQ(to_hex(*from_hex("00ff1A")), "00ff1a");
    EXPECT_FALSE(from_hex("0").has_value());
    EXPECT_FALSE(from_hex("0g").has_value());
}

TEST(Bytes, ReaderStopsAtTheEndAndConsumesNothingThen) {
    const Bytes bytes{1, 2, 3};
    Reader reader(bytes);
    EXPECT_EQ(reader.u16(), 0x0102);
    EXPECT_FALSE(reader.u16().has_value());
    EXPECT_EQ(reader.remaining(), 1U);
    EXPECT_FALSE(reader.take(2).has_value());
    EXPECT_EQ(reader.u8(), 3);
    EXPECT_TRUE(reader.empty());
}

TEST(Bytes, WriterIsBigEndian) {
    Writer writer;
    writer.u16(0);
    writer.u32(0x01020304);
    writer.u64(5);
    writer.patch_u16(0, 0xabcd);
    EXPECT_EQ(to_hex(writer.view()), "abcd010203040000000000000005");
}

TEST(Secret, PrintsStarsAndComparesByValue) {
    const Secret key = Secret::copy_of(as_bytes("top secret"));
    std::ostringstream out;
    out << key;
    EXPECT_EQ(out.str(), "***");
    EXPECT_EQ(key, key.clone());
    EXPECT_FALSE(key == Secret::copy_of(as_bytes("top secre!")));
}

TEST(Secret, WipeLeavesZeros) {
    Bytes bytes = to_bytes(std::string_view("key"));
    wipe(bytes);
    EXPECT_EQ(to_hex(bytes), "000000");
}

TEST(Random, SameSeedSameStreamAndBelowIsInRange) {
    SeededRandom a(7);
    SeededRandom b(7);
    SeededRandom c(8);
    const Bytes first = a.bytes(33);
    EXPECT_EQ(first, b.bytes(33));
    EXPECT_NE(first, c.bytes(33));
    for (int i = 0; i < 1000; ++i) {
        EXPECT_LT(a.below(3), 3U);
    }
}

TEST(IpAddress, ParsesPrintsAndOrders) {
    EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_string(), "192.0.2.1");
    EXPECT_EQ(IpAddress::parse("2001:DB8::1")->to_string(), "2001:db8::1");
    EXPECT_FALSE(IpAddress::parse("192.0.2").has_value());
    EXPECT_FALSE(IpAddress::parse("").has_value());
    EXPECT_EQ(IpAddress::v4(0xc0000201), *IpAddress::parse("192.0.2.1"));
    EXPECT_LT(*IpAddress::parse("10.0.0.1"), *IpAddress::parse("10.0.0.2"));
}

TEST(IpPrefix, RefusesHostBitsAndBadLengths) {
    EXPECT_EQ(IpPrefix::parse("10.1.0.0/16")->to_string(), "10.1.0.0/16");
    EXPECT_EQ(IpPrefix::parse("10.1.0.1")->length, 32);
    EXPECT_FALSE(IpPrefix::parse("10.1.0.1/16").has_value());
    EXPECT_FALSE(IpPrefix::parse("10.1.0.0/33").has_value());
    EXPECT_FALSE(IpPrefix::parse("10.1.0.0/").has_value());
    EXPECT_FALSE(IpPrefix::parse("10.1.0.0/8x").has_value());
}

TEST(IpPrefix, ContainsAndLast) {
    EXPECT_TRUE(IpPrefix::parse("10.2.0.0/15")->contains(*IpAddress::parse("10.3.255.1")));
    EXPECT_FALSE(IpPrefix::parse("10.2.0.0/15")->contains(*IpAddress::parse("10.4.0.0")));
    EXPECT_TRUE(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
    EXPECT_FALSE(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
    EXPECT_EQ(IpPrefix::parse("10.0.0.0/8")->last().to_string(), "10.255.255.255");
    EXPECT_EQ(IpPrefix::parse("fd00::/8")->last().to_string(),
              "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST(Expected, CarriesEitherValueOrError) {
    const Result<int> good = 7;
    const Result<int> bad = fail("no such thing");
    EXPECT_EQ(*good, 7);
    EXPECT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().message, "no such thing");
    EXPECT_DEATH((void)bad.value(), "internal error");
}

}  // namespace
}  // namespace anyswan
