// SPDX-License-Identifier: Apache-2.0
// Packet ciphers: Wycheproof for the AEADs, ESP packets of a real strongSwan pair for every suite
// they cover, and each part of a packet altered in turn.
#include "core/crypto/crypto.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::crypto {
namespace {

using vectors::hex_field;

const CipherSuite all_suites[] = {
    {EncrId::aes_gcm_16, 128, IntegId::none},
    {EncrId::aes_gcm_16, 192, IntegId::none},
    {EncrId::aes_gcm_16, 256, IntegId::none},
    {EncrId::chacha20_poly1305, 0, IntegId::none},
    {EncrId::aes_cbc, 128, IntegId::hmac_sha1_96},
    {EncrId::aes_cbc, 192, IntegId::hmac_sha2_384_192},
    {EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128},
    {EncrId::aes_cbc, 256, IntegId::hmac_sha2_512_256},
    {EncrId::null, 0, IntegId::hmac_sha2_256_128},
};

std::unique_ptr<Cipher> made(const CipherSuite& suite, ByteView encr_key, ByteView integ_key) {
    auto made = Cipher::make(suite, encr_key, integ_key);
    EXPECT_TRUE(made.has_value());
    return std::move(made).value();
}

/// A cipher with random keys, and a packet it has sealed.
struct Sealed {
    Sealed(const CipherSuite& suite_, std::size_t text_size, Random& random)
        : suite(suite_),
          encr_key(random.bytes(encr_key_size(suite_))),
          integ_key(random.bytes(integ_key_size(suite_))),
          cipher(made(suite_, encr_key, integ_key)),
          iv(random.bytes(iv_size(suite_))),
          aad(random.bytes(8)),
          trailer(is_aead(suite_.encr) ? Bytes{} : random.bytes(4)),
          plain(random.bytes(text_size)),
          text(plain),
          icv(icv_size(suite_)) {
        cipher->seal(iv, aad, trailer, text, icv);
    }
    /// Whether a copy of the packet opens, and to what.
    bool opens() {
        opened = text;
        return cipher->open(iv, aad, trailer, opened, icv);
    }

    CipherSuite suite;
    Bytes encr_key, integ_key;
    std::unique_ptr<Cipher> cipher;
    Bytes iv, aad, trailer, plain, text, icv, opened;
};

TEST(Cipher, WhatIsSealedOpens) {
    SeededRandom random(11);
    for (const CipherSuite& suite : all_suites) {
        SCOPED_TRACE(to_string(suite));
        const std::size_t block = std::max<std::size_t>(block_size(suite), 1);
        for (const std::size_t blocks : {0U, 1U, 2U, 5U, 64U, 90U}) {
            Sealed packet(suite, blocks * block, random);
            const bool in_clear = packet.plain.empty() || suite.encr == EncrId::null;
            EXPECT_EQ(packet.text == packet.plain, in_clear);
            ASSERT_TRUE(packet.opens());
            EXPECT_EQ(packet.opened, packet.plain);
        }
    }
}

TEST(Cipher, ServesManyPacketsInBothDirections) {
    SeededRandom random(12);
    for (const CipherSuite& suite : all_suites) {
        SCOPED_TRACE(to_string(suite));
        Sealed first(suite, 64, random);
        const auto other = made(suite, first.encr_key, first.integ_key);
        for (int i = 0; i < 20; ++i) {
            const Bytes iv = random.bytes(iv_size(suite));
            const Bytes plain = random.bytes(std::size_t{16} * (1 + static_cast<unsigned>(i)));
            Bytes text = plain;
            Bytes icv(icv_size(suite));
            (i % 2 == 0 ? first.cipher : other)->seal(iv, first.aad, {}, text, icv);
            EXPECT_TRUE(first.opens());  // an old packet between, on the same object
            Bytes opened = text;
            ASSERT_TRUE((i % 3 == 0 ? first.cipher : other)->open(iv, first.aad, {}, opened, icv));
            EXPECT_EQ(opened, plain);
        }
    }
}

TEST(Cipher, EveryAlteredByteIsNoticed) {
    SeededRandom random(13);
    for (const CipherSuite& suite : all_suites) {
        SCOPED_TRACE(to_string(suite));
        Sealed packet(suite, 48, random);
        for (Bytes* part : {&packet.iv, &packet.aad, &packet.trailer, &packet.text, &packet.icv}) {
            for (std::uint8_t& byte : *part) {
                byte ^= 0x40U;
                EXPECT_FALSE(packet.opens());
                byte ^= 0x40U;
            }
        }
        EXPECT_TRUE(packet.opens());
    }
}

TEST(Cipher, EveryByteOfTheKeysMatters) {
    SeededRandom random(14);
    for (const CipherSuite& suite : all_suites) {
        SCOPED_TRACE(to_string(suite));
        Sealed packet(suite, 32, random);
        for (Bytes* key : {&packet.encr_key, &packet.integ_key}) {
            for (std::uint8_t& byte : *key) {
                byte ^= 1U;
                const auto other = made(suite, packet.encr_key, packet.integ_key);
                byte ^= 1U;
                Bytes text = packet.text;
                const bool opened =
                    other->open(packet.iv, packet.aad, packet.trailer, text, packet.icv);
                // A CBC packet under the wrong encryption key is authentic, but gibberish.
                EXPECT_FALSE(opened && text == packet.plain);
            }
        }
    }
}

TEST(Cipher, UnsupportedSuitesAreRefused) {
    for (const CipherSuite& suite : {CipherSuite{EncrId::null, 0, IntegId::none},
                                     CipherSuite{EncrId::aes_cbc, 256, IntegId::none},
                                     CipherSuite{EncrId::aes_gcm_16, 512, IntegId::none}}) {
        const auto made = Cipher::make(suite, Bytes(32), {});
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error(), CryptoError::unsupported);
    }
}

