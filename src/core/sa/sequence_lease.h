// SPDX-License-Identifier: Apache-2.0
// The rules of the SequenceLease claim (N2): which numbers a sender may use on an outbound SA whose
// peer checks replay.
//
// A sender reserves numbers by moving the claim's `reserved_up_to` with compare-and-swap, and uses
// none before the swap is won. Everything up to `reserved_up_to` may have been used by somebody, so
// whoever writes next starts above it. That needs no clock and no revocation: a sender that lost
// the lease without knowing can only use up numbers that are its own. A swap with an unknown
// outcome counts as lost: the numbers it may have reserved are left unused.
#pragma once

#include <optional>

#include "base/result.h"
#include "core/sa/records.h"

namespace anyswan::sa {

/// Who asks, for which SA, and what its dataplane says (dataplane::NeedSequence).
struct LeaseRequest {
    EspSpi inbound_spi;
    EdgeId edge;
    Incarnation incarnation;
    crypto::SnId sn = crypto::SnId::sequential_32;
    /// The highest number this incarnation of this edge has used on the SA; 0: none.
    SequenceNumber used_up_to;
    std::uint64_t rate_per_s = 0;
};

/// The claim to write, and what the sender may use once that write is won: first..last.
struct LeaseGrant {
    SequenceLeaseRecord claim;
    SequenceNumber first;
    SequenceNumber last;
    /// Less than a quarter of the SA's numbers is left above `last`: time to rekey.
    bool rekey_soon = false;
    bool operator==(const LeaseGrant&) const = default;
};

/// Why there is nothing to grant. Both mean: rekey the SA, send no more on it.
enum class LeaseRefusal : std::uint8_t {
    /// All numbers are reserved. RFC 4303 3.3.3: "the sender MUST NOT send a packet on an SA if
    /// doing so would cause the sequence number to cycle".
    exhausted,
    /// The claim is missing, or behind what we have used ourselves: the store lost it, and with it
    /// what others may have used.
    claim_lost,
};
[[nodiscard]] const char* name(LeaseRefusal refusal);

inline constexpr std::uint64_t lease_size_min = 65536;
/// A lease lasts about this long at the recent rate.
inline constexpr std::uint64_t lease_seconds = 60;
/// What a sender that dies wastes at most: 1/64 of the numbers of a 32-bit SA.
inline constexpr std::uint64_t lease_size_max_32 = std::uint64_t{1} << 26U;
inline constexpr std::uint64_t lease_size_max_64 = std::uint64_t{1} << 40U;

/// `current` is the claim as just read; nothing if there is none.
[[nodiscard]] Expected<LeaseGrant, LeaseRefusal> next_lease(
    const std::optional<SequenceLeaseRecord>& current, const LeaseRequest& request);

}  // namespace anyswan::sa
