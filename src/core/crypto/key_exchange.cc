// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/key_exchange.h"

namespace anyswan::crypto {

MadeKeyExchange KeyExchange::generate(KeMethod method, Random& random) {
    switch (method) {
        case KeMethod::curve25519:
            return make_x25519(random);
        case KeMethod::ecp256:
        case KeMethod::ecp384:
        case KeMethod::ecp521:
            return make_ecp(method, random);
        case KeMethod::modp1536:
        case KeMethod::modp2048:
        case KeMethod::modp3072:
        case KeMethod::modp4096:
            return make_modp(method, random);
        default:
            return Unexpected{CryptoError::unsupported};
    }
}

}  // namespace anyswan::crypto
