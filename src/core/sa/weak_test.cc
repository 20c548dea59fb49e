// SPDX-License-Identifier: Apache-2.0
#include "core/sa/weak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyswan::sa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

crypto::IkeSuite ike(std::string_view text) {
    return *crypto::parse_ike_suite(text);
}
crypto::EspSuite esp(std::string_view text) {
    return *crypto::parse_esp_suite(text);
}

TEST(Weak, EachPartOfASuiteIsLookedAt) {
    EXPECT_THAT(weak_words(ike("aes256gcm16-prfsha384-ecp384")), IsEmpty());
    EXPECT_THAT(weak_words(ike("aes256gcm16-prfsha1-ecp384")), ElementsAre("sha1"));
    EXPECT_THAT(weak_words(ike("aes256-sha1-prfsha256-ecp384")), ElementsAre("sha1"));
    EXPECT_THAT(weak_words(ike("aes256-sha1-modp1536")), ElementsAre("sha1", "modp1536"));
    EXPECT_THAT(weak_words(ike("aes256gcm16-prfsha256-x25519-ke1_modp1536")),
                ElementsAre("modp1536"));
    EXPECT_THAT(weak_words(esp("aes256-sha256-modp1536")), ElementsAre("modp1536"));
    EXPECT_THAT(weak_words(esp("null-sha1")), ElementsAre("null", "sha1"));
    EXPECT_THAT(weak_words(esp("aes128gcm16-esn")), IsEmpty());
}

TEST(Weak, OnlyATunnelThatSaysSoHasThem) {
    TunnelRecord tunnel;
    tunnel.id = {"acme", "hq"};
    tunnel.ike_suites = {ike("aes256-sha1-modp1536"), ike("aes256gcm16-prfsha256-x25519")};
    tunnel.esp_suites = {esp("null-sha1"), esp("null-sha256"), esp("aes256gcm16")};
    EXPECT_THAT(ike_suites_of(tunnel), ElementsAre(ike("aes256gcm16-prfsha256-x25519")));
    EXPECT_THAT(esp_suites_of(tunnel), ElementsAre(esp("aes256gcm16")));
    EXPECT_THAT(warnings(tunnel), IsEmpty());
    // Every word of a suite is needed.
    tunnel.allow_weak = {"sha1"};
    EXPECT_THAT(ike_suites_of(tunnel), ElementsAre(ike("aes256gcm16-prfsha256-x25519")));
    tunnel.allow_weak = {"sha1", "modp1536", "null"};
    EXPECT_EQ(ike_suites_of(tunnel), tunnel.ike_suites);
    EXPECT_EQ(esp_suites_of(tunnel), tunnel.esp_suites);
    EXPECT_THAT(warnings(tunnel),
                ElementsAre(HasSubstr("tunnel acme/hq allows HMAC-SHA1-96 and PRF_HMAC_SHA1"),
                            HasSubstr("group 5"), HasSubstr("ENCR_NULL")));
}

TEST(Weak, EveryWordOfASuiteHasASentence) {
    for (const char* word : {"sha1", "modp1536", "null", weak_sha1_signatures}) {
        EXPECT_NE(weakness_of(word), nullptr) << word;
    }
    EXPECT_EQ(weakness_of("md5"), nullptr);
}

}  // namespace
}  // namespace anyswan::sa
