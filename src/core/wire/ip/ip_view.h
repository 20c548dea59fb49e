// SPDX-License-Identifier: Apache-2.0
// An IP packet, checked once: parse_ip() walks the header chain of an IPv4 or IPv6 packet and
// returns what the dataplane asks about it. After that nobody reads header bytes by hand.
//
// RFC 791, RFC 8200 (extension headers), RFC 4301 4.4.1.1 (what counts as next layer protocol and
// as port).
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"

namespace anyswan::wire::ip {

/// IANA protocol numbers that the dataplane tells apart. Others are legal values.
enum class IpProtocol : std::uint8_t {
    hop_by_hop = 0,
    icmp = 1,
    ipv4 = 4,
    tcp = 6,
    udp = 17,
    dccp = 33,
    ipv6 = 41,
    routing = 43,
    fragment = 44,
    esp = 50,
    ah = 51,
    icmpv6 = 58,
    no_next_header = 59,
    destination_options = 60,
    sctp = 132,
    mobility = 135,
    udplite = 136,
};

inline constexpr std::size_t ipv4_header_size = 20;  // without options
inline constexpr std::size_t ipv6_header_size = 40;
inline constexpr std::size_t udp_header_size = 8;
inline constexpr std::size_t tcp_header_size = 20;  // without options

/// Why bytes are no IP packet.
enum class IpFault : std::uint8_t {
    too_short,          // ends inside the header
    bad_version,        // neither 4 nor 6
    bad_header_length,  // IPv4 IHL below 5, or past the packet
    bad_total_length,   // shorter than its headers, or longer than the bytes at hand
    bad_extension,      // IPv6 extension header runs past the packet, or too many
};
[[nodiscard]] const char* name(IpFault fault);

/// What RFC 4301 calls ports: of TCP, UDP, SCTP, DCCP and UDP-Lite; of ICMP type * 256 + code, of
/// Mobility Header type * 256, as both.
struct Ports {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    bool operator==(const Ports&) const = default;
};

/// All that the dataplane needs of a packet's headers.
struct IpView {
    IpFamily family = IpFamily::v4;
    std::uint8_t traffic_class = 0;  // DSCP and ECN
    std::uint8_t hop_limit = 0;
    /// The next layer protocol, after IPv6 extension headers.
    IpProtocol protocol{};
    /// Length by the header; bytes behind it are padding (RFC 4303 2.7).
    std::size_t total_size = 0;
    /// Where the next layer begins, at most total_size.
    std::size_t payload_offset = 0;
    /// Routers must not fragment it: IPv4 DF, and always IPv6.
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // bytes
    /// Nothing in a fragment other than the first, and where the protocol has none.
    std::optional<Ports> ports;
    IpAddress source;
    IpAddress destination;

    [[nodiscard]] bool later_fragment() const { return fragment_offset != 0; }
    [[nodiscard]] bool is_fragment() const { return more_fragments || later_fragment(); }
};

/// `packet` starts at the version nibble; more bytes than the header tells are allowed.
[[nodiscard]] Expected<IpView, IpFault> parse_ip(ByteView packet);

/// Whether `protocol` has what Ports describes.
[[nodiscard]] bool has_ports(IpProtocol protocol);

/// IPv4 224.0.0.0/4, IPv6 ff00::/8.
[[nodiscard]] bool is_multicast(const IpAddress& address);

/// Writes DSCP and ECN; keeps the IPv4 header checksum right. `packet` is what `view` was parsed
/// from.
void set_traffic_class(MutableBytes packet, IpView& view, std::uint8_t traffic_class);

}  // namespace anyswan::wire::ip
