// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), its incremental form (RFC 1624) and the pseudo headers of the
// transport protocols. Used where we change or make an inner packet: ECN, MSS clamping, ICMP.
#pragma once

#include "base/bytes.h"
#include "base/ip.h"

namespace anyswan::wire::ip {

/// A running ones' complement sum, to be carried from part to part.
using ChecksumSum = std::uint64_t;

/// Adds `bytes` to `sum`. Only the last part added may have an odd length.
[[nodiscard]] ChecksumSum checksum_add(ChecksumSum sum, ByteView bytes);
/// Folds and complements: the value for the header field.
[[nodiscard]] std::uint16_t checksum_finish(ChecksumSum sum);
/// The checksum of `bytes`; over a block that contains its own right checksum it is 0.
[[nodiscard]] std::uint16_t checksum(ByteView bytes);

/// RFC 1624 equation 3: the checksum after one 16-bit word of the covered data changed.
[[nodiscard]] std::uint16_t checksum_update(std::uint16_t checksum, std::uint16_t before,
                                            std::uint16_t after);

/// Sum of the pseudo header: RFC 9293 3.1 (IPv4), RFC 8200 8.1 (IPv6). Both addresses are of one
/// family (checked).
[[nodiscard]] ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                            std::uint8_t protocol, std::size_t length);

}  // namespace anyswan::wire::ip
