// SPDX-License-Identifier: Apache-2.0
// Numbers of the IKE role: first what the RFCs fix, then what we chose. Their relations are
// asserted here.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace anyswan::ike {

// The specification.
/// RFC 7296 3.9: "the size of the Nonce Data MUST be between 16 and 256 octets, inclusive".
inline constexpr std::size_t nonce_size_min = 16;
inline constexpr std::size_t nonce_size_max = 256;
/// RFC 7296 2.6: COOKIE data "MUST be between 1 and 64 octets in length (inclusive)".
inline constexpr std::size_t cookie_size_max = 64;
/// RFC 7296 3.13: the number of selectors is one octet.
inline constexpr std::size_t traffic_selectors_max = 255;
/// RFC 4303 2.1: SPI values 1..255 are reserved.
inline constexpr std::uint32_t esp_spi_min = 256;

// Our choices.
/// RFC 7296 2.10: at least half the key size of the PRF; 32 serves all of ours.
inline constexpr std::size_t our_nonce_size = 32;
/// How long a cookie of one time slot is made; one of the slot before is accepted too.
inline constexpr Duration cookie_slot = 60s;
/// RFC 7383 2.5.1 suggests IP packets of 1280 bytes: less an IPv6 header (40), UDP (8) and the
/// non-ESP marker (4).
inline constexpr std::size_t fragment_size = 1280 - 40 - 8 - 4;
/// COOKIE and INVALID_KE_PAYLOAD answers that an initiator follows before it ignores more.
inline constexpr unsigned init_restarts_max = 5;
/// Child SAs under one IKE SA; more are refused (NO_ADDITIONAL_SAS). Rekeys may go above for a
/// while.
inline constexpr std::size_t children_max = 256;
/// INVALID_KE_PAYLOAD answers to one CREATE_CHILD_SA that we follow.
inline constexpr unsigned create_restarts_max = 5;
/// Pauses after TEMPORARY_FAILURE, doubling from the first to the longest, and how many of them:
/// "several minutes" (RFC 7296 2.25).
inline constexpr Duration put_off_first = 2s;
inline constexpr Duration put_off_longest = 32s;
inline constexpr unsigned put_off_max = 10;
/// Retransmissions of a request to a peer that may move (MOBIKE): with the usual pauses seven
/// minutes.
inline constexpr unsigned mobile_peer_tries = 9;
/// Addresses of its own that a peer may name; more are ignored.
inline constexpr std::size_t peer_addresses_max = 32;
/// Octets of our COOKIE2 (RFC 4555 4.2.5: 8 to 64).
inline constexpr std::size_t our_cookie2_size = 16;
/// Further UPDATE_SA_ADDRESSES after UNEXPECTED_NAT_DETECTED, and the pause before each.
inline constexpr unsigned update_tries_max = 4;
inline constexpr Duration update_retry_pause = 2s;
/// Until a rekey that the peer refused is tried again.
inline constexpr Duration refused_pause = 60s;
/// How long the peer may take for its next IKE_FOLLOWUP_KE. RFC 9370 2.2.4: "In general, 5-20
/// seconds of waiting time should be appropriate in most cases."
inline constexpr Duration followup_timeout = 20s;
/// SAs of the peer that wait for one, at once; more are put off (TEMPORARY_FAILURE).
inline constexpr std::size_t awaited_max = 4;
/// How long a wish waits while it isn't known which of two new IKE SAs has the Child SAs.
inline constexpr Duration undecided_pause = 1s;
/// How long a replaced IKE SA waits for the peer's DELETE before we send one.
inline constexpr Duration retire_after = 60s;
/// How long a Child SA that we have rekeyed is kept before our DELETE. Until then each edge has
/// heard of the new one and has sequence numbers for it; some peers drop what still comes in on the
/// old one as soon as they read the DELETE.
inline constexpr Duration replaced_for = 2s;
/// After its end an IKE SA still answers retransmissions of the last request for this long.
inline constexpr Duration linger = 60s;
/// Unprotected refusals per second, and in one burst (RFC 7296 2.21.4).
inline constexpr std::uint64_t refusals_per_s = 100;
inline constexpr std::uint64_t refusal_burst = 200;

static_assert(our_nonce_size >= nonce_size_min && our_nonce_size <= nonce_size_max);
static_assert(refusal_burst >= refusals_per_s);

}  // namespace anyswan::ike
