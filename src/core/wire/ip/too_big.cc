// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/too_big.h"

#include <algorithm>

#include "core/wire/ip/checksum.h"

namespace anyswan::wire::ip {

namespace {

constexpr std::uint8_t icmp_destination_unreachable = 3;
constexpr std::uint8_t icmp_fragmentation_needed = 4;
constexpr std::uint8_t icmpv6_packet_too_big = 2;
constexpr std::size_t icmp_header_size = 8;
constexpr std::uint8_t error_hop_limit = 64;

constexpr std::uint8_t tcp_option_end = 0;
constexpr std::uint8_t tcp_option_nop = 1;
constexpr std::uint8_t tcp_option_mss = 2;
constexpr std::uint8_t tcp_flag_syn = 0x02;

bool is_icmp_error(ByteView packet, const IpView& view) {
    if (view.payload_offset >= view.total_size) {
        return false;
    }
    const std::uint8_t type = packet[view.payload_offset];
    if (view.protocol == IpProtocol::icmpv6) {
        return type < 128;  // RFC 4443 2.1: "error messages have message types from 0 to 127"
    }
    // RFC 1122 3.2.2: destination unreachable, source quench, redirect, time exceeded, parameter
    // problem.
    return view.protocol == IpProtocol::icmp &&
           (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

/// Neither multicast, broadcast, loopback nor unspecified.
bool is_single_host(const IpAddress& address) {
    const std::uint8_t first = address.bytes()[0];
    if (address.is_unspecified()) {
        return false;
    }
    return address.is_v4() ? first < 224 && first != 127 && first != 0 : first != 0xff;
}

std::size_t build_v4(ByteView packet, const IpView& view, std::uint16_t mtu, MutableBytes out) {
    const std::size_t quoted =
        std::min(view.total_size, icmp_error_size_max - ipv4_header_size - icmp_header_size);
    const std::size_t size = ipv4_header_size + icmp_header_size + quoted;
    std::fill_n(out.begin(), ipv4_header_size + icmp_header_size, std::uint8_t{0});
    out[0] = 0x45;
    out[1] = 0xc0;  // RFC 1812 4.3.2.5: precedence internetwork control
    store_u16(out.subspan(2), static_cast<std::uint16_t>(size));
    out[8] = error_hop_limit;
    out[9] = static_cast<std::uint8_t>(IpProtocol::icmp);
    std::ranges::copy(view.destination.bytes(), out.begin() + 12);
    std::ranges::copy(view.source.bytes(), out.begin() + 16);
    store_u16(out.subspan(10), checksum(out.first(ipv4_header_size)));

    const MutableBytes icmp = out.subspan(ipv4_header_size, icmp_header_size + quoted);
    icmp[0] = icmp_destination_unreachable;
    icmp[1] = icmp_fragmentation_needed;
    store_u16(icmp.subspan(6), mtu);  // RFC 1191 4: next-hop MTU
    std::ranges::copy(packet.first(quoted), icmp.begin() + icmp_header_size);
    store_u16(icmp.subspan(2), checksum(icmp));
    return size;
}

std::size_t build_v6(ByteView packet, const IpView& view, std::uint16_t mtu, MutableBytes out) {
    const std::size_t quoted =
        std::min(view.total_size, icmpv6_error_size_max - ipv6_header_size - icmp_header_size);
    const std::size_t payload_size = icmp_header_size + quoted;
    std::fill_n(out.begin(), ipv6_header_size + icmp_header_size, std::uint8_t{0});
    out[0] = 0x60;
    store_u16(out.subspan(4), static_cast<std::uint16_t>(payload_size));
    out[6] = static_cast<std::uint8_t>(IpProtocol::icmpv6);
    out[7] = error_hop_limit;
    std::ranges::copy(view.destination.bytes(), out.begin() + 8);
    std::ranges::copy(view.source.bytes(), out.begin() + 24);

    const MutableBytes icmp = out.subspan(ipv6_header_size, payload_size);
    icmp[0] = icmpv6_packet_too_big;
    store_u32(icmp.subspan(4), mtu);
    std::ranges::copy(packet.first(quoted), icmp.begin() + icmp_header_size);
    const ChecksumSum pseudo = pseudo_header_sum(
        view.destination, view.source, static_cast<std::uint8_t>(IpProtocol::icmpv6), payload_size);
    store_u16(icmp.subspan(2), checksum_finish(checksum_add(pseudo, icmp)));
    return ipv6_header_size + payload_size;
}

/// The value bytes of the MSS option in `options`, or nothing.
std::optional<MutableBytes> find_mss(MutableBytes options) {
    while (!options.empty() && options[0] != tcp_option_end) {
        if (options[0] == tcp_option_nop) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) {
            return std::nullopt;
        }
        if (options[0] == tcp_option_mss && options[1] == 4) {
            return options.subspan(2, 2);
        }
        options = options.subspan(options[1]);
    }
    return std::nullopt;
}

}  // namespace

bool may_send_icmp_error(ByteView packet, const IpView& view) {
    return !view.later_fragment() && is_single_host(view.source) &&
           is_single_host(view.destination) && !is_icmp_error(packet, view);
}

std::size_t build_too_big(ByteView packet, const IpView& view, std::uint16_t mtu,
                          MutableBytes out) {
    check(out.size() >= icmpv6_error_size_max, "no room for an ICMP error");
    return view.family == IpFamily::v4 ? build_v4(packet, view, mtu, out)
                                       : build_v6(packet, view, mtu, out);
}

bool clamp_mss(MutableBytes packet, const IpView& view, std::uint16_t mss_max) {
    if (view.protocol != IpProtocol::tcp || view.later_fragment()) {
        return false;
    }
    const MutableBytes tcp =
        packet.subspan(view.payload_offset, view.total_size - view.payload_offset);
    if (tcp.size() < tcp_header_size || (tcp[13] & tcp_flag_syn) == 0) {
        return false;
    }
    const std::size_t header_size = std::size_t{tcp[12]} / 16 * 4;
    if (header_size < tcp_header_size || header_size > tcp.size()) {
        return false;
    }
    const auto value = find_mss(tcp.subspan(tcp_header_size, header_size - tcp_header_size));
    if (!value || load_u16(*value) <= mss_max) {
        return false;
    }
    // The option may sit at an odd offset; its two bytes then belong to two checksum words, each
    // with the bytes swapped, which the ones' complement sum turns into a swap of both values.
    const bool odd = (value->data() - tcp.data()) % 2 != 0;
    const auto swap = [odd](std::uint16_t word) {
        return odd ? static_cast<std::uint16_t>((word << 8U) | (word >> 8U)) : word;
    };
    const std::uint16_t before = load_u16(*value);
    store_u16(*value, mss_max);
    store_u16(tcp.subspan(16),
              checksum_update(load_u16(tcp.subspan(16)), swap(before), swap(mss_max)));
    return true;
}

std::uint16_t mss_of_mtu(std::size_t mtu, IpFamily family) {
    const std::size_t headers =
        tcp_header_size + (family == IpFamily::v4 ? ipv4_header_size : ipv6_header_size);
    check(mtu > headers && mtu <= 65535, "no MSS for this MTU");
    return static_cast<std::uint16_t>(mtu - headers);
}

}  // namespace anyswan::wire::ip
