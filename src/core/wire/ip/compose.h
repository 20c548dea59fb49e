// SPDX-License-Identifier: Apache-2.0
// Whole small packets from their fields, checksums right: for probes through a tunnel and for
// tests. Not for the packet path, which never makes a packet from nothing.
#pragma once

#include "core/wire/ip/ip_view.h"

namespace anyswan::wire::ip {

/// What the IP header of a composed packet says.
struct IpFields {
    IpAddress source;
    IpAddress destination;
    std::uint8_t traffic_class = 0;
    std::uint8_t hop_limit = 64;
    bool dont_fragment = false;         // IPv4 only
    std::uint16_t fragment_offset = 0;  // bytes, a multiple of 8; IPv4 only
    bool more_fragments = false;        // IPv4 only
};

struct TcpSynFields {
    Ports ports;
    std::uint16_t mss = 0;         // 0: no option
    std::size_t leading_nops = 0;  // before the MSS option
};

[[nodiscard]] Bytes compose_ip(const IpFields& fields, IpProtocol protocol, ByteView payload);
[[nodiscard]] Bytes compose_udp(const IpFields& fields, const Ports& ports, ByteView payload);
[[nodiscard]] Bytes compose_tcp_syn(const IpFields& fields, const TcpSynFields& tcp);
/// An echo request of the addresses' family.
[[nodiscard]] Bytes compose_echo_request(const IpFields& fields, std::uint16_t identifier,
                                         std::uint16_t sequence, ByteView payload);
/// The checksum of the next layer of a whole packet, recomputed; 0 means that it is right.
[[nodiscard]] std::uint16_t verify_payload_checksum(ByteView packet, const IpView& view);

}  // namespace anyswan::wire::ip
