// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"
#include "core/route/prefix_table.h"
#include "core/route/route_table.h"

namespace anyswan::route {
namespace {

IpPrefix prefix(std::string_view text) {
    return *IpPrefix::parse(text);
}
IpAddress address(std::string_view text) {
    return *IpAddress::parse(text);
}

TEST(PrefixTable, LongestPrefixWins) {
    PrefixTable<int> table;
    table.at_or_insert(prefix("0.0.0.0/0")) = 1;
    table.at_or_insert(prefix("10.0.0.0/8")) = 2;
    table.at_or_insert(prefix("10.1.0.0/16")) = 3;
    table.at_or_insert(prefix("10.1.2.3/32")) = 4;
    EXPECT_EQ(*table.lookup(address("192.0.2.1")), 1);
    EXPECT_EQ(*table.lookup(address("10.2.0.1")), 2);
    EXPECT_EQ(*table.lookup(address("10.1.2.4")), 3);
    EXPECT_EQ(*table.lookup(address("10.1.2.3")), 4);
    EXPECT_TRUE(table.erase(prefix("10.1.2.3/32")));
    EXPECT_FALSE(table.erase(prefix("10.1.2.3/32")));
    EXPECT_EQ(*table.lookup(address("10.1.2.3")), 3);
    EXPECT_EQ(table.size(), 3U);
}

TEST(PrefixTable, FamiliesDontMix) {
    PrefixTable<int> table;
    table.at_or_insert(prefix("::/0")) = 6;
    EXPECT_EQ(table.lookup(address("10.0.0.1")), nullptr);
    table.at_or_insert(prefix("0.0.0.0/0")) = 4;
    EXPECT_EQ(*table.lookup(address("0.0.0.0")), 4);
    EXPECT_EQ(*table.lookup(address("::")), 6);
}

TEST(PrefixTable, Ipv6BothSidesOfTheWordBoundary) {
    PrefixTable<int> table;
    for (const char* text :
         {"2001:db8::/63", "2001:db8::/64", "2001:db8::/65", "2001:db8::1/128"}) {
        table.at_or_insert(prefix(text)) = prefix(text).length;
    }
    EXPECT_EQ(*table.lookup(address("2001:db8:0:1::1")), 63);
    EXPECT_EQ(*table.lookup(address("2001:db8::8000:0:0:1")), 64);
    EXPECT_EQ(*table.lookup(address("2001:db8::2")), 65);
    EXPECT_EQ(*table.lookup(address("2001:db8::1")), 128);
}

IpAddress random_address(Random& random, bool v6) {
    // Few distinct high bits, so that prefixes nest and overlap.
    Bytes bytes(v6 ? 16 : 4);
    for (std::uint8_t& byte : bytes) {
        byte = static_cast<std::uint8_t>(random.below(3) * 0x55);
    }
    return *IpAddress::from_bytes(bytes);
}

IpPrefix random_prefix(Random& random, bool v6) {
    const IpAddress base = random_address(random, v6);
    const auto length = static_cast<std::uint8_t>(random.below(base.bit_length() + 1));
    Bytes bytes = to_bytes(base.bytes());
    for (unsigned bit = length; bit < base.bit_length(); ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    return {*IpAddress::from_bytes(bytes), length};
}

TEST(PrefixTable, AgreesWithBruteForce) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        PrefixTable<int> table;
        std::map<IpPrefix, int> model;
        for (int step = 0; step < 400; ++step) {
            const bool v6 = random.below(2) == 1;
            const IpPrefix one = random_prefix(random, v6);
            if (random.below(4) == 0) {
                EXPECT_EQ(table.erase(one), model.erase(one) == 1);
            } else {
                table.at_or_insert(one) = step;
                model[one] = step;
            }
            const IpAddress probe = random_address(random, random.below(2) == 1);
            const int* expected = nullptr;
            int best = -1;
            for (const auto& [candidate, value] : model) {
                if (candidate.contains(probe) && candidate.length > best) {
                    best = candidate.length;
                    expected = &value;
                }
            }
            const int* found = table.lookup(probe);
            ASSERT_EQ(found == nullptr, expected == nullptr) << probe.to_string();
            if (found != nullptr) {
                ASSERT_EQ(*found, *expected) << probe.to_string();
            }
            ASSERT_EQ(table.size(), model.size());
        }
    }
}

TEST(RouteTable, SeveralTunnelsShareAPrefix) {
    RouteTable<std::string> table;
    const std::string hq = "hq";
    const std::string backup = "backup";
    EXPECT_TRUE(table.add(hq, prefix("10.1.0.0/16")));
    EXPECT_FALSE(table.add(hq, prefix("10.1.0.0/16"))) << "the same route again";
    EXPECT_TRUE(table.add(backup, prefix("10.1.0.0/16")));
    EXPECT_EQ(*table.lookup(address("10.1.0.1")), (std::vector{backup, hq})) << "by name";
    EXPECT_TRUE(table.remove(backup, prefix("10.1.0.0/16")));
    EXPECT_FALSE(table.remove(backup, prefix("10.1.0.0/16")));
    EXPECT_EQ(*table.lookup(address("10.1.0.1")), (std::vector{hq}));
    EXPECT_TRUE(table.has(prefix("10.1.0.0/16")));
    EXPECT_TRUE(table.remove(hq, prefix("10.1.0.0/16")));
    EXPECT_FALSE(table.has(prefix("10.1.0.0/16")));
    EXPECT_EQ(table.lookup(address("10.1.0.1")), nullptr);
    EXPECT_EQ(table.prefix_count(), 0U);
}

}  // namespace
}  // namespace anyswan::route
