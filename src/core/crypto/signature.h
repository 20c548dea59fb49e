// SPDX-License-Identifier: Apache-2.0
// Signatures and the keys that make them: RSA (PKCS #1 v1.5 and PSS), ECDSA, Ed25519, and their
// AlgorithmIdentifiers (RFC 7427).
//
// Randomness: PKCS #1 v1.5 and Ed25519 signatures follow from key and data alone. For ECDSA's nonce
// and PSS's salt OpenSSL draws from its own generator; there is no way to hand it ours.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "core/crypto/crypto.h"

struct evp_pkey_st;

namespace anyswan::crypto {

using wire::ike::HashId;

enum class SignatureScheme : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa, ed25519 };

/// `salt_size` in bytes, for PSS alone. The hash of Ed25519 is "identity" (RFC 8420).
struct SignatureAlgorithm {
    SignatureScheme scheme = SignatureScheme::rsa_pss;
    HashId hash = HashId::sha2_256;
    std::uint16_t salt_size = 0;
    bool operator==(const SignatureAlgorithm&) const = default;

    /// PSS with a salt as long as the hash, what RFC 7427 A.4 shows and everyone sends.
    static SignatureAlgorithm pss(HashId hash);
};
/// "RSA-PSS with SHA2-256", "Ed25519".
[[nodiscard]] std::string to_string(const SignatureAlgorithm& algorithm);

/// DER of the AlgorithmIdentifier (RFC 7427 appendix A). `algorithm` is one that can be signed
/// with.
[[nodiscard]] Bytes encode_algorithm(const SignatureAlgorithm& algorithm);
/// Nothing: not DER, or an algorithm that isn't one of ours (MGF1 with another hash counts so).
[[nodiscard]] std::optional<SignatureAlgorithm> decode_algorithm(ByteView der);

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519, other };
[[nodiscard]] const char* name(KeyKind kind);

/// Immutable; copies share the key.
class PublicKey {
public:
    /// From the DER of a SubjectPublicKeyInfo.
    static std::optional<PublicKey> from_der(ByteView spki);
    /// Internal to this folder: shares a key of the library.
    explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

    [[nodiscard]] KeyKind kind() const;
    [[nodiscard]] unsigned bits() const;
    /// False also if the algorithm is for keys of another kind.
    [[nodiscard]] bool verify(const SignatureAlgorithm& algorithm, ByteView data,
                              ByteView signature) const;
    [[nodiscard]] const evp_pkey_st* handle() const { return key_.get(); }

private:
    std::shared_ptr<evp_pkey_st> key_;
};

class PrivateKey {
public:
    /// PEM or DER; PKCS #8, PKCS #1 or SEC 1, without a passphrase. The failure's words are for
    /// operators: "is encrypted; ...".
    static Expected<PrivateKey, std::string> parse(ByteView text);

    [[nodiscard]] KeyKind kind() const { return public_key().kind(); }
    [[nodiscard]] PublicKey public_key() const { return PublicKey(key_); }
    [[nodiscard]] bool belongs_to(const PublicKey& key) const;
    /// PKCS #8.
    [[nodiscard]] Secret to_der() const;
    [[nodiscard]] Expected<Bytes, CryptoError> sign(const SignatureAlgorithm& algorithm,
                                                    ByteView data) const;

private:
    explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    std::shared_ptr<evp_pkey_st> key_;
};

// ECDSA signatures as RFC 4754 has them: r | s, each as long as the curve's order. The library's
// form is DER.
[[nodiscard]] std::optional<Bytes> ecdsa_raw(ByteView der, KeyKind kind);
[[nodiscard]] std::optional<Bytes> ecdsa_der(ByteView raw, KeyKind kind);

}  // namespace anyswan::crypto
