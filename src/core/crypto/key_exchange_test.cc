// SPDX-License-Identifier: Apache-2.0
// Key exchange: Wycheproof for the curves, OpenSSL's own DH for the MODP groups, and what a
// misbehaving peer may send.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/evp.h>

#include "core/crypto/crypto.h"
#include "core/crypto/openssl_handles.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::crypto {
namespace {

using vectors::FixedRandom;
using vectors::hex_field;

struct MethodRow {
    KeMethod method;
    std::size_t public_size;
    std::size_t shared_size;
};
constexpr MethodRow methods[] = {
    {KeMethod::curve25519, 32, 32}, {KeMethod::ecp256, 64, 32},
    {KeMethod::ecp384, 96, 48},     {KeMethod::ecp521, 132, 66},
    {KeMethod::modp1536, 192, 192}, {KeMethod::modp2048, 256, 256},
    {KeMethod::modp3072, 384, 384}, {KeMethod::modp4096, 512, 512},
    {KeMethod::modp6144, 768, 768}, {KeMethod::modp8192, 1024, 1024},
    {KeMethod::curve448, 56, 56},
};

std::unique_ptr<KeyExchange> made(KeMethod method, Random& random) {
    auto made = KeyExchange::generate(method, random);
    EXPECT_TRUE(made.has_value());
    return std::move(made).value();
}

std::optional<CryptoError> refusal(const KeyExchange& ours, ByteView peer_public) {
    const auto shared = ours.shared_secret(peer_public);
    return shared ? std::nullopt : std::optional(shared.error());
}

TEST(KeyExchange, BothSidesAgree) {
    for (const MethodRow& row : methods) {
        SCOPED_TRACE(static_cast<int>(row.method));
        SeededRandom random(1);
        const auto a = made(row.method, random);
        const auto b = made(row.method, random);
        EXPECT_EQ(a->public_value().size(), row.public_size);
        EXPECT_FALSE(equal(a->public_value(), b->public_value()));
        const auto at_a = a->shared_secret(b->public_value());
        const auto at_b = b->shared_secret(a->public_value());
        ASSERT_TRUE(at_a && at_b);
        EXPECT_EQ(*at_a, *at_b);
        EXPECT_EQ(at_a->size(), row.shared_size);
    }
}

TEST(KeyExchange, ARespondersOneStepAgreesToo) {
    for (const MethodRow& row : methods) {
        SCOPED_TRACE(static_cast<int>(row.method));
        SeededRandom random(1);
        const auto a = made(row.method, random);
        const auto b = KeyExchange::respond(row.method, a->public_value(), random);
        ASSERT_TRUE(b);
        const auto at_a = a->shared_secret(b->public_value);
        ASSERT_TRUE(at_a);
        EXPECT_EQ(*at_a, b->shared_secret);
        const auto refused = KeyExchange::respond(row.method, Bytes(row.public_size + 1), random);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error(), CryptoError::bad_public_value);
    }
}

TEST(KeyExchange, SeedDecidesThePublicValue) {
    for (const MethodRow& row : methods) {
        SeededRandom first(7), again(7), other(8);
        const Bytes value = to_bytes(made(row.method, first)->public_value());
        EXPECT_EQ(value, to_bytes(made(row.method, again)->public_value()));
        EXPECT_NE(value, to_bytes(made(row.method, other)->public_value()));
    }
}

TEST(KeyExchange, UnknownMethodsAreUnsupported) {
    SeededRandom random(1);
    for (const KeMethod method : {KeMethod::none, KeMethod{2}, KeMethod{30}}) {
        const auto made = KeyExchange::generate(method, random);
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error(), CryptoError::unsupported);
        EXPECT_EQ(KeyExchange::respond(method, Bytes(32), random).error(),
                  CryptoError::unsupported);
    }
}

TEST(KeyExchange, WrongLengthsAreRefused) {
    SeededRandom random(2);
    for (const MethodRow& row : methods) {
        const auto ours = made(row.method, random);
        const Bytes peer = to_bytes(made(row.method, random)->public_value());
        const ByteView view(peer);
        Bytes longer = concat({view, Bytes{0}});
        EXPECT_EQ(refusal(*ours, view.first(peer.size() - 1)), CryptoError::bad_public_value);
        EXPECT_EQ(refusal(*ours, longer), CryptoError::bad_public_value);
        EXPECT_EQ(refusal(*ours, {}), CryptoError::bad_public_value);
        EXPECT_EQ(refusal(*ours, view), std::nullopt);
    }
}

