// SPDX-License-Identifier: Apache-2.0
// Test helpers of this folder: hex literals, one real message, and random payload values.
#pragma once

#include "base/random.h"
#include "core/wire/ike/message.h"

namespace anyswan::wire::ike::test {

/// `text` as bytes; spaces are ignored. Aborts on anything that is no hex.
[[nodiscard]] Bytes hex(std::string_view text);

/// An IKE_SA_INIT request of strongSwan 6.1.0: SA, KE, Nonce, two NAT detection hashes,
/// IKEV2_FRAGMENTATION_SUPPORTED, SIGNATURE_HASH_ALGORITHMS, REDIRECT_SUPPORTED.
[[nodiscard]] Bytes strongswan_sa_init();

/// A header with exchange INFORMATIONAL and recognisable numbers.
[[nodiscard]] Header some_header();

/// Any value that the wire can carry, of any kind but SK and SKF.
[[nodiscard]] Payload random_payload(Random& random);
/// A message of up to 8 such payloads, sometimes ended by SK or SKF.
[[nodiscard]] Message random_message(Random& random);

}  // namespace anyswan::wire::ike::test
