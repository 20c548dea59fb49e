// SPDX-License-Identifier: Apache-2.0
// SAs that CREATE_CHILD_SA agreed on and whose additional key exchanges aren't done yet (RFC 9370
// 2.2.4): what is left of them, and which of them the peer is to go on with.
#pragma once

#include "core/ike/session.h"

namespace anyswan::ike {

/// The additional key exchanges still to come, in order.
[[nodiscard]] std::vector<crypto::KeMethod> methods_left(const sa::PendingSa& pending);
/// Whether it came whole, and with algorithms of this release: an adopter may be of another.
[[nodiscard]] bool can_go_on(const sa::PendingSa& pending);
/// The first of them is done.
void add_secret(sa::PendingSa& pending, const Secret& shared);
[[nodiscard]] NoncePair nonces_of(const sa::PendingSa& pending);
/// RFC 7296 2.8.1: of two exchanges, the one whose lower nonce is the lower has lost.
[[nodiscard]] Bytes lowest_nonce(const sa::PendingSa& pending);
/// What our side calls it: an inbound ESP SPI or an IKE SPI.
[[nodiscard]] std::uint64_t our_spi_of(const sa::PendingSa& pending);

// What the peer is to go on with.

/// Whether it is about to replace this Child SA.
[[nodiscard]] bool peer_rekeys_child(const Established& sa, EspSpi inbound);
/// Whether it is about to replace this IKE SA.
[[nodiscard]] bool peer_rekeys_ike(const Established& sa);
/// Whether it is about to make the SA that our side calls so.
[[nodiscard]] bool is_awaited(const Established& sa, std::uint64_t our_spi);
/// Waits for it. What the peer began before in order to replace the same SA, it has given up.
void await(Established& sa, const Context& context, sa::PendingSa pending);
void forget_awaited(Established& sa, std::uint64_t our_spi);
/// RFC 9370 2.2.4: "The responder MUST handle this situation gracefully and delete the associated
/// state if it does not receive the next expected IKE_FOLLOWUP_KE request after some reasonable
/// period of time." Whether there was one, so that the claim must change.
[[nodiscard]] Persist forget_late(Session& session, Context& context);

}  // namespace anyswan::ike
