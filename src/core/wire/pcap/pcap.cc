// SPDX-License-Identifier: Apache-2.0
#include "core/wire/pcap/pcap.h"

#include <algorithm>

#include "core/wire/ip/ip_view.h"

namespace anyswan::wire::pcap {

namespace {

// Link types (https://www.tcpdump.org/linktypes.html).
enum class LinkType : std::uint32_t {
    null = 0,
    ethernet = 1,
    raw_bsd = 12,
    raw = 101,
    linux_cooked = 113,
    ipv4 = 228,
    ipv6 = 229,
    linux_cooked_2 = 276,
};

bool known(LinkType type) {
    switch (type) {
        case LinkType::null:
        case LinkType::ethernet:
        case LinkType::raw_bsd:
        case LinkType::raw:
        case LinkType::linux_cooked:
        case LinkType::ipv4:
        case LinkType::ipv6:
        case LinkType::linux_cooked_2:
            return true;
    }
    return false;
}

constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint16_t ethertype_ipv6 = 0x86dd;
constexpr std::uint16_t ethertype_vlan = 0x8100;
constexpr std::uint16_t ethertype_qinq = 0x88a8;

/// The IP packet in a link frame, nothing if it holds none.
std::optional<ByteView> ip_in_frame(LinkType type, ByteView frame) {
    Reader reader(frame);
    std::optional<std::uint16_t> ethertype;
    switch (type) {
        case LinkType::raw_bsd:
        case LinkType::raw:
        case LinkType::ipv4:
        case LinkType::ipv6:
            return frame;
        case LinkType::null:
            return reader.take(4) ? std::optional(reader.rest()) : std::nullopt;
        case LinkType::linux_cooked:
            ethertype = reader.take(14) ? reader.u16() : std::nullopt;
            break;
        case LinkType::linux_cooked_2:
            ethertype = reader.u16();
            if (!reader.take(18)) {
                return std::nullopt;
            }
            break;
        case LinkType::ethernet:
            ethertype = reader.take(12) ? reader.u16() : std::nullopt;
            while (ethertype == ethertype_vlan || ethertype == ethertype_qinq) {
                ethertype = reader.take(2) ? reader.u16() : std::nullopt;
            }
            break;
    }
    if (ethertype != ethertype_ipv4 && ethertype != ethertype_ipv6) {
        return std::nullopt;
    }
    return reader.rest();
}

/// Fields in the byte order of the machine that wrote the file.
class OrderedReader {
public:
    OrderedReader(ByteView bytes, bool little) : reader_(bytes), little_(little) {}
    std::optional<std::uint16_t> u16() {
        const auto value = reader_.u16();
        return value && little_
                   ? std::optional(static_cast<std::uint16_t>(*value >> 8U | *value << 8U))
                   : value;
    }
    std::optional<std::uint32_t> u32() {
        const auto value = reader_.u32();
        return value && little_ ? std::optional(__builtin_bswap32(*value)) : value;
    }
    std::optional<ByteView> take(std::size_t size) { return reader_.take(size); }
    [[nodiscard]] bool empty() const { return reader_.empty(); }
    [[nodiscard]] ByteView rest() const { return reader_.rest(); }

private:
    Reader reader_;
    bool little_;
};

void add_frame(Capture& capture, LinkType type, WallTime at, ByteView frame) {
    const auto packet = ip_in_frame(type, frame);
    const auto udp = packet ? udp_in_ip(*packet) : std::nullopt;
    if (!udp) {
        ++capture.others;
        return;
    }
    capture.datagrams.push_back({at, udp->from, udp->to, to_bytes(udp->payload)});
}

Unexpected<Error> unknown_link(std::uint32_t type) {
    return fail("link type " + std::to_string(type) +
                " is none of Ethernet, Linux cooked, raw IP and loopback; capture with `tcpdump -i "
                "any -w FILE`");
}

constexpr std::uint32_t pcap_micro = 0xa1b2c3d4;
constexpr std::uint32_t pcap_nano = 0xa1b23c4d;
constexpr std::uint32_t pcapng_section = 0x0a0d0d0a;
constexpr std::uint32_t pcapng_order = 0x1a2b3c4d;

Result<Capture> read_pcap(ByteView file, bool little, bool nano) {
    OrderedReader reader(file, little);
    (void)reader.take(20);  // magic, version, zone, accuracy, snapshot length
    const auto network = reader.u32();
    if (!network) {
        return fail("is shorter than the header of a pcap file");
    }
    const auto type = static_cast<LinkType>(*network & 0xffffU);
    if (!known(type)) {
        return unknown_link(*network & 0xffffU);
    }
    Capture capture;
    while (!reader.empty()) {
        const auto seconds = reader.u32();
        const auto fraction = reader.u32();
        const auto size = reader.u32();
        const auto original = reader.u32();
        const auto frame = original ? reader.take(*size) : std::nullopt;
        if (!frame) {
            capture.truncated = true;
            break;
        }
        const std::int64_t at =
            std::int64_t{*seconds} * 1'000'000'000 + std::int64_t{*fraction} * (nano ? 1 : 1000);
        add_frame(capture, type, WallTime{at}, *frame);
    }
    return capture;
}

/// An interface of a pcapng section.
struct Interface {
    LinkType type{};
    std::int64_t ns_per_tick = 1000;
};

constexpr std::uint16_t option_timestamp_resolution = 9;

Result<Interface> read_interface(OrderedReader block) {
    const auto type = block.u16();
    if (!type || !block.take(6)) {
        return fail("has a broken interface description");
    }
    Interface interface { static_cast<LinkType>(*type) };
    if (!known(interface.type)) {
        return unknown_link(*type);
    }
    while (!block.empty()) {
        const auto code = block.u16();
        const auto size = block.u16();
        const auto value = size ? block.take(*size) : std::nullopt;
        if (!value || *code == 0) {
            break;
        }
        // Ten to the minus of the value; powers of two (high bit) and finer than ns are not known.
        if (*code == option_timestamp_resolution && value->size() == 1 && (*value)[0] <= 9) {
            interface.ns_per_tick = 1;
            for (unsigned digits = (*value)[0]; digits < 9; ++digits) {
                interface.ns_per_tick *= 10;
            }
        }
        (void)block.take(std::min<std::size_t>((4 - *size % 4) % 4, block.rest().size()));
    }
    return interface;
}

/// False: the block is broken.
bool read_enhanced_packet(OrderedReader block, const std::vector<Interface>& interfaces,
                          Capture& capture) {
    const auto interface = block.u32();
    const auto high = block.u32();
    const auto low = block.u32();
    const auto size = block.u32();
    const auto original = block.u32();
    const auto frame = original ? block.take(*size) : std::nullopt;
    if (!frame || *interface >= interfaces.size()) {
        return false;
    }
    const Interface& where = interfaces[*interface];
    const auto ticks = static_cast<std::int64_t>(std::uint64_t{*high} << 32U | *low);
    // Times beyond 2262 are nonsense; 0 rather than an overflow.
    const std::int64_t latest = std::int64_t{0x7fffffffffffffff} / where.ns_per_tick;
    const std::int64_t at = ticks < 0 || ticks > latest ? 0 : ticks * where.ns_per_tick;
    add_frame(capture, where.type, WallTime{at}, *frame);
    return true;
}

constexpr std::uint32_t block_interface = 1;
constexpr std::uint32_t block_enhanced_packet = 6;

Result<Capture> read_pcapng(ByteView file) {
    Capture capture;
    std::vector<Interface> interfaces;
    bool little = false;
    while (!file.empty()) {
        if (file.size() >= 12 && load_u32(file) == pcapng_section) {
            little = load_u32(file.subspan(8)) != pcapng_order;
            interfaces.clear();
        }
        OrderedReader head(file, little);
        const auto type = head.u32();
        const auto size = head.u32();
        if (!size || *size < 12 || *size % 4 != 0 || *size > file.size()) {
            capture.truncated = true;
            break;
        }
        const OrderedReader block(file.subspan(8, *size - 12), little);
        if (*type == block_interface) {
            const auto interface = read_interface(block);
            if (!interface) {
                return Unexpected{interface.error()};
            }
            interfaces.push_back(*interface);
        } else if (*type == block_enhanced_packet &&
                   !read_enhanced_packet(block, interfaces, capture)) {
            return fail("has a broken packet block");
        }
        file = file.subspan(*size);
    }
    return capture;
}

}  // namespace

std::optional<UdpInIp> udp_in_ip(ByteView packet) {
    const auto view = ip::parse_ip(packet);
    if (!view || view->protocol != ip::IpProtocol::udp || view->is_fragment() ||
        view->total_size > packet.size()) {
        return std::nullopt;
    }
    Reader udp(packet.subspan(view->payload_offset, view->total_size - view->payload_offset));
    const auto from = udp.u16();
    const auto to = udp.u16();
    const auto size = udp.u16();
    const auto checksum = udp.u16();
    constexpr std::size_t header = 8;
    if (!checksum || *size < header || *size - header > udp.rest().size()) {
        return std::nullopt;
    }
    return UdpInIp{
        {view->source, *from}, {view->destination, *to}, udp.rest().first(*size - header)};
}

Result<Capture> read_capture(ByteView file) {
    const std::uint32_t magic = file.size() < 4 ? 0 : load_u32(file);
    for (const bool little : {false, true}) {
        const std::uint32_t ordered = little ? __builtin_bswap32(magic) : magic;
        if (ordered == pcap_micro || ordered == pcap_nano) {
            return read_pcap(file, little, ordered == pcap_nano);
        }
    }
    if (magic == pcapng_section) {
        return read_pcapng(file);
    }
    return fail("is neither a pcap nor a pcapng file; capture with `tcpdump -i any -w FILE`");
}

}  // namespace anyswan::wire::pcap
