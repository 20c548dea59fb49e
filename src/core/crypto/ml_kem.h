// SPDX-License-Identifier: Apache-2.0
// ML-KEM (FIPS 203) as a library gives it: OpenSSL from 3.5 on (ml_kem_openssl.cc), else the
// reference code that tools/fetch-pqclean brings (ml_kem_pqclean.cc); a build without either has
// ml_kem_none.cc and says so. Internal to this folder. FIPS 203's "derandomized" forms throughout:
// randomness is an argument.
#pragma once

#include "core/crypto/crypto.h"

namespace anyswan::crypto::ml_kem {

/// Sizes in bytes, FIPS 203 table 3.
struct Sizes {
    std::size_t encapsulation_key = 0;
    std::size_t decapsulation_key = 0;
    std::size_t ciphertext = 0;
};
inline constexpr std::size_t seed_size = 64;     // d | z of key generation
inline constexpr std::size_t message_size = 32;  // m of encapsulation
inline constexpr std::size_t secret_size = 32;
/// `method` is one of the three parameter sets (checked).
[[nodiscard]] Sizes sizes_of(KeMethod method);

/// Whether this build has an implementation at all.
[[nodiscard]] bool available();

struct KeyPair {
    Bytes encapsulation_key;
    Secret decapsulation_key;
};
struct Encapsulated {
    Bytes ciphertext;
    Secret secret;
};
// Arguments of the right sizes (checked); nothing if the library fails. Only the encapsulation key
// needs more: whether its coefficients are reduced is the caller's check.
[[nodiscard]] std::optional<KeyPair> key_pair(KeMethod method, ByteView seed);
[[nodiscard]] std::optional<Encapsulated> encapsulate(KeMethod method, ByteView encapsulation_key,
                                                      ByteView message);
[[nodiscard]] std::optional<Secret> decapsulate(KeMethod method, ByteView decapsulation_key,
                                                ByteView ciphertext);

}  // namespace anyswan::crypto::ml_kem
