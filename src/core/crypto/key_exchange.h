// SPDX-License-Identifier: Apache-2.0
// The key exchange methods behind KeyExchange, one file each. Internal to this folder.
#pragma once

#include "core/crypto/crypto.h"

namespace anyswan::crypto {

using MadeKeyExchange = Expected<std::unique_ptr<KeyExchange>, CryptoError>;

/// `method` is curve25519 or curve448.
[[nodiscard]] MadeKeyExchange make_montgomery(KeMethod method, Random& random);
/// `method` is one of ecp256, ecp384, ecp521.
[[nodiscard]] MadeKeyExchange make_ecp(KeMethod method, Random& random);
/// `method` is one of modp1536 .. modp8192.
[[nodiscard]] MadeKeyExchange make_modp(KeMethod method, Random& random);
/// `method` is one of ml_kem_512, ml_kem_768, ml_kem_1024. The roles differ: the initiator's value
/// is an encapsulation key, the responder's a ciphertext.
[[nodiscard]] MadeKeyExchange make_ml_kem(KeMethod method, Random& random);
[[nodiscard]] Expected<KeyExchange::Response, CryptoError> respond_ml_kem(
    KeMethod method, ByteView encapsulation_key, Random& random);

}  // namespace anyswan::crypto
