// SPDX-License-Identifier: Apache-2.0
// Our nonce and side of the key exchange in a CREATE_CHILD_SA (RFC 7296 1.3): as its initiator
// drawn from a seed that the claim carries, so that an adopter can go on; as its responder drawn
// and used at once.
#pragma once

#include "core/ike/context.h"
#include "core/ike/tasks.h"

namespace anyswan::ike {

/// Initiator: draws a seed and makes both from it. `method` none: no key exchange.
[[nodiscard]] in_flight::Offer make_offer(Random& random, crypto::KeMethod method);
/// The same again.
[[nodiscard]] in_flight::Offer remake_offer(Secret seed, crypto::KeMethod method);
/// Its payloads: Ni, and KEi if there is one.
[[nodiscard]] std::vector<wire::ike::Payload> payloads_of(const in_flight::Offer& offer);
/// What both halves make: empty without key exchange. Nothing if the peer's half is missing, of
/// another method or invalid.
[[nodiscard]] std::optional<Secret> shared_secret(const in_flight::Offer& offer,
                                                  const wire::ike::KeyExchange* theirs);
/// The chain's nonce; null if there is none of 16 to 256 octets (RFC 7296 3.9). Borrowed.
[[nodiscard]] const wire::ike::Nonce* find_nonce(const std::vector<wire::ike::Payload>& payloads);
/// The group of an INVALID_KE_PAYLOAD.
[[nodiscard]] crypto::KeMethod group_asked(const wire::ike::Notify& invalid_ke);

/// Responder: nonce, and with a `method` our public value and what both halves make.
struct Response {
    Bytes nonce;
    std::vector<wire::ike::Payload> payloads;  // Nr, KEr
    Secret shared;
};
/// Nothing if the peer's public value is invalid.
[[nodiscard]] std::optional<Response> make_response(Random& random, crypto::KeMethod method,
                                                    const wire::ike::KeyExchange* theirs);

/// RFC 7296 2.8.1: "the SA created with the lowest of the four nonces": of two exchanges, the one
/// whose lower nonce is the lower. "Lowest" means an octet-by-octet comparison.
[[nodiscard]] Bytes lower_of(const Bytes& a, const Bytes& b);

}  // namespace anyswan::ike
