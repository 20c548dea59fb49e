// SPDX-License-Identifier: Apache-2.0
// Packet captures as tcpdump (pcap) and Wireshark (pcapng) write them, down to the UDP datagrams
// inside. Fragments of IP packets aren't put together.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace anyswan::wire::pcap {

struct UdpDatagram {
    WallTime at;
    Endpoint from;
    Endpoint to;
    Bytes payload;
    bool operator==(const UdpDatagram&) const = default;
};

struct Capture {
    std::vector<UdpDatagram> datagrams;  // in the order of the file
    /// Packets that hold no whole UDP datagram.
    std::size_t others = 0;
    /// The file breaks off in the middle of a packet, as a running tcpdump leaves it.
    bool truncated = false;
};

/// Reads a whole file; the error says what is wrong with it. Link types: Ethernet (with VLAN tags),
/// Linux "cooked" (1 and 2), raw IP, BSD loopback.
[[nodiscard]] Result<Capture> read_capture(ByteView file);

/// The UDP datagram in an IP packet; nothing if there is none, or not whole.
struct UdpInIp {
    Endpoint from;
    Endpoint to;
    ByteView payload;  // borrowed from the packet
};
[[nodiscard]] std::optional<UdpInIp> udp_in_ip(ByteView packet);

}  // namespace anyswan::wire::pcap