TEST(KeyExchange, EcpPointsMustBeOnTheCurve) {
    SeededRandom random(3);
    for (const KeMethod method : {KeMethod::ecp256, KeMethod::ecp384, KeMethod::ecp521}) {
        const auto ours = made(method, random);
        Bytes peer = to_bytes(made(method, random)->public_value());
        peer.back() ^= 1U;
        EXPECT_EQ(refusal(*ours, peer), CryptoError::bad_public_value);
        EXPECT_EQ(refusal(*ours, Bytes(peer.size(), 0)), CryptoError::bad_public_value);
        EXPECT_EQ(refusal(*ours, Bytes(peer.size(), 0xff)), CryptoError::bad_public_value);
    }
}

TEST(KeyExchange, EcpCoordinatesMustBeBelowTheField) {
    SeededRandom random(3);
    const auto ours = made(KeMethod::ecp256, random);
    // x = 5 is on P-256; the same point written as x + p is not a legal form (RFC 6989 2.3).
    const Bytes y = *from_hex("459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc");
    const Bytes small =
        *from_hex("0000000000000000000000000000000000000000000000000000000000000005");
    const Bytes large =
        *from_hex("ffffffff00000001000000000000000000000001000000000000000000000004");
    EXPECT_EQ(refusal(*ours, concat({small, y})), std::nullopt);
    EXPECT_EQ(refusal(*ours, concat({large, y})), CryptoError::bad_public_value);
}

TEST(KeyExchange, EcpScalarIsDrawnAgainUntilItFits) {
    const Bytes order =
        *from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    Bytes one(32);
    one.back() = 1;
    FixedRandom random(concat({order, Bytes(32), Bytes(32, 0xff), one}));
    const auto ours = made(KeMethod::ecp256, random);
    EXPECT_TRUE(random.spent());
    // 1 * G = G: RFC 5903 3.1, gx.
    EXPECT_EQ(to_hex(ours->public_value().first(32)),
              "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
}

TEST(KeyExchange, LowOrderX25519PointsAreRefused) {
    SeededRandom random(4);
    const auto ours = made(KeMethod::curve25519, random);
    for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                              "0100000000000000000000000000000000000000000000000000000000000000",
                              "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                              "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
        EXPECT_EQ(refusal(*ours, *from_hex(point)), CryptoError::bad_shared_secret) << point;
    }
}

TEST(KeyExchange, LowOrderX448PointsAreRefused) {
    SeededRandom random(4);
    const auto ours = made(KeMethod::curve448, random);
    Bytes point(56);
    EXPECT_EQ(refusal(*ours, point), CryptoError::bad_shared_secret);
    point.front() = 1;
    EXPECT_EQ(refusal(*ours, point), CryptoError::bad_shared_secret);
    point.assign(56, 0xff);  // p - 1, p = 2^448 - 2^224 - 1, little-endian
    point[0] = 0xfe;
    point[28] = 0xfe;
    EXPECT_EQ(refusal(*ours, point), CryptoError::bad_shared_secret);
}

TEST(KeyExchange, X448AgreesWithRfc7748) {
    // RFC 7748 6.2: Alice's private key, Bob's public key, their secret.
    FixedRandom random(*from_hex(
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f1"
        "27ab1d9ac2d8c0a598726b"));
    const auto alice = made(KeMethod::curve448, random);
    EXPECT_EQ(to_hex(alice->public_value()),
              "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b"
              "12da88120d53177f80e532c41fa0");
    const auto shared = alice->shared_secret(*from_hex(
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57a"
        "ec3dae07bdc1c67bf33609"));
    ASSERT_TRUE(shared);
    EXPECT_EQ(to_hex(shared->reveal()),
              "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c"
              "24403085d59a449a5037514a879d");
}

