// SPDX-License-Identifier: Apache-2.0
// Everything cryptographic the project needs, behind one interface; the .cc files of this folder
// are the only ones that know the library (OpenSSL 3). Nothing here is our own cryptography.
#pragma once

#include <memory>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "core/crypto/suites.h"

namespace anyswan::crypto {

/// Why the cryptographic library refused. Peers cause all of these but `library`.
enum class CryptoError : std::uint8_t {
    bad_public_value,   // wrong length, not on the curve, 0/1/p-1, coefficients not below q
    bad_shared_secret,  // all zero (RFC 8031 section 5)
    unsupported,
    library,  // the library failed for its own reasons
};
[[nodiscard]] const char* name(CryptoError error);

/// prf(key, data...) of RFC 7296 2.13; the parts are fed one after another.
[[nodiscard]] Secret prf(PrfId prf, ByteView key, std::initializer_list<ByteView> data);
/// prf+ of RFC 7296 2.13; `size` at most 255 outputs.
[[nodiscard]] Secret prf_plus(PrfId prf, ByteView key, ByteView seed, std::size_t size);
/// SHA-1, for NAT detection hashes alone (RFC 7296 2.23 fixes it).
[[nodiscard]] Bytes sha1(std::initializer_list<ByteView> data);
/// SHA-256, for cookies and fingerprints.
[[nodiscard]] Bytes sha256(std::initializer_list<ByteView> data);

/// The initiator's side of one key exchange. Randomness comes from the caller, so a seeded run
/// repeats exactly.
class KeyExchange {
public:
    static Expected<std::unique_ptr<KeyExchange>, CryptoError> generate(KeMethod method,
                                                                        Random& random);
    /// The responder's side, done in one step once the initiator's value is known: a KEM has no
    /// other form, Diffie-Hellman doesn't mind.
    struct Response {
        Bytes public_value;  // of our KE payload
        Secret shared_secret;
    };
    static Expected<Response, CryptoError> respond(KeMethod method, ByteView peer_public,
                                                   Random& random);
    virtual ~KeyExchange() = default;
    /// The bytes of our KE payload.
    [[nodiscard]] virtual ByteView public_value() const = 0;
    /// From the responder's value: g^ir as RFC 7296 2.14, RFC 5903 and RFC 8031 define its octets
    /// (leading zeros kept), or the secret that a KEM's ciphertext encapsulates.
    [[nodiscard]] virtual Expected<Secret, CryptoError> shared_secret(
        ByteView peer_public) const = 0;
};

/// One direction of an SA: seals and opens whole packets in place. Not thread-safe; one per worker.
///
/// `aad` is what is authenticated ahead of the IV; for CBC with HMAC `trailer` (ESP's high sequence
/// bits, RFC 4303 2.2.1) is authenticated after the ciphertext, for AEADs it must be empty.
class Cipher {
public:
    /// Keys of exactly encr_key_size / integ_key_size bytes (checked).
    static Expected<std::unique_ptr<Cipher>, CryptoError> make(const CipherSuite& suite,
                                                               ByteView encr_key,
                                                               ByteView integ_key);
    virtual ~Cipher() = default;
    /// Encrypts `text` in place, writes the ICV. Sizes: `iv` iv_size, `icv` icv_size, `text` a
    /// multiple of block_size (all checked).
    virtual void seal(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
                      MutableBytes icv) = 0;
    /// Verifies in constant time, then decrypts in place. False: the ICV is wrong, `text` is
    /// undefined.
    [[nodiscard]] virtual bool open(ByteView iv, ByteView aad, ByteView trailer, MutableBytes text,
                                    ByteView icv) = 0;
};

}  // namespace anyswan::crypto
