// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/key_exchange.h"

#include "core/crypto/ml_kem.h"

namespace anyswan::crypto {

namespace {

/// How a method is run. Nothing that isn't here is supported.
enum class Family : std::uint8_t { unsupported, montgomery, ecp, modp, ml_kem };

Family family_of(KeMethod method) {
    switch (method) {
        case KeMethod::curve25519:
        case KeMethod::curve448:
            return Family::montgomery;
        case KeMethod::ecp256:
        case KeMethod::ecp384:
        case KeMethod::ecp521:
            return Family::ecp;
        case KeMethod::modp1536:
        case KeMethod::modp2048:
        case KeMethod::modp3072:
        case KeMethod::modp4096:
        case KeMethod::modp6144:
        case KeMethod::modp8192:
            return Family::modp;
        case KeMethod::ml_kem_512:
        case KeMethod::ml_kem_768:
        case KeMethod::ml_kem_1024:
            return ml_kem::available() ? Family::ml_kem : Family::unsupported;
        default:
            return Family::unsupported;
    }
}

}  // namespace

bool supported(KeMethod method) {
    return family_of(method) != Family::unsupported;
}

MadeKeyExchange KeyExchange::generate(KeMethod method, Random& random) {
    switch (family_of(method)) {
        case Family::montgomery:
            return make_montgomery(method, random);
        case Family::ecp:
            return make_ecp(method, random);
        case Family::modp:
            return make_modp(method, random);
        case Family::ml_kem:
            return make_ml_kem(method, random);
        case Family::unsupported:
            break;
    }
    return Unexpected{CryptoError::unsupported};
}

Expected<KeyExchange::Response, CryptoError> KeyExchange::respond(KeMethod method,
                                                                  ByteView peer_public,
                                                                  Random& random) {
    if (family_of(method) == Family::ml_kem) {
        return respond_ml_kem(method, peer_public, random);
    }
    const auto ours = generate(method, random);
    if (!ours) {
        return Unexpected{ours.error()};
    }
    auto shared = (*ours)->shared_secret(peer_public);
    if (!shared) {
        return Unexpected{shared.error()};
    }
    return Response{to_bytes((*ours)->public_value()), std::move(*shared)};
}

}  // namespace anyswan::crypto
