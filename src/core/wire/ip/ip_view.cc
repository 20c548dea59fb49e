// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/ip_view.h"

#include "core/wire/ip/checksum.h"

namespace anyswan::wire::ip {

namespace {

// A longer chain than any sane sender makes is a way to make us work.
constexpr int extension_headers_max = 8;

/// Reads the ports of `view`, whose offsets are known. Too short a next layer has none.
std::optional<Ports> read_ports(ByteView packet, const IpView& view) {
    if (view.later_fragment() || !has_ports(view.protocol)) {
        return std::nullopt;
    }
    const ByteView payload =
        packet.subspan(view.payload_offset, view.total_size - view.payload_offset);
    if (payload.size() < 4) {
        return std::nullopt;
    }
    if (view.protocol == IpProtocol::icmp || view.protocol == IpProtocol::icmpv6) {
        // RFC 4301 4.4.1.1: "the message type is placed in the most significant 8 bits of the
        // 16-bit selector and the code is placed in the least significant 8 bits."
        const std::uint16_t type_and_code = load_u16(payload);
        return Ports{type_and_code, type_and_code};
    }
    if (view.protocol == IpProtocol::mobility) {
        const auto type = static_cast<std::uint16_t>(payload[2] << 8U);  // RFC 6275 6.1.1
        return Ports{type, type};
    }
    return Ports{load_u16(payload), load_u16(payload.subspan(2))};
}

Expected<IpView, IpFault> parse_ipv4(ByteView packet) {
    if (packet.size() < ipv4_header_size) {
        return Unexpected{IpFault::too_short};
    }
    const std::size_t header_size = (packet[0] & 0x0fU) * std::size_t{4};
    if (header_size < ipv4_header_size) {
        return Unexpected{IpFault::bad_header_length};
    }
    const std::size_t total_size = load_u16(packet.subspan(2));
    if (total_size < header_size || total_size > packet.size()) {
        return Unexpected{IpFault::bad_total_length};
    }
    const std::uint16_t fragment = load_u16(packet.subspan(6));
    IpView view;
    view.family = IpFamily::v4;
    view.traffic_class = packet[1];
    view.hop_limit = packet[8];
    view.protocol = static_cast<IpProtocol>(packet[9]);
    view.total_size = total_size;
    view.payload_offset = header_size;
    view.dont_fragment = (fragment & 0x4000U) != 0;
    view.more_fragments = (fragment & 0x2000U) != 0;
    view.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fffU) * 8U);
    view.source = *IpAddress::from_bytes(packet.subspan(12, 4));
    view.destination = *IpAddress::from_bytes(packet.subspan(16, 4));
    view.ports = read_ports(packet, view);
    return view;
}

bool is_skipped_extension(IpProtocol header) {
    // RFC 4301 4.4.1.1: the default list to skip; AH and ESP count as next layer protocols.
    return header == IpProtocol::hop_by_hop || header == IpProtocol::routing ||
           header == IpProtocol::fragment || header == IpProtocol::destination_options;
}

/// Moves `view` past the extension headers that follow the fixed header.
std::optional<IpFault> walk_extensions(ByteView packet, IpView& view) {
    for (int count = 0; is_skipped_extension(view.protocol); ++count) {
        const ByteView header =
            packet.subspan(view.payload_offset, view.total_size - view.payload_offset);
        if (count == extension_headers_max || header.size() < 8) {
            return IpFault::bad_extension;
        }
        std::size_t size = 8;
        if (view.protocol == IpProtocol::fragment) {
            const std::uint16_t field = load_u16(header.subspan(2));
            view.fragment_offset = static_cast<std::uint16_t>(field & 0xfff8U);
            view.more_fragments = (field & 1U) != 0;
        } else {
            size = (std::size_t{header[1]} + 1) * 8;
        }
        if (size > header.size()) {
            return IpFault::bad_extension;
        }
        view.protocol = static_cast<IpProtocol>(header[0]);
        view.payload_offset += size;
        if (view.later_fragment()) {
            break;  // what follows is the middle of the packet, not a header
        }
    }
    return std::nullopt;
}

Expected<IpView, IpFault> parse_ipv6(ByteView packet) {
    if (packet.size() < ipv6_header_size) {
        return Unexpected{IpFault::too_short};
    }
    const std::size_t total_size = ipv6_header_size + load_u16(packet.subspan(4));
    if (total_size > packet.size()) {
        return Unexpected{IpFault::bad_total_length};
    }
    IpView view;
    view.family = IpFamily::v6;
    view.traffic_class = static_cast<std::uint8_t>((packet[0] << 4U) | (packet[1] >> 4U));
    view.hop_limit = packet[7];
    view.protocol = static_cast<IpProtocol>(packet[6]);
    view.total_size = total_size;
    view.payload_offset = ipv6_header_size;
    view.dont_fragment = true;
    view.source = *IpAddress::from_bytes(packet.subspan(8, 16));
    view.destination = *IpAddress::from_bytes(packet.subspan(24, 16));
    if (const auto fault = walk_extensions(packet, view)) {
        return Unexpected{*fault};
    }
    view.ports = read_ports(packet, view);
    return view;
}

}  // namespace

const char* name(IpFault fault) {
    switch (fault) {
        case IpFault::too_short:
            return "too_short";
        case IpFault::bad_version:
            return "bad_version";
        case IpFault::bad_header_length:
            return "bad_header_length";
        case IpFault::bad_total_length:
            return "bad_total_length";
        case IpFault::bad_extension:
            return "bad_extension";
    }
    return "unknown";
}

bool has_ports(IpProtocol protocol) {
    switch (protocol) {
        case IpProtocol::icmp:
        case IpProtocol::tcp:
        case IpProtocol::udp:
        case IpProtocol::dccp:
        case IpProtocol::icmpv6:
        case IpProtocol::sctp:
        case IpProtocol::mobility:
        case IpProtocol::udplite:
            return true;
        default:
            return false;
    }
}

bool is_multicast(const IpAddress& address) {
    const std::uint8_t first = address.bytes()[0];
    return address.is_v4() ? first >= 224 && first < 240 : first == 0xff;
}

Expected<IpView, IpFault> parse_ip(ByteView packet) {
    if (packet.empty()) {
        return Unexpected{IpFault::too_short};
    }
    switch (packet[0] >> 4U) {
        case 4:
            return parse_ipv4(packet);
        case 6:
            return parse_ipv6(packet);
        default:
            return Unexpected{IpFault::bad_version};
    }
}

void set_traffic_class(MutableBytes packet, IpView& view, std::uint8_t traffic_class) {
    view.traffic_class = traffic_class;
    if (view.family == IpFamily::v6) {
        packet[0] = static_cast<std::uint8_t>(0x60U | (traffic_class >> 4U));
        packet[1] =
            static_cast<std::uint8_t>((unsigned{traffic_class} << 4U) | (packet[1] & 0x0fU));
        return;
    }
    const std::uint16_t before = load_u16(packet);
    packet[1] = traffic_class;
    const std::uint16_t after = load_u16(packet);
    store_u16(packet.subspan(10), checksum_update(load_u16(packet.subspan(10)), before, after));
}

}  // namespace anyswan::wire::ip
