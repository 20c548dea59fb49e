// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/crypto.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::crypto {
namespace {

using vectors::hex_field;

struct HmacFile {
    PrfId prf;
    const char* path;
    int cases;
};

class WycheproofHmac : public testing::TestWithParam<HmacFile> {};

TEST_P(WycheproofHmac, Agrees) {
    const nlohmann::json file = vectors::load(GetParam().path);
    int valid = 0;
    int invalid = 0;
    for (const auto& group : file.at("testGroups")) {
        const std::size_t tag_size = group.at("tagSize").get<std::size_t>() / 8;
        for (const auto& test : group.at("tests")) {
            const Secret mac =
                prf(GetParam().prf, hex_field(test, "key"), {hex_field(test, "msg")});
            const bool same = equal(mac.reveal().first(tag_size), hex_field(test, "tag"));
            const bool expected = test.at("result") == "valid";
            EXPECT_EQ(same, expected) << GetParam().path << " tcId " << test.at("tcId");
            (expected ? valid : invalid)++;
        }
    }
    EXPECT_GT(valid, 0);
    EXPECT_GT(invalid, 0);
    EXPECT_EQ(valid + invalid, GetParam().cases);
}

INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofHmac,
    testing::Values(HmacFile{PrfId::hmac_sha1, "wycheproof/hmac_sha1_test.json", 170},
                    HmacFile{PrfId::hmac_sha2_256, "wycheproof/hmac_sha256_test.json", 174},
                    HmacFile{PrfId::hmac_sha2_384, "wycheproof/hmac_sha384_test.json", 174},
                    HmacFile{PrfId::hmac_sha2_512, "wycheproof/hmac_sha512_test.json", 174}));

TEST(Prf, PartsAreFedOneAfterAnother) {
    const Bytes key = to_bytes("key");
    const Secret whole = prf(PrfId::hmac_sha2_256, key, {as_bytes("abcdef")});
    EXPECT_EQ(prf(PrfId::hmac_sha2_256, key, {as_bytes("ab"), {}, as_bytes("cdef")}), whole);
    EXPECT_EQ(whole.size(), 32U);
}

TEST(Prf, TakesAnEmptyKey) {
    // RFC 2104 pads keys with zeros, so the empty key is the key of zeros.
    EXPECT_EQ(prf(PrfId::hmac_sha1, {}, {as_bytes("data")}),
              prf(PrfId::hmac_sha1, Bytes(20), {as_bytes("data")}));
}

TEST(PrfPlus, IsTheIterationOfTheRfc) {
    const PrfId id = PrfId::hmac_sha2_256;
    const Bytes key = to_bytes("a key");
    const Bytes seed = to_bytes("a seed");
    const Secret t1 = prf(id, key, {seed, Bytes{1}});
    const Secret t2 = prf(id, key, {t1.reveal(), seed, Bytes{2}});
    const Secret t3 = prf(id, key, {t2.reveal(), seed, Bytes{3}});
    const Bytes stream = concat({t1.reveal(), t2.reveal(), t3.reveal()});
    for (const std::size_t size : {0U, 1U, 31U, 32U, 33U, 64U, 95U, 96U}) {
        EXPECT_TRUE(equal(prf_plus(id, key, seed, size).reveal(), ByteView(stream).first(size)))
            << size;
    }
}

TEST(PrfPlusDeathTest, EndsAfter255Outputs) {
    EXPECT_EQ(prf_plus(PrfId::hmac_sha1, Bytes(20), {}, 255 * 20).size(), 5100U);
    EXPECT_DEATH((void)prf_plus(PrfId::hmac_sha1, Bytes(20), {}, 255 * 20 + 1), "255");
}

TEST(Hash, KnownAnswers) {
    // FIPS 180-2, appendices A.1 and B.1.
    EXPECT_EQ(to_hex(sha1({as_bytes("a"), as_bytes("bc")})),
              "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(to_hex(sha256({as_bytes("abc")})),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace anyswan::crypto
