// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/suites.h"

#include <gtest/gtest.h>

namespace anyswan::crypto {
namespace {

constexpr CipherSuite gcm128{EncrId::aes_gcm_16, 128, IntegId::none};
constexpr CipherSuite gcm256{EncrId::aes_gcm_16, 256, IntegId::none};
constexpr CipherSuite chacha{EncrId::chacha20_poly1305, 0, IntegId::none};
constexpr CipherSuite cbc256{EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128};

TEST(Suites, IkeWordsNameTheSuite) {
    const std::vector<std::pair<std::string, IkeSuite>> table{
        {"aes256gcm16-prfsha384-ecp384", {gcm256, PrfId::hmac_sha2_384, KeMethod::ecp384}},
        {"chacha20poly1305-prfsha256-x25519", {chacha, PrfId::hmac_sha2_256, KeMethod::curve25519}},
        {"aes256-sha256-modp2048", {cbc256, PrfId::hmac_sha2_256, KeMethod::modp2048}},
        {"aes256-sha256-prfsha512-ecp256", {cbc256, PrfId::hmac_sha2_512, KeMethod::ecp256}},
        {"aes256gcm16-prfsha512-mlkem1024", {gcm256, PrfId::hmac_sha2_512, KeMethod::ml_kem_1024}},
        {"aes256gcm16-prfsha512-x448", {gcm256, PrfId::hmac_sha2_512, KeMethod::curve448}},
        {"aes128-sha1-modp1536",
         {{EncrId::aes_cbc, 128, IntegId::hmac_sha1_96}, PrfId::hmac_sha1, KeMethod::modp1536}},
    };
    for (const auto& [text, suite] : table) {
        EXPECT_EQ(parse_ike_suite(text), suite) << text;
        EXPECT_EQ(to_string(suite), text);
    }
}

TEST(Suites, EspWordsNameTheSuite) {
    const std::vector<std::pair<std::string, EspSuite>> table{
        {"aes128gcm16", {gcm128, SnId::sequential_32, KeMethod::none}},
        {"aes128gcm16-x25519", {gcm128, SnId::sequential_32, KeMethod::curve25519}},
        {"aes256-sha256-esn", {cbc256, SnId::partially_transmitted_64, KeMethod::none}},
        {"chacha20poly1305-ecp521-esn", {chacha, SnId::partially_transmitted_64, KeMethod::ecp521}},
        {"aes128gcm16-unspecified32", {gcm128, SnId::unspecified_32, KeMethod::none}},
    };
    for (const auto& [text, suite] : table) {
        EXPECT_EQ(parse_esp_suite(text), suite) << text;
        EXPECT_EQ(to_string(suite), text);
    }
}

TEST(Suites, OtherSpellingsAndOrdersAreUnderstood) {
    EXPECT_EQ(parse_ike_suite("curve25519-prfsha256-aes128gcm128"),
              parse_ike_suite("aes128gcm16-prfsha256-x25519"));
    EXPECT_EQ(parse_ike_suite("aes-sha2_512-modp4096"), parse_ike_suite("aes128-sha512-modp4096"));
    EXPECT_EQ(parse_esp_suite("aes128gcm16-noesn"), parse_esp_suite("aes128gcm16"));
}

TEST(Suites, IncompleteOrContradictoryTextIsRefused) {
    for (const char* text :
         {"", "-", "aes256gcm16", "aes256gcm16-ecp384", "aes256gcm16-sha384-ecp384",
          "aes256-modp2048", "aes256-prfsha256-modp2048", "aes256-sha256", "sha256-modp2048",
          "aes256-sha256-modp2048-", "aes256--sha256-modp2048", "AES256-sha256-modp2048",
          "aes256-sha256-modp2048-modp2048", "aes256-sha256-sha1-modp2048",
          "aes256-sha256-modp2048-esn", "aes256-md5-modp1024", "3des-sha1-modp2048"}) {
        EXPECT_EQ(parse_ike_suite(text), std::nullopt) << text;
    }
    for (const char* text : {"", "aes128gcm16-prfsha256", "aes256", "aes128gcm16-sha256", "null",
                             "aes128gcm16-esn-noesn", "aes128gcm16-mlkem769"}) {
        EXPECT_EQ(parse_esp_suite(text), std::nullopt) << text;
    }
}

TEST(Suites, AdditionalKeyExchangesHaveNumberedWords) {
    IkeSuite ike{gcm256, PrfId::hmac_sha2_384, KeMethod::curve25519, {}};
    ike.additional[0] = KeMethod::ml_kem_768;
    EXPECT_EQ(to_string(ike), "aes256gcm16-prfsha384-x25519-ke1_mlkem768");
    EXPECT_EQ(parse_ike_suite(to_string(ike)), ike);
    EXPECT_NE(parse_ike_suite("aes256gcm16-prfsha384-x25519"), ike);
    ike.additional[1] = KeMethod::ecp384;
    ike.additional[6] = KeMethod::ml_kem_1024;
    EXPECT_EQ(parse_ike_suite("ke7_mlkem1024-aes256gcm16-ke2_ecp384-prfsha384-x25519-ke1_mlkem768"),
              ike);
    EXPECT_TRUE(supported(ike));
    EXPECT_EQ(additional_of(ike.additional),
              (std::vector{KeMethod::ml_kem_768, KeMethod::ecp384, KeMethod::ml_kem_1024}));
    const EspSuite esp = *parse_esp_suite("aes256gcm16-esn-x25519-ke1_mlkem768");
    EXPECT_EQ(to_string(esp), "aes256gcm16-x25519-ke1_mlkem768-esn");
}

TEST(Suites, AMethodMayComeTwiceOnlyIfOneIsTheFirst) {
    // RFC 9370 2.2.1 speaks of the additional ones alone.
    EXPECT_TRUE(parse_ike_suite("aes256-sha256-mlkem768-ke1_mlkem768"));
    IkeSuite suite = *parse_ike_suite("aes256-sha256-x25519-ke1_mlkem768-ke2_ecp256");
    suite.additional[1] = suite.additional[0];
    EXPECT_FALSE(supported(suite));
}

TEST(Suites, RefusalsNameTheWord) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"aes256gcm17-prfsha384-x25519", "unknown word \"aes256gcm17\""},
        {"aes256gcm16-prfsha384-x25519-ke8_mlkem768", "unknown word \"ke8_mlkem768\""},
        {"aes256gcm16-prfsha384-x25519-ke0_mlkem768", "unknown word \"ke0_mlkem768\""},
        {"aes256gcm16-prfsha384-x25519-ke1_", "unknown word \"ke1_\""},
        {"aes256gcm16-prfsha384-x25519-ke1_mlkem", "unknown word \"ke1_mlkem\""},
        {"aes256gcm16-prfsha384-x25519-ke1_ecp256-ke1_ecp384",
         "\"ke1_ecp384\" is one too many of its kind"},
        {"aes256gcm16-prfsha384-x25519-ke1_ecp256-ke3_ecp256",
         "\"ecp256\" comes twice among the additional key exchanges"},
        {"aes256gcm16-prfsha384-x25519-esn", "\"esn\" is for ESP suites"},
        {"aes256gcm16-sha256-x25519",
         "\"aes256gcm16\" brings its own integrity; leave out \"sha256\""},
        {"aes256-prfsha256-x25519", "\"aes256\" needs an integrity word like \"sha256\""},
        {"aes256gcm16-prfsha384", "it names no key exchange like \"x25519\""},
        {"aes256gcm16-x25519", "it names no PRF like \"prfsha256\""},
        {"prfsha256-x25519", "it names no cipher"},
        {"null-sha256-x25519", "\"null\" is for ESP suites; IKE is always encrypted"},
    };
    for (const auto& [text, why] : table) {
        const auto suite = read_ike_suite(text);
        ASSERT_FALSE(suite) << text;
        EXPECT_EQ(suite.error().message, why) << text;
    }
    EXPECT_EQ(read_esp_suite("aes256gcm16-ke1_mlkem768").error().message,
              "additional key exchanges need a first one like \"x25519\"");
    EXPECT_EQ(read_esp_suite("aes256gcm16-prfsha256").error().message,
              "\"prfsha256\" is for IKE suites");
}

