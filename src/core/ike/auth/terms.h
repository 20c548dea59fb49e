// SPDX-License-Identifier: Apache-2.0
// What the peer says about authentication before it comes to that: in IKE_SA_INIT, and an initiator
// in its IKE_AUTH request.
#pragma once

#include <optional>
#include <vector>

#include "core/crypto/signature.h"
#include "core/sa/records.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike::auth {

/// One announcement of SUPPORTED_AUTH_METHODS (RFC 9593). `algorithm`: of method 14, if it is one
/// of ours.
struct AnnouncedMethod {
    wire::ike::AuthMethod method{};
    std::optional<crypto::SignatureAlgorithm> algorithm;
    bool operator==(const AnnouncedMethod&) const = default;
};

struct Terms {
    /// SIGNATURE_HASH_ALGORITHMS (RFC 7427): the hashes the peer verifies; nothing: it doesn't know
    /// that RFC.
    std::optional<std::vector<crypto::HashId>> hashes;
    /// What the peer verifies; empty: it didn't say.
    std::vector<AnnouncedMethod> methods;
    /// Both sides said USE_PPK (RFC 8784).
    bool ppk = false;
    /// It said CHILDLESS_IKEV2_SUPPORTED (RFC 6023), as a responder does.
    bool childless = false;
};

/// Initiator: what IKE_SA_INIT says for this tunnel.
void append_to_init_request(std::vector<wire::ike::Payload>& payloads,
                            const sa::TunnelRecord& tunnel);
/// Responder: the tunnel isn't known yet; any of `tunnels` may be it.
void append_to_init_response(std::vector<wire::ike::Payload>& payloads,
                             const std::vector<wire::ike::Payload>& request,
                             const std::vector<const sa::TunnelRecord*>& tunnels);
/// Initiator: CERTREQ and SUPPORTED_AUTH_METHODS of the IKE_AUTH request. RFC 9593 3.1: the latter
/// only to a responder that announced its own.
void append_to_auth_request(std::vector<wire::ike::Payload>& payloads,
                            const sa::TunnelRecord& tunnel, const Terms& terms);

/// What the peer's payloads of IKE_SA_INIT say. `ppk_offered`: whether ours say or will say
/// USE_PPK.
[[nodiscard]] Terms terms_of(const std::vector<wire::ike::Payload>& payloads, bool ppk_offered);
/// Adds what the IKE_AUTH request says.
void add_from_auth_request(Terms& terms, const std::vector<wire::ike::Payload>& payloads);
/// Whether any of them has a PPK.
[[nodiscard]] bool knows_ppk(const std::vector<const sa::TunnelRecord*>& tunnels);

}  // namespace anyswan::ike::auth
