// SPDX-License-Identifier: Apache-2.0
// The key exchange methods behind KeyExchange::generate, one file each. Internal to this folder.
#pragma once

#include "core/crypto/crypto.h"

namespace anyswan::crypto {

using MadeKeyExchange = Expected<std::unique_ptr<KeyExchange>, CryptoError>;

[[nodiscard]] MadeKeyExchange make_x25519(Random& random);
/// `method` is one of ecp256, ecp384, ecp521.
[[nodiscard]] MadeKeyExchange make_ecp(KeMethod method, Random& random);
/// `method` is one of modp1536 .. modp4096.
[[nodiscard]] MadeKeyExchange make_modp(KeMethod method, Random& random);

}  // namespace anyswan::crypto
