// SPDX-License-Identifier: Apache-2.0
// Test support: certificates, keys and CRLs, made when a test asks for them.
#pragma once

#include "core/crypto/x509.h"

namespace anyswan::crypto::test {

/// 2023-11-14 22:13:20 UTC, about when the engine's tests take place.
inline constexpr WallTime test_now{1'700'000'000'000'000'000};
inline constexpr WallTime days_from_now(std::int64_t days) {
    return WallTime{test_now.unix_ns + days * 86'400'000'000'000};
}

struct CertificateOptions {
    std::string subject;  // "O=Acme, CN=hq"
    KeyKind kind = KeyKind::ecdsa_p256;
    /// As OpenSSL's configuration has them: "DNS:hq.example,IP:192.0.2.1,email:a@b.example".
    std::string alternative_names = {};
    bool ca = false;
    std::string key_usage = {};           // "digitalSignature"; empty: no extension
    std::string extended_key_usage = {};  // "serverAuth"
    const char* digest = "SHA256";        // of the issuer's signature
    WallTime not_before = days_from_now(-30);
    WallTime not_after = days_from_now(3650);
    unsigned rsa_bits = 2048;
    std::string crl_points = {};  // "URI:http://ca.example/ca.crl"
};

/// A certificate and its key.
struct Issued {
    Bytes certificate;  // DER
    Secret key;         // PKCS #8 DER
    [[nodiscard]] Certificate parsed() const { return *Certificate::from_der(certificate); }
    [[nodiscard]] PrivateKey private_key() const { return *PrivateKey::parse(key.reveal()); }
    [[nodiscard]] Issued clone() const { return {certificate, key.clone()}; }
};

[[nodiscard]] Issued self_signed(const CertificateOptions& options);
[[nodiscard]] Issued issue(const CertificateOptions& options, const Issued& issuer);
[[nodiscard]] Bytes make_crl(const Issued& issuer, const std::vector<Bytes>& revoked,
                             WallTime next_update = days_from_now(30));
[[nodiscard]] std::string pem(ByteView certificate);
[[nodiscard]] std::string pem(const Secret& key);

}  // namespace anyswan::crypto::test