TEST(Suites, UnknownNumbersStillPrint) {
    EXPECT_EQ(to_string(CipherSuite{EncrId::triple_des, 0, IntegId{7}}), "encr#3-integ#7");
    EXPECT_EQ(to_string(IkeSuite{gcm128, PrfId{99}, KeMethod{99}}), "aes128gcm16-prf#99-ke#99");
}

TEST(Suites, SizesFollowTheRfcs) {
    struct Row {
        CipherSuite suite;
        std::size_t encr_key, integ_key, iv, icv, block;
    };
    const Row rows[] = {
        {gcm128, 20, 0, 8, 16, 1},  // RFC 4106
        {{EncrId::aes_gcm_16, 192, IntegId::none}, 28, 0, 8, 16, 1},
        {gcm256, 36, 0, 8, 16, 1},
        {chacha, 36, 0, 8, 16, 1},  // RFC 7634
        {cbc256, 32, 32, 16, 16, 16},
        {{EncrId::aes_cbc, 128, IntegId::hmac_sha1_96}, 16, 20, 16, 12, 16},       // RFC 2404
        {{EncrId::aes_cbc, 192, IntegId::hmac_sha2_384_192}, 24, 48, 16, 24, 16},  // RFC 4868
        {{EncrId::aes_cbc, 256, IntegId::hmac_sha2_512_256}, 32, 64, 16, 32, 16},
        {{EncrId::null, 0, IntegId::hmac_sha2_256_128}, 0, 32, 0, 16, 1},  // RFC 2410
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(to_string(row.suite));
        EXPECT_EQ(encr_key_size(row.suite), row.encr_key);
        EXPECT_EQ(integ_key_size(row.suite), row.integ_key);
        EXPECT_EQ(iv_size(row.suite), row.iv);
        EXPECT_EQ(icv_size(row.suite), row.icv);
        EXPECT_EQ(block_size(row.suite), row.block);
    }
    EXPECT_EQ(prf_key_size(PrfId::hmac_sha1), 20U);
    EXPECT_EQ(prf_output_size(PrfId::hmac_sha2_384), 48U);
}

