// SPDX-License-Identifier: Apache-2.0
// NAT traversal in IKE (RFC 7296 2.23): the detection hashes, what they tell, and the move to UDP
// port 4500. Pure functions.
#pragma once

#include <vector>

#include "core/ike/context.h"
#include "core/ike/keys.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike {

inline constexpr std::uint16_t ike_port = 500;
inline constexpr std::uint16_t nat_port = 4500;

using sa::NatStatus;

/// Whether our NAT_DETECTION_SOURCE_IP tells the truth, or (nat_traversal = force) a hash of no
/// address, so that the peer takes us for being behind a NAT and encapsulates.
enum class Announce : std::uint8_t { truth, behind_nat };

/// SHA-1 of SPIs, address and port.
[[nodiscard]] Bytes nat_hash(SpiPair spis, const Endpoint& endpoint);
/// Both notifies for a message of ours on `path`.
void append_nat_detection(std::vector<wire::ike::Payload>& payloads, SpiPair spis, const Path& path,
                          Announce announce);
/// Judges the notifies of a message that came on `path`; `ours` is what we announce ourselves.
[[nodiscard]] NatStatus detect_nat(const std::vector<wire::ike::Payload>& payloads, SpiPair spis,
                                   const Path& path, Announce ours);
/// The same path on port 4500; ports other than 500 stay as they are.
[[nodiscard]] Path moved_to_nat_port(Path path);

}  // namespace anyswan::ike