TEST(CipherDeathTest, WrongSizesAreOurBugs) {
    SeededRandom random(15);
    Sealed gcm(all_suites[0], 16, random);
    Sealed cbc(all_suites[6], 16, random);
    EXPECT_DEATH((void)Cipher::make(gcm.suite, Bytes(16), {}), "encryption key size");
    EXPECT_DEATH((void)Cipher::make(cbc.suite, Bytes(32), Bytes(20)), "integrity key size");
    EXPECT_DEATH(gcm.cipher->seal(Bytes(12), {}, {}, gcm.text, gcm.icv), "IV size");
    EXPECT_DEATH(gcm.cipher->seal(gcm.iv, {}, Bytes(4), gcm.text, gcm.icv), "trailer");
    Bytes short_icv(12);
    EXPECT_DEATH((void)cbc.cipher->open(cbc.iv, {}, {}, cbc.text, short_icv), "ICV size");
    Bytes odd(17);
    EXPECT_DEATH(cbc.cipher->seal(cbc.iv, {}, {}, odd, cbc.icv), "blocks");
}

struct AeadFile {
    EncrId encr;
    const char* path;
    int valid;
    int invalid;
};

class WycheproofAead : public testing::TestWithParam<AeadFile> {};

/// One vector with a nonce of 96 bits, which IPsec splits into salt (with the key) and IV.
void run_aead_vector(EncrId encr, const nlohmann::json& test) {
    const Bytes key = hex_field(test, "key");
    const Bytes nonce = hex_field(test, "iv");
    const Bytes aad = hex_field(test, "aad");
    const Bytes plain = hex_field(test, "msg");
    const Bytes sealed = hex_field(test, "ct");
    const Bytes tag = hex_field(test, "tag");
    const auto bits = static_cast<std::uint16_t>(key.size() * 8);
    const CipherSuite suite{encr, encr == EncrId::aes_gcm_16 ? bits : std::uint16_t{0},
                            IntegId::none};
    const ByteView salt = ByteView(nonce).first(4);
    const ByteView iv = ByteView(nonce).subspan(4);
    const auto cipher = made(suite, concat({key, salt}), {});
    Bytes text = sealed;
    const bool opened = cipher->open(iv, aad, {}, text, tag);
    if (test.at("result") != "valid") {
        EXPECT_FALSE(opened);
        return;
    }
    EXPECT_TRUE(opened);
    EXPECT_EQ(text, plain);
    Bytes icv(tag.size());
    cipher->seal(iv, aad, {}, text, icv);
    EXPECT_EQ(text, sealed);
    EXPECT_EQ(icv, tag);
}

