// SPDX-License-Identifier: Apache-2.0
// The outside of an ESP packet (RFC 4303 2) and what shares UDP port 4500 with it (RFC 3948 2):
// every datagram there is ESP, IKE behind four zero bytes, or a NAT keepalive.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/strong.h"

namespace anyswan::wire::esp {

/// SPI and the low sequence number bits.
inline constexpr std::size_t header_size = 8;
/// Pad Length and Next Header, at the end of what is encrypted.
inline constexpr std::size_t trailer_size = 2;
/// RFC 3948 2.2: what sets IKE on port 4500 apart, since no ESP SPI is zero.
inline constexpr std::size_t non_esp_marker_size = 4;
/// RFC 4303 2.1: "the set of SPI values in the range 1 through 255 are reserved".
inline constexpr EspSpi spi_min{256};

/// The clear first bytes of every ESP packet.
struct Header {
    EspSpi spi;
    std::uint32_t sequence_low = 0;
    bool operator==(const Header&) const = default;
};

/// Nothing if `packet` is shorter than a header.
[[nodiscard]] std::optional<Header> read_header(ByteView packet);
/// `at` has room for header_size bytes (checked).
void write_header(MutableBytes at, const Header& header);

enum class Natt : std::uint8_t {
    keepalive,  // RFC 3948 2.3: one byte 0xFF; to be ignored
    ike,        // behind the marker
    esp,
    runt,  // too short to be any of them
};

/// What a datagram on port 4500 is.
[[nodiscard]] Natt classify_natt(ByteView datagram);

/// What goes into a UDP datagram for an IKE message: the message, on port 4500 (`natt`) behind the
/// marker. Of no message a NAT-keepalive: RFC 3948 4: it "MUST use a one-octet-long payload with
/// the value 0xFF".
[[nodiscard]] Bytes ike_in_udp(ByteView message, bool natt);

}  // namespace anyswan::wire::esp
