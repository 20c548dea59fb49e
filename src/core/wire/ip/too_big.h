// SPDX-License-Identifier: Apache-2.0
// What tells a sender that the tunnel carries less than its link: ICMP "fragmentation needed"
// (RFC 792, RFC 1191), ICMPv6 "packet too big" (RFC 4443 3.2), and clamping of the maximum segment
// size in TCP's SYN for senders that never hear of either.
#pragma once

#include "core/wire/ip/ip_view.h"

namespace anyswan::wire::ip {

/// RFC 1812 4.3.2.3: an ICMP error carries as much as fits in 576 bytes.
inline constexpr std::size_t icmp_error_size_max = 576;
/// RFC 4443 2.4 (c): "without making the error message packet exceed the minimum IPv6 MTU".
inline constexpr std::size_t icmpv6_error_size_max = 1280;

/// Whether RFC 1122 3.2.2 and RFC 4443 2.4 (e) let an error be sent about this packet: not about
/// ICMP errors, later fragments, or senders that aren't one host.
[[nodiscard]] bool may_send_icmp_error(ByteView packet, const IpView& view);

/// Builds the message that says "`packet` is bigger than `mtu`" into `out` and returns its size.
/// The error's source is the packet's destination: the tunnel has no address of its own, and this
/// one is sure to be routed and selected like the rest of the flow. `out` has room for
/// icmpv6_error_size_max bytes (checked).
std::size_t build_too_big(ByteView packet, const IpView& view, std::uint16_t mtu, MutableBytes out);

/// Lowers the MSS option of a TCP SYN to `mss_max`; anything else is left alone. Returns whether
/// the packet was changed.
bool clamp_mss(MutableBytes packet, const IpView& view, std::uint16_t mss_max);

/// The greatest segment that fits in `mtu` bytes with headers of `family` (RFC 9293 3.7.1).
[[nodiscard]] std::uint16_t mss_of_mtu(std::size_t mtu, IpFamily family);

}  // namespace anyswan::wire::ip