Bytes modulus_of(KeMethod method) {
    const BigNumber p(method == KeMethod::modp1536   ? BN_get_rfc3526_prime_1536(nullptr)
                      : method == KeMethod::modp2048 ? BN_get_rfc3526_prime_2048(nullptr)
                      : method == KeMethod::modp3072 ? BN_get_rfc3526_prime_3072(nullptr)
                      : method == KeMethod::modp4096 ? BN_get_rfc3526_prime_4096(nullptr)
                      : method == KeMethod::modp6144 ? BN_get_rfc3526_prime_6144(nullptr)
                                                     : BN_get_rfc3526_prime_8192(nullptr));
    Bytes bytes(static_cast<std::size_t>(BN_num_bytes(p.get())));
    BN_bn2bin(p.get(), bytes.data());
    return bytes;
}

TEST(KeyExchange, ModpValuesOutsideTwoToPMinusTwoAreRefused) {
    SeededRandom random(5);
    for (const KeMethod method : {KeMethod::modp1536, KeMethod::modp2048, KeMethod::modp3072,
                                  KeMethod::modp4096, KeMethod::modp6144, KeMethod::modp8192}) {
        const auto ours = made(method, random);
        const Bytes p = modulus_of(method);
        Bytes value(p.size());
        EXPECT_EQ(refusal(*ours, value), CryptoError::bad_public_value);
        value.back() = 1;
        EXPECT_EQ(refusal(*ours, value), CryptoError::bad_public_value);
        value.back() = 2;
        EXPECT_EQ(refusal(*ours, value), std::nullopt);
        value = p;  // odd: ends in ...ff, so the neighbours differ in the last byte alone
        EXPECT_EQ(refusal(*ours, value), CryptoError::bad_public_value);
        value.back() = static_cast<std::uint8_t>(p.back() - 1);
        EXPECT_EQ(refusal(*ours, value), CryptoError::bad_public_value);
        value.back() = static_cast<std::uint8_t>(p.back() - 2);
        EXPECT_EQ(refusal(*ours, value), std::nullopt);
        EXPECT_EQ(refusal(*ours, Bytes(p.size(), 0xff)), CryptoError::bad_public_value);
    }
}

TEST(KeyExchange, ModpSecretKeepsLeadingZeros) {
    Bytes exponent(64);
    exponent.back() = 3;
    FixedRandom random(exponent);
    const auto ours = made(KeMethod::modp2048, random);
    Bytes value(256);
    value.back() = 8;
    EXPECT_EQ(ours->public_value().back(), value.back());  // 2^3
    value.back() = 5;
    const auto shared = ours->shared_secret(value);
    ASSERT_TRUE(shared);
    value.back() = 125;
    EXPECT_TRUE(equal(shared->reveal(), value));
}

/// The library's DH with the named group, its peer key taken from `peer_public`.
struct LibraryDh {
    Pkey key;
    Bytes public_value;
    Bytes shared;
};

LibraryDh library_dh(const char* group, ByteView peer_public) {
    LibraryDh out;
    const PkeyCtx make_key(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(group), 0),
        OSSL_PARAM_construct_end()};
    EVP_PKEY* generated = nullptr;
    EVP_PKEY_keygen_init(make_key.get());
    EVP_PKEY_CTX_set_params(make_key.get(), params);
    EVP_PKEY_generate(make_key.get(), &generated);
    out.key.reset(generated);
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(generated, OSSL_PKEY_PARAM_PUB_KEY, &number);
    const BigNumber public_number(number);
    out.public_value.resize(peer_public.size());
    BN_bn2binpad(number, out.public_value.data(), static_cast<int>(peer_public.size()));

    const Pkey peer(EVP_PKEY_new());
    EVP_PKEY_copy_parameters(peer.get(), generated);
    EVP_PKEY_set1_encoded_public_key(peer.get(), peer_public.data(), peer_public.size());
    const PkeyCtx derive(EVP_PKEY_CTX_new(generated, nullptr));
    EVP_PKEY_derive_init(derive.get());
    EVP_PKEY_CTX_set_dh_pad(derive.get(), 1);
    EVP_PKEY_derive_set_peer(derive.get(), peer.get());
    std::size_t size = peer_public.size();
    out.shared.resize(size);
    EXPECT_EQ(EVP_PKEY_derive(derive.get(), out.shared.data(), &size), 1);
    return out;
}