TEST_P(WycheproofAead, Agrees) {
    const nlohmann::json file = vectors::load(GetParam().path);
    int valid = 0;
    int invalid = 0;
    for (const auto& group : file.at("testGroups")) {
        if (group.at("ivSize") != 96 || group.at("tagSize") != 128) {
            continue;  // not the form of RFC 4106 and RFC 7634
        }
        for (const auto& test : group.at("tests")) {
            SCOPED_TRACE(test.at("tcId"));
            run_aead_vector(GetParam().encr, test);
            (test.at("result") == "valid" ? valid : invalid)++;
        }
    }
    EXPECT_EQ(valid, GetParam().valid);
    EXPECT_EQ(invalid, GetParam().invalid);
}

INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofAead,
    testing::Values(AeadFile{EncrId::aes_gcm_16, "wycheproof/aes_gcm_test.json", 116, 81},
                    AeadFile{EncrId::chacha20_poly1305, "wycheproof/chacha20_poly1305_test.json",
                             256, 60}));

/// ESP packets of a capture: each must open to its logged plaintext and seal to the same bytes.
int replay_esp(const std::string& capture) {
    const nlohmann::json file = vectors::load("captures/" + capture + "/vector.json");
    std::map<std::string, std::unique_ptr<Cipher>> by_spi;
    CipherSuite suite;
    int packets = 0;
    for (const auto& event : file.at("events")) {
        if (event.at("event") == "derive-child") {
            suite = {EncrId{event.at("encr").get<std::uint16_t>()},
                     event.at("keylen").get<std::uint16_t>(),
                     IntegId{event.at("integ").get<std::uint16_t>()}};
            // An SPI is its receiver's: what goes to the responder carries spi_r, under encr_i.
            by_spi[event.at("spi_r")] =
                made(suite, hex_field(event, "encr_i"), hex_field(event, "integ_i"));
            by_spi[event.at("spi_i")] =
                made(suite, hex_field(event, "encr_r"), hex_field(event, "integ_r"));
        } else if (event.at("event") == "esp") {
            const Bytes packet = hex_field(event, "packet");
            const Bytes plain = hex_field(event, "plain");
            const ByteView whole(packet);
            const ByteView aad = whole.first(8);  // SPI and sequence number
            const ByteView iv = whole.subspan(8, iv_size(suite));
            const ByteView icv = whole.last(icv_size(suite));
            Bytes text =
                to_bytes(whole.subspan(8 + iv.size(), whole.size() - 8 - iv.size() - icv.size()));
            Cipher& cipher = *by_spi.at(event.at("spi"));
            EXPECT_TRUE(cipher.open(iv, aad, {}, text, icv));
            EXPECT_TRUE(equal(ByteView(text).first(plain.size()), plain));
            Bytes icv_again(icv.size());
            cipher.seal(iv, aad, {}, text, icv_again);
            EXPECT_EQ(concat({aad, iv, text, icv_again}), packet);
            ++packets;
        }
    }
    return packets;
}

TEST(Cipher, StrongswansEspPacketsOpenAndSealToTheSameBytes) {
    for (const char* capture :
         {"classic-chacha20poly1305-psk", "classic-ecp256-aes128gcm-psk", "classic-ecp384-psk",
          "classic-modp2048-aes256cbc-sha256-psk", "rekey-classic-x25519-pfs"}) {
        SCOPED_TRACE(capture);
        EXPECT_GE(replay_esp(capture), 10);
    }
}

}  // namespace
}  // namespace anyswan::crypto