TEST(Suites, UnsupportedIsSaid) {
    EXPECT_FALSE(supported(CipherSuite{EncrId::aes_gcm_16, 0, IntegId::none}));
    EXPECT_FALSE(supported(CipherSuite{EncrId::aes_gcm_16, 256, IntegId::hmac_sha2_256_128}));
    EXPECT_FALSE(supported(CipherSuite{EncrId::chacha20_poly1305, 256, IntegId::none}));
    EXPECT_FALSE(supported(CipherSuite{EncrId::aes_cbc, 256, IntegId::none}));
    EXPECT_FALSE(supported(CipherSuite{EncrId::null, 0, IntegId::none}));
    EXPECT_FALSE(supported(CipherSuite{EncrId::null, 128, IntegId::hmac_sha1_96}));
    EXPECT_FALSE(supported(IkeSuite{{EncrId::null, 0, IntegId::hmac_sha2_256_128},
                                    PrfId::hmac_sha2_256,
                                    KeMethod::curve25519}));
    EXPECT_FALSE(supported(CipherSuite{EncrId{4711}, 128, IntegId::none}));
    EXPECT_FALSE(supported(PrfId::none));
    EXPECT_FALSE(supported(KeMethod::none));
    EXPECT_TRUE(supported(KeMethod::ml_kem_768));  // else CMake has warned
    EXPECT_FALSE(supported(KeMethod{2}));
}

}  // namespace
}  // namespace anyswan::crypto
