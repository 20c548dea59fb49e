// SPDX-License-Identifier: Apache-2.0
// ML-KEM as a key exchange of IKEv2: KEi carries an encapsulation key, KEr a ciphertext
// (draft-ietf-ipsecme-ikev2-mlkem 2.2). The input checks of FIPS 203 are here, whatever the library
// checks itself.
#include "core/crypto/key_exchange.h"
#include "core/crypto/ml_kem.h"

namespace anyswan::crypto {

namespace ml_kem {

Sizes sizes_of(KeMethod method) {
    switch (method) {
        case KeMethod::ml_kem_512:
            return {800, 1632, 768};
        case KeMethod::ml_kem_768:
            return {1184, 2400, 1088};
        default:
            check(method == KeMethod::ml_kem_1024, "a parameter set of ML-KEM");
            return {1568, 3168, 1568};
    }
}

}  // namespace ml_kem

namespace {

constexpr std::size_t rho_size = 32;  // ends an encapsulation key
constexpr unsigned modulus = 3329;    // q

/// FIPS 203 7.2, "Modulus check": every 12-bit coefficient of the encoded key is below q.
bool reduced(ByteView encapsulation_key) {
    const ByteView coefficients = encapsulation_key.first(encapsulation_key.size() - rho_size);
    for (std::size_t i = 0; i + 3 <= coefficients.size(); i += 3) {
        const unsigned low = coefficients[i];
        const unsigned middle = coefficients[i + 1];
        const unsigned high = coefficients[i + 2];
        if ((low | (middle & 0x0fU) << 8) >= modulus || (middle >> 4 | high << 4) >= modulus) {
            return false;
        }
    }
    return true;
}

class MlKem final : public KeyExchange {
public:
    MlKem(KeMethod method, ml_kem::KeyPair keys) : method_(method), keys_(std::move(keys)) {}

    ByteView public_value() const override { return keys_.encapsulation_key; }

    Expected<Secret, CryptoError> shared_secret(ByteView ciphertext) const override {
        // FIPS 203 7.3, "Ciphertext type check". A ciphertext of the right length that isn't one of
        // this key gives another secret (implicit rejection), which AUTH will notice.
        if (ciphertext.size() != ml_kem::sizes_of(method_).ciphertext) {
            return Unexpected{CryptoError::bad_public_value};
        }
        auto secret = ml_kem::decapsulate(method_, keys_.decapsulation_key.reveal(), ciphertext);
        if (!secret) {
            return Unexpected{CryptoError::library};
        }
        return std::move(*secret);
    }

private:
    KeMethod method_;
    ml_kem::KeyPair keys_;
};

}  // namespace

MadeKeyExchange make_ml_kem(KeMethod method, Random& random) {
    const Secret seed = random.secret(ml_kem::seed_size);
    auto keys = ml_kem::key_pair(method, seed.reveal());
    if (!keys) {
        return Unexpected{CryptoError::library};
    }
    return std::unique_ptr<KeyExchange>(std::make_unique<MlKem>(method, std::move(*keys)));
}

Expected<KeyExchange::Response, CryptoError> respond_ml_kem(KeMethod method,
                                                            ByteView encapsulation_key,
                                                            Random& random) {
    // FIPS 203 7.2, "Type check", then the modulus check.
    if (encapsulation_key.size() != ml_kem::sizes_of(method).encapsulation_key ||
        !reduced(encapsulation_key)) {
        return Unexpected{CryptoError::bad_public_value};
    }
    const Secret message = random.secret(ml_kem::message_size);
    auto made = ml_kem::encapsulate(method, encapsulation_key, message.reveal());
    if (!made) {
        return Unexpected{CryptoError::library};
    }
    return KeyExchange::Response{std::move(made->ciphertext), std::move(made->secret)};
}

}  // namespace anyswan::crypto
