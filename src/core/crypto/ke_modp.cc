// SPDX-License-Identifier: Apache-2.0
// Diffie-Hellman over the MODP groups of RFC 3526: safe primes, generator 2. Public values and the
// shared secret are as long as the modulus (RFC 7296 2.14, 3.4).
#include "core/crypto/key_exchange.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

namespace {

/// RFC 3526 8 asks for an exponent of twice the group's strength: by its more generous estimate 480
/// bits for modp4096, 620 for modp8192. Far below (p-1)/2 of the smallest.
std::size_t exponent_size(KeMethod method) {
    const bool large = method == KeMethod::modp6144 || method == KeMethod::modp8192;
    return (large ? 640 : 512) / 8;
}

BigNumber modulus_of(KeMethod method) {
    switch (method) {
        case KeMethod::modp1536:
            return BigNumber(BN_get_rfc3526_prime_1536(nullptr));
        case KeMethod::modp2048:
            return BigNumber(BN_get_rfc3526_prime_2048(nullptr));
        case KeMethod::modp3072:
            return BigNumber(BN_get_rfc3526_prime_3072(nullptr));
        case KeMethod::modp4096:
            return BigNumber(BN_get_rfc3526_prime_4096(nullptr));
        case KeMethod::modp6144:
            return BigNumber(BN_get_rfc3526_prime_6144(nullptr));
        default:
            return BigNumber(BN_get_rfc3526_prime_8192(nullptr));
    }
}

/// base^exponent mod modulus, in time that doesn't depend on the exponent, padded to the modulus.
std::optional<Secret> power(const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* modulus) {
    const BigNumberCtx ctx(BN_CTX_new());
    const BigNumber result(BN_new());
    Secret bytes(static_cast<std::size_t>(BN_num_bytes(modulus)));
    const int length = static_cast<int>(bytes.size());
    if (ctx == nullptr || result == nullptr ||
        BN_mod_exp_mont_consttime(result.get(), base, exponent, modulus, ctx.get(), nullptr) != 1 ||
        BN_bn2binpad(result.get(), bytes.writable().data(), length) != length) {
        return std::nullopt;
    }
    return bytes;
}

class Modp final : public KeyExchange {
public:
    Modp(BigNumber modulus, BigNumber exponent, Bytes public_value)
        : modulus_(std::move(modulus)),
          exponent_(std::move(exponent)),
          public_value_(std::move(public_value)) {}

    ByteView public_value() const override { return public_value_; }

    Expected<Secret, CryptoError> shared_secret(ByteView peer_public) const override {
        // RFC 7296 3.4: "The length of the Diffie-Hellman public value for MODP groups MUST be
        // equal to the length of the prime modulus over which the exponentiation was performed".
        if (peer_public.size() != public_value_.size()) {
            return Unexpected{CryptoError::bad_public_value};
        }
        const BigNumber peer(
            BN_bin2bn(peer_public.data(), static_cast<int>(peer_public.size()), nullptr));
        const BigNumber last(BN_dup(modulus_.get()));
        if (peer == nullptr || last == nullptr || BN_sub_word(last.get(), 1) != 1) {
            return Unexpected{CryptoError::library};
        }
        // RFC 6989 2.1: for a safe prime, 1 < y < p-1 is all there is to check.
        if (BN_is_zero(peer.get()) == 1 || BN_is_one(peer.get()) == 1 ||
            BN_cmp(peer.get(), last.get()) >= 0) {
            return Unexpected{CryptoError::bad_public_value};
        }
        std::optional<Secret> shared = power(peer.get(), exponent_.get(), modulus_.get());
        if (!shared) {
            return Unexpected{CryptoError::library};
        }
        return std::move(*shared);
    }

private:
    BigNumber modulus_;
    BigNumber exponent_;
    Bytes public_value_;
};

}  // namespace

MadeKeyExchange make_modp(KeMethod method, Random& random) {
    BigNumber modulus = modulus_of(method);
    const BigNumber generator(BN_new());
    const Secret raw = random.secret(exponent_size(method));
    BigNumber exponent = private_number(raw.reveal().data(), raw.size());
    check(exponent == nullptr || BN_is_zero(exponent.get()) == 0,
          "512 or more random bits are all zero");
    if (modulus == nullptr || generator == nullptr || exponent == nullptr ||
        BN_set_word(generator.get(), 2) != 1) {
        return Unexpected{CryptoError::library};
    }
    const std::optional<Secret> result = power(generator.get(), exponent.get(), modulus.get());
    if (!result) {
        return Unexpected{CryptoError::library};
    }
    return std::unique_ptr<KeyExchange>(std::make_unique<Modp>(
        std::move(modulus), std::move(exponent), to_bytes(result->reveal())));
}

}  // namespace anyswan::crypto
