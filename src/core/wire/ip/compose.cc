// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/compose.h"

#include <algorithm>

#include "core/wire/ip/checksum.h"

namespace anyswan::wire::ip {

namespace {

/// Fills in the checksum at `offset` of `payload`, which has zeros there.
void finish_payload(const IpFields& fields, IpProtocol protocol, Bytes& payload,
                    std::size_t offset) {
    const bool pseudo = protocol != IpProtocol::icmp;
    const ChecksumSum sum =
        pseudo ? pseudo_header_sum(fields.source, fields.destination,
                                   static_cast<std::uint8_t>(protocol), payload.size())
               : 0;
    std::uint16_t value = checksum_finish(checksum_add(sum, payload));
    if (protocol == IpProtocol::udp && value == 0) {
        value = 0xffff;  // RFC 768: zero means "no checksum"
    }
    store_u16(MutableBytes(payload).subspan(offset), value);
}

Bytes compose_ipv4(const IpFields& fields, IpProtocol protocol, ByteView payload) {
    check(fields.fragment_offset % 8 == 0, "fragment offset not a multiple of 8");
    const std::size_t total = ipv4_header_size + payload.size();
    check(total <= 65535, "IPv4 packet too big");
    Writer writer(total);
    writer.u8(0x45);
    writer.u8(fields.traffic_class);
    writer.u16(static_cast<std::uint16_t>(total));
    writer.u16(1);  // identification
    writer.u16(static_cast<std::uint16_t>((fields.dont_fragment ? 0x4000U : 0U) |
                                          (fields.more_fragments ? 0x2000U : 0U) |
                                          (fields.fragment_offset / 8U)));
    writer.u8(fields.hop_limit);
    writer.u8(static_cast<std::uint8_t>(protocol));
    writer.u16(0);
    writer.append(fields.source.bytes());
    writer.append(fields.destination.bytes());
    writer.patch_u16(10, checksum(writer.view()));
    writer.append(payload);
    return std::move(writer).take();
}

Bytes compose_ipv6(const IpFields& fields, IpProtocol protocol, ByteView payload) {
    check(payload.size() <= 65535, "IPv6 packet too big");
    Writer writer(ipv6_header_size + payload.size());
    writer.u32(0x60000000U | (static_cast<std::uint32_t>(fields.traffic_class) << 20U));
    writer.u16(static_cast<std::uint16_t>(payload.size()));
    writer.u8(static_cast<std::uint8_t>(protocol));
    writer.u8(fields.hop_limit);
    writer.append(fields.source.bytes());
    writer.append(fields.destination.bytes());
    writer.append(payload);
    return std::move(writer).take();
}

}  // namespace

Bytes compose_ip(const IpFields& fields, IpProtocol protocol, ByteView payload) {
    check(fields.source.family() == fields.destination.family(), "addresses of two families");
    return fields.source.is_v4() ? compose_ipv4(fields, protocol, payload)
                                 : compose_ipv6(fields, protocol, payload);
}

Bytes compose_udp(const IpFields& fields, const Ports& ports, ByteView payload) {
    Writer writer(udp_header_size + payload.size());
    writer.u16(ports.source);
    writer.u16(ports.destination);
    writer.u16(static_cast<std::uint16_t>(udp_header_size + payload.size()));
    writer.u16(0);
    writer.append(payload);
    Bytes datagram = std::move(writer).take();
    finish_payload(fields, IpProtocol::udp, datagram, 6);
    return compose_ip(fields, IpProtocol::udp, datagram);
}

Bytes compose_tcp_syn(const IpFields& fields, const TcpSynFields& tcp) {
    Bytes options(tcp.leading_nops, 1);
    if (tcp.mss != 0) {
        options.insert(options.end(), {2, 4, static_cast<std::uint8_t>(tcp.mss >> 8U),
                                       static_cast<std::uint8_t>(tcp.mss & 0xffU)});
    }
    options.resize((options.size() + 3) / 4 * 4, 0);
    const std::size_t header_words = (tcp_header_size + options.size()) / 4;
    check(header_words <= 15, "too many TCP options");
    Writer writer;
    writer.u16(tcp.ports.source);
    writer.u16(tcp.ports.destination);
    writer.u32(1000);  // sequence number
    writer.u32(0);
    writer.u8(static_cast<std::uint8_t>(header_words << 4U));
    writer.u8(0x02);  // SYN
    writer.u16(65535);
    writer.u32(0);  // checksum, urgent pointer
    writer.append(options);
    Bytes segment = std::move(writer).take();
    finish_payload(fields, IpProtocol::tcp, segment, 16);
    return compose_ip(fields, IpProtocol::tcp, segment);
}

Bytes compose_echo_request(const IpFields& fields, std::uint16_t identifier, std::uint16_t sequence,
                           ByteView payload) {
    const bool v4 = fields.source.is_v4();
    Writer writer;
    writer.u8(v4 ? 8 : 128);
    writer.u8(0);
    writer.u16(0);
    writer.u16(identifier);
    writer.u16(sequence);
    writer.append(payload);
    Bytes message = std::move(writer).take();
    const IpProtocol protocol = v4 ? IpProtocol::icmp : IpProtocol::icmpv6;
    finish_payload(fields, protocol, message, 2);
    return compose_ip(fields, protocol, message);
}

std::uint16_t verify_payload_checksum(ByteView packet, const IpView& view) {
    const ByteView payload =
        packet.subspan(view.payload_offset, view.total_size - view.payload_offset);
    const ChecksumSum pseudo =
        view.protocol == IpProtocol::icmp
            ? 0
            : pseudo_header_sum(view.source, view.destination,
                                static_cast<std::uint8_t>(view.protocol), payload.size());
    return checksum_finish(checksum_add(pseudo, payload));
}

}  // namespace anyswan::wire::ip
