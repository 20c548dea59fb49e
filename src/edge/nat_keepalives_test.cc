// SPDX-License-Identifier: Apache-2.0
#include "edge/nat_keepalives.h"

#include <gtest/gtest.h>

namespace anyswan::edge {
namespace {

const NatKeepalives::Path path{{*IpAddress::parse("10.9.0.2"), 4500},
                               {*IpAddress::parse("192.0.2.1"), 4500}};
const NatKeepalives::Path elsewhere{{*IpAddress::parse("10.9.0.2"), 4500},
                                    {*IpAddress::parse("192.0.2.2"), 4500}};

sa::EndpointRecord endpoint(std::uint64_t spi, const NatKeepalives::Path& where, bool behind_nat) {
    return {IkeSpi(spi), where.local, where.remote, true, false, behind_nat};
}

constexpr Instant start{100s};

TEST(NatKeepalives, OneIsDueWhenNothingWasSentForTheInterval) {
    NatKeepalives keepalives(20s);
    keepalives.on_endpoint(start, endpoint(1, path, true));
    EXPECT_TRUE(keepalives.due(start + 19s).empty());
    EXPECT_EQ(keepalives.due(start + 20s), std::vector{path});
    EXPECT_TRUE(keepalives.due(start + 21s).empty()) << "it was sent";
    keepalives.sent(start + 30s, path);
    keepalives.sent(start + 30s, elsewhere);  // no path of ours
    EXPECT_TRUE(keepalives.due(start + 49s).empty());
    EXPECT_EQ(keepalives.due(start + 50s), std::vector{path});
}

TEST(NatKeepalives, OnlyFromBehindANatAndOnlyIfWanted) {
    NatKeepalives keepalives(20s);
    keepalives.on_endpoint(start, endpoint(1, path, false));
    EXPECT_TRUE(keepalives.due(start + 60s).empty());
    NatKeepalives off(0s);
    off.on_endpoint(start, endpoint(1, path, true));
    EXPECT_TRUE(off.due(start + 60s).empty());
}

TEST(NatKeepalives, AMovedPathTakesThePlaceOfTheOldOneAndAnEndedOneGoes) {
    NatKeepalives keepalives(20s);
    keepalives.on_endpoint(start, endpoint(1, path, true));
    keepalives.on_endpoint(start, endpoint(1, elsewhere, true));
    EXPECT_EQ(keepalives.due(start + 20s), std::vector{elsewhere});
    keepalives.on_endpoint(start, endpoint(1, elsewhere, false));
    EXPECT_TRUE(keepalives.due(start + 60s).empty()) << "the NAT is gone";
    keepalives.on_endpoint(start, endpoint(1, path, true));
    sa::EndpointRecord ended = endpoint(1, path, true);
    ended.ended = true;
    keepalives.on_endpoint(start, ended);
    EXPECT_TRUE(keepalives.due(start + 60s).empty());
}

TEST(NatKeepalives, TwoIkeSasOnOnePathNeedOne) {
    NatKeepalives keepalives(20s);
    keepalives.on_endpoint(start, endpoint(1, path, true));
    keepalives.on_endpoint(start, endpoint(2, path, true));
    EXPECT_EQ(keepalives.due(start + 20s).size(), 1U);
    keepalives.on_endpoint(start, endpoint(1, path, false));
    EXPECT_EQ(keepalives.due(start + 40s).size(), 1U) << "the other one lives";
}

}  // namespace
}  // namespace anyswan::edge
