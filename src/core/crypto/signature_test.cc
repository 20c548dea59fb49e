// SPDX-License-Identifier: Apache-2.0
// Signatures: Wycheproof's cases, what we sign verifies, AlgorithmIdentifiers byte for byte.
#include "core/crypto/signature.h"

#include "core/crypto/test_pki.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::crypto {
namespace {

using vectors::hex_field;

struct SignatureFile {
    const char* path;
    SignatureAlgorithm algorithm;
    int cases;
};

class WycheproofSignature : public testing::TestWithParam<SignatureFile> {};

TEST_P(WycheproofSignature, Agrees) {
    const nlohmann::json file = vectors::load(GetParam().path);
    int valid = 0;
    int invalid = 0;
    for (const auto& group : file.at("testGroups")) {
        const auto key = PublicKey::from_der(hex_field(group, "publicKeyDer"));
        ASSERT_TRUE(key.has_value());
        for (const auto& test : group.at("tests")) {
            const std::string expected = test.at("result");
            const bool good =
                key->verify(GetParam().algorithm, hex_field(test, "msg"), hex_field(test, "sig"));
            if (expected != "acceptable") {
                EXPECT_EQ(good, expected == "valid")
                    << GetParam().path << " tcId " << test.at("tcId");
            }
            (good ? valid : invalid)++;
        }
    }
    EXPECT_GT(valid, 0);
    EXPECT_GT(invalid, 0);
    EXPECT_EQ(valid + invalid, GetParam().cases);
}

INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofSignature,
    testing::Values(SignatureFile{"wycheproof/ecdsa_secp256r1_sha256_test.json",
                                  {SignatureScheme::ecdsa, HashId::sha2_256},
                                  484},
                    SignatureFile{"wycheproof/ecdsa_secp384r1_sha384_test.json",
                                  {SignatureScheme::ecdsa, HashId::sha2_384},
                                  504},
                    SignatureFile{"wycheproof/ed25519_test.json",
                                  {SignatureScheme::ed25519, HashId::identity},
                                  151},
                    SignatureFile{"wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json",
                                  {SignatureScheme::rsa_pss, HashId::sha2_256, 32},
                                  108},
                    SignatureFile{"wycheproof/rsa_signature_2048_sha256_test.json",
                                  {SignatureScheme::rsa_pkcs1, HashId::sha2_256},
                                  259}));

const std::vector<SignatureAlgorithm>& rsa_algorithms() {
    static const std::vector<SignatureAlgorithm> all{{SignatureScheme::rsa_pkcs1, HashId::sha1},
                                                     {SignatureScheme::rsa_pkcs1, HashId::sha2_256},
                                                     {SignatureScheme::rsa_pkcs1, HashId::sha2_384},
                                                     {SignatureScheme::rsa_pkcs1, HashId::sha2_512},
                                                     SignatureAlgorithm::pss(HashId::sha2_256),
                                                     SignatureAlgorithm::pss(HashId::sha2_384),
                                                     SignatureAlgorithm::pss(HashId::sha2_512)};
    return all;
}

/// What `key` signs verifies, and nothing that differs from it does.
void expect_round_trip(const PrivateKey& key, const SignatureAlgorithm& algorithm) {
    SCOPED_TRACE(to_string(algorithm) + ", " + name(key.kind()));
    const Bytes data = to_bytes("what is signed");
    const auto signature = key.sign(algorithm, data);
    ASSERT_TRUE(signature.has_value());
    EXPECT_TRUE(key.public_key().verify(algorithm, data, *signature));
    EXPECT_FALSE(key.public_key().verify(algorithm, to_bytes("another text"), *signature));
    Bytes damaged = *signature;
    damaged.back() ^= 1U;
    EXPECT_FALSE(key.public_key().verify(algorithm, data, damaged));
    EXPECT_FALSE(key.public_key().verify(algorithm, data, {}));
}

