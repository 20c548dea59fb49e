// SPDX-License-Identifier: Apache-2.0
// AUTH by certificate: choosing how to sign, signing, the CERT payloads, and judging the peer's
// (RFC 7296 2.15, 3.6 to 3.8; RFC 7427; RFC 4754; RFC 9593).
#pragma once

#include "core/ike/auth/terms.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike::auth {

/// What an AUTH payload says the signature is, and the signature in the library's form.
struct PresentedSignature {
    crypto::SignatureAlgorithm algorithm;
    Bytes value;
};

/// How we sign for a peer with these terms.
struct SigningChoice {
    wire::ike::AuthMethod method{};
    crypto::SignatureAlgorithm algorithm;
};
/// The failure's words are for operators.
[[nodiscard]] Expected<SigningChoice, std::string> choose_signature(crypto::KeyKind kind,
                                                                    const sa::TunnelRecord& tunnel,
                                                                    const Terms& terms);
[[nodiscard]] Expected<wire::ike::Authentication, std::string> sign_auth(
    const sa::TunnelRecord& tunnel, const Terms& terms, ByteView octets);

/// Our certificate, then its intermediates, a CERT payload each.
void append_certificates(std::vector<wire::ike::Payload>& payloads, const sa::TunnelRecord& tunnel);

/// A certificate that was accepted, and how it signed.
struct AcceptedCertificate {
    std::string text;   // "certificate \"CN=hq\", ECDSA with SHA2-256"
    bool sha1 = false;  // in the signature or in the chain; the tunnel allows it
};
/// Judges a peer that authenticates as `id`; `payloads` are those of its message. Chain, time,
/// revocation, usage, identity and signature must all be right; else the words what to change.
[[nodiscard]] Expected<AcceptedCertificate, std::string> check_signature(
    const sa::TunnelRecord& tunnel, const wire::ike::Authentication& auth,
    const wire::ike::Identification& id, const std::vector<wire::ike::Payload>& payloads,
    ByteView octets, WallTime now);

/// Where the lists that may revoke the peer's certificates are, as those say themselves; only if
/// the tunnel goes by that, and only of a chain that leads to one of its anchors: nobody else has
/// us fetch anything.
[[nodiscard]] std::vector<std::string> crl_points_of(
    const sa::TunnelRecord& tunnel, const wire::ike::Identification& id,
    const std::vector<wire::ike::Payload>& payloads, WallTime now);

}  // namespace anyswan::ike::auth
