// SPDX-License-Identifier: Apache-2.0
#include "core/sa/records.h"

#include <gtest/gtest.h>

namespace anyswan::sa {
namespace {

TEST(TunnelId, TakesTwoNames) {
    const auto id = TunnelId::parse("acme/hq-1");
    ASSERT_TRUE(id.has_value());
    EXPECT_EQ(id->account, "acme");
    EXPECT_EQ(id->name, "hq-1");
    EXPECT_EQ(id->to_string(), "acme/hq-1");
    EXPECT_TRUE(TunnelId::parse(std::string(63, 'a') + "/" + std::string(63, '9')));
}

TEST(TunnelId, RefusesAnythingElse) {
    for (const std::string& text :
         {std::string(), std::string("acme"), std::string("/"), std::string("acme/"),
          std::string("/hq"), std::string("acme/hq/2"), std::string("Acme/hq"),
          std::string("acme/h q"), std::string("acme/h.q"), std::string("acme/h\0q", 8),
          std::string(64, 'a') + "/hq", "acme/" + std::string(64, 'b')}) {
        EXPECT_EQ(TunnelId::parse(text), std::nullopt) << text;
    }
}

TEST(Records, KeysOfTheStoreAreSpelledOnce) {
    EXPECT_EQ(tunnel_key({"acme", "hq"}), "tunnel/acme/hq");
    EXPECT_EQ(child_sa_key(EspSpi(0x1a2b3)), "child/0001a2b3");
    EXPECT_EQ(endpoint_key(IkeSpi(0x1)), "endpoint/0000000000000001");
    EXPECT_EQ(edge_key("fra-1"), "edge/fra-1");
    EXPECT_EQ(ike_sa_key(IkeSpi(0xffeeddccbbaa9988)), "ike/ffeeddccbbaa9988");
    EXPECT_EQ(incarnation_key(Incarnation(17)), "incarnation/17");
    EXPECT_EQ(spi_block_key(4711), "spi-block/4711");
    EXPECT_EQ(sequence_lease_key(EspSpi(0xdeadbeef)), "sequence/deadbeef");
}

TEST(Records, SenderRulesHaveTheirWords) {
    EXPECT_EQ(name(SenderRule::automatic), "auto");
    EXPECT_EQ(name(SenderRule::pinned), "pinned");
    EXPECT_EQ(name(SenderRule::spread), "spread");
    EXPECT_EQ(name(SenderRule::per_edge), "per-edge");
}

}  // namespace
}  // namespace anyswan::sa