TEST(Signature, WhatWeSignVerifies) {
    const PrivateKey rsa = test::self_signed({"CN=a", KeyKind::rsa}).private_key();
    for (const SignatureAlgorithm& algorithm : rsa_algorithms()) {
        expect_round_trip(rsa, algorithm);
    }
    for (const KeyKind kind : {KeyKind::ecdsa_p256, KeyKind::ecdsa_p384, KeyKind::ecdsa_p521}) {
        const PrivateKey key = test::self_signed({"CN=a", kind}).private_key();
        EXPECT_EQ(key.kind(), kind);
        for (const HashId hash : {HashId::sha2_256, HashId::sha2_384, HashId::sha2_512}) {
            expect_round_trip(key, {SignatureScheme::ecdsa, hash});
        }
    }
    expect_round_trip(test::self_signed({"CN=a", KeyKind::ed25519}).private_key(),
                      {SignatureScheme::ed25519, HashId::identity});
}

TEST(Signature, AlgorithmsOfAnotherKindOfKeyAreRefused) {
    const PrivateKey key = test::self_signed({"CN=a", KeyKind::ecdsa_p256}).private_key();
    const Bytes data = to_bytes("data");
    for (const SignatureAlgorithm& algorithm : rsa_algorithms()) {
        EXPECT_FALSE(key.sign(algorithm, data).has_value());
        EXPECT_FALSE(key.public_key().verify(algorithm, data, Bytes(256, 1)));
    }
    EXPECT_FALSE(key.sign({SignatureScheme::ecdsa, HashId::identity}, data).has_value());
    EXPECT_FALSE(key.sign({SignatureScheme::ed25519, HashId::identity}, data).has_value());
}

TEST(Signature, RawEcdsaIsTheTwoNumbers) {
    for (const auto& [kind, size] : {std::pair{KeyKind::ecdsa_p256, std::size_t{64}},
                                     std::pair{KeyKind::ecdsa_p384, std::size_t{96}},
                                     std::pair{KeyKind::ecdsa_p521, std::size_t{132}}}) {
        const PrivateKey key = test::self_signed({"CN=a", kind}).private_key();
        const SignatureAlgorithm algorithm{SignatureScheme::ecdsa, HashId::sha2_256};
        const auto der = key.sign(algorithm, to_bytes("data"));
        ASSERT_TRUE(der.has_value());
        const auto raw = ecdsa_raw(*der, kind);
        ASSERT_TRUE(raw.has_value());
        EXPECT_EQ(raw->size(), size);
        EXPECT_EQ(ecdsa_der(*raw, kind), *der);
        EXPECT_FALSE(ecdsa_der(ByteView(*raw).first(size - 1), kind).has_value());
    }
    EXPECT_FALSE(ecdsa_raw(to_bytes("no DER"), KeyKind::ecdsa_p256).has_value());
    EXPECT_FALSE(ecdsa_der(Bytes(64), KeyKind::rsa).has_value());
}

struct Identifier {
    SignatureAlgorithm algorithm;
    const char* der;
};

// RFC 7427 appendix A, RFC 8420 appendix A.
const Identifier identifiers[] = {
    {{SignatureScheme::rsa_pkcs1, HashId::sha1}, "300d06092a864886f70d0101050500"},
    {{SignatureScheme::rsa_pkcs1, HashId::sha2_256}, "300d06092a864886f70d01010b0500"},
    {{SignatureScheme::rsa_pkcs1, HashId::sha2_384}, "300d06092a864886f70d01010c0500"},
    {{SignatureScheme::rsa_pkcs1, HashId::sha2_512}, "300d06092a864886f70d01010d0500"},
    {{SignatureScheme::ecdsa, HashId::sha1}, "300906072a8648ce3d0401"},
    {{SignatureScheme::ecdsa, HashId::sha2_256}, "300a06082a8648ce3d040302"},
    {{SignatureScheme::ecdsa, HashId::sha2_384}, "300a06082a8648ce3d040303"},
    {{SignatureScheme::ecdsa, HashId::sha2_512}, "300a06082a8648ce3d040304"},
    {{SignatureScheme::ed25519, HashId::identity}, "300506032b6570"},
    {{SignatureScheme::rsa_pss, HashId::sha2_256, 32},
     "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d0101"
     "08300d06096086480165030402010500a203020120"},
    {{SignatureScheme::rsa_pss, HashId::sha2_512, 64},
     "304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d0101"
     "08300d06096086480165030402030500a203020140"},
};

