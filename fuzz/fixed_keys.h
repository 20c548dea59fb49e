// SPDX-License-Identifier: Apache-2.0
// The protectors that fuzz_open and its seeds share: the first input byte chooses one.
#pragma once

#include "core/ike/protect.h"

namespace anyswan::fuzz {

inline ike::MessageProtector fixed_protector(std::uint8_t choice) {
    const crypto::CipherSuite suite =
        choice % 2 == 0
            ? crypto::CipherSuite{crypto::EncrId::aes_gcm_16, 128, crypto::IntegId::none}
            : crypto::CipherSuite{crypto::EncrId::aes_cbc, 128, crypto::IntegId::hmac_sha2_256_128};
    return {suite, Bytes(crypto::encr_key_size(suite), 1), Bytes(crypto::integ_key_size(suite), 2)};
}

}  // namespace anyswan::fuzz
