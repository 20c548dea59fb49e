// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/esp/test_records.h"
#include "dataplane/xfrm/contents.h"

namespace anyswan::dataplane::xfrm {
namespace {

using esp::testing::address;
using ::testing::ElementsAre;
using wire::ike::TrafficSelector;

std::string range(std::string_view first, std::string_view last) {
    std::string text;
    for (const IpPrefix& prefix : prefixes_of_range(address(first), address(last))) {
        text += (text.empty() ? "" : " ") + prefix.to_string();
    }
    return text;
}

TEST(XfrmTranslate, RangesBecomeTheFewestPrefixes) {
    EXPECT_EQ(range("10.1.0.0", "10.1.255.255"), "10.1.0.0/16");
    EXPECT_EQ(range("10.1.0.7", "10.1.0.7"), "10.1.0.7/32");
    EXPECT_EQ(range("10.1.0.1", "10.1.0.6"), "10.1.0.1/32 10.1.0.2/31 10.1.0.4/31 10.1.0.6/32");
    EXPECT_EQ(range("0.0.0.0", "255.255.255.255"), "0.0.0.0/0");
    EXPECT_EQ(range("255.255.255.254", "255.255.255.255"), "255.255.255.254/31");
    EXPECT_EQ(range("2001:db8::", "2001:db8::ffff"), "2001:db8::/112");
    EXPECT_EQ(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0");
    EXPECT_EQ(range("::1", "::2"), "::1/128 ::2/128");
}

TEST(XfrmTranslate, EncrNullIsACipherWithoutAKey) {
    const auto record = esp::testing::make_record("null-sha256");
    const auto algorithms = algorithms_of(record.suite.cipher, record.inbound);
    ASSERT_TRUE(algorithms.has_value());
    EXPECT_EQ(algorithms->cipher->name, "ecb(cipher_null)");
    EXPECT_EQ(algorithms->cipher->key.size(), 0U);
    EXPECT_EQ(algorithms->integrity->name, "hmac(sha256)");
    State state;
    state.id = {address("192.0.2.1"), EspSpi(0x1000)};
    state.source = address("192.0.2.2");
    state.algorithms = clone(*algorithms);
    const auto read = decode(encode_add(state).reveal());
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(std::get<State>(*read).algorithms, *algorithms);
}

TEST(XfrmTranslate, PairsSelectorsOfOneFamily) {
    const auto record = esp::testing::make_record("aes128gcm16");
    const auto pairs = selectors_of(record.local_ts, record.remote_ts);
    ASSERT_TRUE(pairs.has_value());
    ASSERT_EQ(pairs->size(), 2U);
    EXPECT_EQ((*pairs)[0].source.to_string(), "10.1.0.0/16");
    EXPECT_EQ((*pairs)[0].destination.to_string(), "10.2.0.0/16");
    EXPECT_EQ((*pairs)[1].source.to_string(), "2001:db8:1::/48");
}

TEST(XfrmTranslate, PortsBecomeMasks) {
    const TrafficSelector any{.first = address("10.1.0.0"), .last = address("10.1.255.255")};
    TrafficSelector ports{17, 53, 54, address("10.2.0.1"), address("10.2.0.1")};
    const auto pairs = selectors_of(std::vector{any}, std::vector{ports});
    ASSERT_TRUE(pairs.has_value());
    ASSERT_EQ(pairs->size(), 2U);
    EXPECT_EQ((*pairs)[0].protocol, 17);
    EXPECT_EQ((*pairs)[0].source_port_mask, 0);
    EXPECT_EQ((*pairs)[0].destination_port, 53);
    EXPECT_EQ((*pairs)[0].destination_port_mask, 0xffff);
    ports.ip_protocol = 6;
    TrafficSelector other = any;
    other.ip_protocol = 17;
    EXPECT_TRUE(selectors_of(std::vector{other}, std::vector{ports})->empty());
}

TEST(XfrmTranslate, RefusesWhatTheKernelCantMatch) {
    const TrafficSelector any{.first = address("10.1.0.0"), .last = address("10.1.255.255")};
    const TrafficSelector opaque{17, 65535, 0, address("10.2.0.1"), address("10.2.0.1")};
    const auto refused = selectors_of(std::vector{any}, std::vector{opaque});
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message.find("OPAQUE"), std::string::npos);
    const TrafficSelector echo{1, 0x0800, 0x08ff, address("10.2.0.1"), address("10.2.0.1")};
    EXPECT_FALSE(selectors_of(std::vector{any}, std::vector{echo}).has_value());
    const TrafficSelector ragged{.first = address("10.0.0.1"), .last = address("10.255.255.254")};
    EXPECT_FALSE(selectors_of(std::vector{ragged}, std::vector{ragged}).has_value());
}

TEST(XfrmTranslate, NamesAlgorithms) {
    const auto record = esp::testing::make_record("aes256-sha384");
    const auto both = algorithms_of(record.suite.cipher, record.inbound);
    ASSERT_TRUE(both.has_value());
    EXPECT_FALSE(both->aead.has_value());
    EXPECT_EQ(both->cipher->name, "cbc(aes)");
    EXPECT_EQ(both->integrity->name, "hmac(sha384)");
    EXPECT_EQ(both->integrity->icv_bits, 192U);
    const auto gcm = esp::testing::make_record("aes128gcm16");
    EXPECT_EQ(algorithms_of(gcm.suite.cipher, gcm.inbound)->aead->key.size(), 20U);
    EXPECT_EQ(modules_of(gcm.suite.cipher), "esp4 esp6 gcm seqiv");
    EXPECT_FALSE(algorithms_of(gcm.suite.cipher, {}).has_value()) << "keys of the wrong length";
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