TEST(AlgorithmIdentifier, IsTheRfcsBytes) {
    for (const Identifier& identifier : identifiers) {
        SCOPED_TRACE(to_string(identifier.algorithm));
        EXPECT_EQ(to_hex(encode_algorithm(identifier.algorithm)), identifier.der);
        EXPECT_EQ(decode_algorithm(*from_hex(identifier.der)), identifier.algorithm);
        // Neither a byte less nor one more is that identifier.
        Bytes der = *from_hex(identifier.der);
        der.push_back(0);
        EXPECT_FALSE(decode_algorithm(der).has_value());
        der.resize(der.size() - 2);
        EXPECT_FALSE(decode_algorithm(der).has_value());
    }
}

TEST(AlgorithmIdentifier, OfPssHasDefaults) {
    // RFC 7427 A.4.1 and A.4.2: empty parameters mean SHA-1.
    const SignatureAlgorithm defaults{SignatureScheme::rsa_pss, HashId::sha1, 20};
    EXPECT_EQ(decode_algorithm(*from_hex("300d06092a864886f70d01010a3000")), defaults);
    // MGF1 with another hash than the message's is nothing we verify.
    Bytes mixed = *from_hex(identifiers[9].der);
    mixed[mixed.size() - 8] = 2;
    EXPECT_FALSE(decode_algorithm(mixed).has_value());
    EXPECT_FALSE(decode_algorithm(*from_hex("300a06082a8648ce3d040399")).has_value());
    EXPECT_FALSE(decode_algorithm({}).has_value());
}

TEST(PrivateKey, IsReadInEveryForm) {
    const test::Issued issued = test::self_signed({"CN=a", KeyKind::rsa});
    const PrivateKey key = issued.private_key();
    const auto from_pem = PrivateKey::parse(as_bytes(test::pem(issued.key)));
    ASSERT_TRUE(from_pem.has_value());
    EXPECT_TRUE(from_pem->belongs_to(key.public_key()));
    const auto again = PrivateKey::parse(key.to_der().reveal());
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->belongs_to(*issued.parsed().public_key()));
    const PrivateKey other = test::self_signed({"CN=a", KeyKind::rsa}).private_key();
    EXPECT_FALSE(other.belongs_to(key.public_key()));
}

TEST(PrivateKey, WhatIsNoKeySaysSo) {
    const auto failure = PrivateKey::parse(as_bytes("hello"));
    ASSERT_FALSE(failure.has_value());
    EXPECT_NE(failure.error().find("no private key in PEM or DER form"), std::string::npos);
    // openssl genpkey -algorithm ed25519 -aes128 -pass pass:x
    const auto encrypted = PrivateKey::parse(as_bytes(R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjz1/hgbQsGGgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEO6ZN/Roxjau9LsDEG/s3ywEQKx+
OuRJy2GDvJav4SdFyY9L4wZ9zNU9s/2BhRfZ9gREXn5dOQv2ifYUrk1GL3HgvfRv
OITkfdqbIFhDEMhuybA=
-----END ENCRYPTED PRIVATE KEY-----
)"));
    ASSERT_FALSE(encrypted.has_value());
    EXPECT_NE(encrypted.error().find("encrypted with a passphrase"), std::string::npos);
}

}  // namespace
}  // namespace anyswan::crypto
