// SPDX-License-Identifier: Apache-2.0
// One side's AUTH, by pre-shared key or by certificate: made for us, judged for the peer. The two
// sides of a tunnel may use different kinds.
#pragma once

#include "core/ike/auth/signature.h"
#include "core/ike/keys.h"

namespace anyswan::ike::auth {

/// What one side's AUTH covers (RFC 7296 2.15): its own first message, the other's nonce and its
/// own identity, under its SK_p.
struct Signer {
    ByteView first_message;
    ByteView other_nonce;
    const Secret& sk_p;
    const wire::ike::Identification& id;
    ByteView intermediate = {};  // RFC 9242
};

/// Our AUTH payload; the failure's words are for operators.
[[nodiscard]] Expected<wire::ike::Authentication, std::string> prove(crypto::PrfId prf,
                                                                     const sa::TunnelRecord& tunnel,
                                                                     const Terms& terms,
                                                                     const Signer& us);

/// What the peer brought.
struct PeerProof {
    const wire::ike::Authentication& auth;
    const std::vector<wire::ike::Payload>& payloads;  // CERT among them
};
struct ProofFailure {
    enum class Kind : std::uint8_t { method, shared_key, certificate };
    Kind kind{};
    std::string words;  // for a certificate
};
/// `certificate`: how it proved itself, if it did so by one.
struct Proved {
    std::optional<AcceptedCertificate> certificate;
};
[[nodiscard]] Expected<Proved, ProofFailure> judge(crypto::PrfId prf,
                                                   const sa::TunnelRecord& tunnel,
                                                   const PeerProof& proof, const Signer& peer,
                                                   WallTime now);

/// Whether a method is the kind that the tunnel expects of its peer.
[[nodiscard]] bool expected_method(const sa::TunnelRecord& tunnel, wire::ike::AuthMethod method);
/// "a pre-shared key", "a certificate"
[[nodiscard]] const char* words_for(sa::AuthKind kind);
/// Whether the tunnel holds what both sides' authentication takes.
[[nodiscard]] bool complete(const sa::TunnelRecord& tunnel);

}  // namespace anyswan::ike::auth