TEST(KeyExchange, ModpAgreesWithTheLibrarysOwnDh) {
    SeededRandom random(6);
    const std::pair<KeMethod, const char*> groups[] = {
        {KeMethod::modp1536, "modp_1536"}, {KeMethod::modp2048, "modp_2048"},
        {KeMethod::modp3072, "modp_3072"}, {KeMethod::modp4096, "modp_4096"},
        {KeMethod::modp6144, "modp_6144"}, {KeMethod::modp8192, "modp_8192"}};
    for (const auto& [method, group] : groups) {
        const auto ours = made(method, random);
        const LibraryDh theirs = library_dh(group, ours->public_value());
        const auto shared = ours->shared_secret(theirs.public_value);
        ASSERT_TRUE(shared) << group;
        EXPECT_TRUE(equal(shared->reveal(), theirs.shared)) << group;
    }
}

TEST(KeyExchange, WycheproofX25519) {
    const nlohmann::json file = vectors::load("wycheproof/x25519_test.json");
    int agreed = 0;
    int refused = 0;
    for (const auto& test : file.at("testGroups").at(0).at("tests")) {
        SCOPED_TRACE(test.at("tcId"));
        FixedRandom random(hex_field(test, "private"));
        const auto shared =
            made(KeMethod::curve25519, random)->shared_secret(hex_field(test, "public"));
        const Bytes expected = hex_field(test, "shared");
        // "acceptable" covers twists and unreduced values, which RFC 7748 accepts, and low order
        // points, which IKE must not.
        if (expected == Bytes(32)) {
            ASSERT_FALSE(shared);
            EXPECT_EQ(shared.error(), CryptoError::bad_shared_secret);
            ++refused;
        } else {
            ASSERT_TRUE(shared);
            EXPECT_TRUE(equal(shared->reveal(), expected));
            ++agreed;
        }
    }
    EXPECT_EQ(agreed, 487);
    EXPECT_EQ(refused, 31);
}

struct EcdhFile {
    KeMethod method;
    const char* path;
    std::size_t size;
    int agreed;
    int refused;
};

class WycheproofEcdh : public testing::TestWithParam<EcdhFile> {};

/// The scalar as draw_scalar() reads it: without a sign octet, padded to the size of the field.
Bytes padded(Bytes scalar, std::size_t size) {
    while (scalar.size() > size && scalar.front() == 0) {
        scalar.erase(scalar.begin());
    }
    scalar.insert(scalar.begin(), size - std::min(size, scalar.size()), 0);
    return scalar;
}

TEST_P(WycheproofEcdh, Agrees) {
    const nlohmann::json file = vectors::load(GetParam().path);
    int agreed = 0;
    int refused = 0;
    for (const auto& test : file.at("testGroups").at(0).at("tests")) {
        SCOPED_TRACE(test.at("tcId"));
        FixedRandom random(padded(hex_field(test, "private"), GetParam().size));
        // The vectors' points begin with an octet that tells their form; IKE's are x | y alone, so
        // a compressed point shows as one of the wrong length.
        Bytes point = hex_field(test, "public");
        if (!point.empty()) {
            point.erase(point.begin());
        }
        const auto shared = made(GetParam().method, random)->shared_secret(point);
        if (test.at("result") == "valid") {
            ASSERT_TRUE(shared);
            EXPECT_TRUE(equal(shared->reveal(), hex_field(test, "shared")));
            ++agreed;
        } else {
            ASSERT_FALSE(shared);
            EXPECT_EQ(shared.error(), CryptoError::bad_public_value);
            ++refused;
        }
    }
    EXPECT_EQ(agreed, GetParam().agreed);
    EXPECT_EQ(refused, GetParam().refused);
}

INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofEcdh,
    testing::Values(
        EcdhFile{KeMethod::ecp256, "wycheproof/ecdh_secp256r1_ecpoint_test.json", 32, 330, 25},
        EcdhFile{KeMethod::ecp384, "wycheproof/ecdh_secp384r1_ecpoint_test.json", 48, 771, 19},
        EcdhFile{KeMethod::ecp521, "wycheproof/ecdh_secp521r1_ecpoint_test.json", 66, 632, 29}));

}  // namespace
}  // namespace anyswan::crypto
