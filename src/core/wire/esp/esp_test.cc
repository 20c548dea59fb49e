// SPDX-License-Identifier: Apache-2.0
#include "core/wire/esp/esp.h"

#include <gtest/gtest.h>

namespace anyswan::wire::esp {
namespace {

TEST(EspHeader, ReadsAndWrites) {
    const Bytes packet = *from_hex("8ca5fda300000005ff");
    const auto header = read_header(packet);
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(*header, (Header{EspSpi(0x8ca5fda3), 5}));
    Bytes out(8);
    write_header(out, *header);
    EXPECT_TRUE(equal(out, ByteView(packet).first(8)));
    EXPECT_FALSE(read_header(ByteView(packet).first(7)).has_value());
}

TEST(Natt, TellsTheThreeKindsApart) {
    EXPECT_EQ(classify_natt(*from_hex("ff")), Natt::keepalive);
    EXPECT_EQ(classify_natt(*from_hex("00000000")), Natt::ike);
    EXPECT_EQ(classify_natt(*from_hex("00000000aabb")), Natt::ike);
    EXPECT_EQ(classify_natt(*from_hex("0000010000000001")), Natt::esp);
    for (const char* runt : {"", "fe", "ffff", "000000", "00000100000000"}) {
        EXPECT_EQ(classify_natt(*from_hex(runt)), Natt::runt) << runt;
    }
}

TEST(Natt, IkeGoesOutBehindTheMarkerAndNothingAsAKeepalive) {
    EXPECT_EQ(ike_in_udp(*from_hex("aabb"), true), *from_hex("00000000aabb"));
    EXPECT_EQ(ike_in_udp(*from_hex("aabb"), false), *from_hex("aabb"));
    EXPECT_EQ(ike_in_udp({}, true), *from_hex("ff"));
}

}  // namespace
}  // namespace anyswan::wire::esp
