// SPDX-License-Identifier: Apache-2.0
// How the two sides of a tunnel prove who they are, but for the pre-shared key, which stands in the
// TunnelRecord itself.
#pragma once

#include <string>
#include <vector>

#include "base/secret.h"
#include "core/crypto/x509.h"

namespace anyswan::sa {

enum class AuthKind : std::uint8_t { psk = 0, certificate = 1 };
[[nodiscard]] const char* name(AuthKind kind);

/// How we sign with an RSA key where the peer leaves the choice (RFC 7427).
enum class RsaPadding : std::uint8_t { pss = 0, pkcs1 = 1 };

/// A certificate that ends the peer's chain. `key_hash` is Certificate::key_hash(), kept so that
/// CERTREQ costs no parsing.
struct TrustAnchor {
    Bytes certificate;  // DER
    Bytes key_hash;
    bool operator==(const TrustAnchor&) const = default;
};

/// A postquantum pre-shared key (RFC 8784); none if `id` is empty.
struct Ppk {
    Bytes id;
    Secret key;
    bool required = false;
    [[nodiscard]] bool configured() const { return !id.empty() && !key.empty(); }
    bool operator==(const Ppk&) const = default;
};

struct Credentials {
    AuthKind local = AuthKind::psk;
    AuthKind remote = AuthKind::psk;
    std::vector<Bytes> certificates;  // ours, DER: the leaf, then intermediates in order
    Secret private_key;               // of the leaf, PKCS #8
    RsaPadding rsa_padding = RsaPadding::pss;
    std::vector<TrustAnchor> anchors;  // what the peer's certificate must lead to
    crypto::CrlCheck crl_check = crypto::CrlCheck::off;
    std::vector<Bytes> crls;  // DER
    /// Where newer ones are fetched from, besides; and whether also from where certificates say.
    std::vector<std::string> crl_urls;
    bool crl_points = false;
    Ppk ppk;

    [[nodiscard]] bool uses_certificates() const {
        return local == AuthKind::certificate || remote == AuthKind::certificate;
    }
    [[nodiscard]] Credentials clone() const;
    bool operator==(const Credentials&) const = default;
};

/// A word of a tunnel's allow_weak; core/sa/weak.h has them all.
inline constexpr const char* weak_sha1_signatures = "sha1-signatures";

}  // namespace anyswan::sa
