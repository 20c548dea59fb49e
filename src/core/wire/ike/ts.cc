// SPDX-License-Identifier: Apache-2.0
// Traffic Selector payloads (RFC 7296 3.13).
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

namespace {

constexpr std::size_t ts_header_size = 4;        // count, 3 reserved
constexpr std::size_t selector_header_size = 4;  // TS Type, protocol, length
constexpr std::size_t selector_size_v4 = 8 + 2 * 4;
constexpr std::size_t selector_size_v6 = 8 + 2 * 16;

/// Address bytes of one end of a selector of `type`; 0 for types without addresses.
constexpr std::size_t address_size(TsType type) {
    switch (type) {
        case TsType::ipv4_addr_range:
            return 4;
        case TsType::ipv6_addr_range:
            return 16;
    }
    return 0;
}

/// RFC 7296 3.13.1: a port range, or OPAQUE: "start port 65535 and end port 0".
bool ports_in_order(const TrafficSelector& selector) {
    return selector.start_port <= selector.end_port ||
           (selector.start_port == 65535 && selector.end_port == 0);
}

Parsed<TrafficSelector> parse_selector(ByteView whole, std::size_t address) {
    if (whole.size() != 8 + 2 * address) {
        return bad(ParseError::ts_structure);
    }
    TrafficSelector selector;
    selector.ip_protocol = whole[1];
    selector.start_port = load_u16(whole.subspan(4));
    selector.end_port = load_u16(whole.subspan(6));
    selector.first = *IpAddress::from_bytes(whole.subspan(8, address));
    selector.last = *IpAddress::from_bytes(whole.subspan(8 + address, address));
    if (selector.first > selector.last || !ports_in_order(selector)) {
        return bad(ParseError::ts_structure);
    }
    return selector;
}

void emit_selector(Writer& out, const TrafficSelector& selector) {
    check(selector.first.family() == selector.last.family(), "a selector mixes address families");
    check(selector.first <= selector.last && ports_in_order(selector), "a selector is upside down");
    const bool v4 = selector.first.is_v4();
    out.u8(static_cast<std::uint8_t>(v4 ? TsType::ipv4_addr_range : TsType::ipv6_addr_range));
    out.u8(selector.ip_protocol);
    out.u16(static_cast<std::uint16_t>(v4 ? selector_size_v4 : selector_size_v6));
    out.u16(selector.start_port);
    out.u16(selector.end_port);
    out.append(selector.first.bytes());
    out.append(selector.last.bytes());
}

/// One selector from the front of `in` into `result`.
Parsed<bool> parse_one(Reader& in, TrafficSelectors& result) {
    if (in.remaining() < selector_header_size) {
        return bad(ParseError::body_length);
    }
    const std::size_t length = load_u16(in.rest().subspan(2));
    if (length < selector_header_size) {
        return bad(ParseError::ts_structure);
    }
    const auto whole = in.take(length);
    if (!whole) {
        return bad(ParseError::body_length);
    }
    const std::size_t address = address_size(static_cast<TsType>((*whole)[0]));
    if (address == 0) {
        result.opaque.push_back(to_bytes(*whole));
        return true;
    }
    auto selector = parse_selector(*whole, address);
    if (!selector) {
        return bad(selector.error());
    }
    result.selectors.push_back(*selector);
    return true;
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
        case 0:
            return "any";
        case 1:
            return "icmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 58:
            return "ipv6-icmp";
        default:
            return std::to_string(protocol);
    }
}

std::string port_text(const TrafficSelector& selector) {
    if (selector.start_port > selector.end_port) {
        return "/opaque";
    }
    if (selector.start_port == 0 && selector.end_port == 65535) {
        return "";
    }
    std::string text = "/" + std::to_string(selector.start_port);
    if (selector.end_port != selector.start_port) {
        text += "-" + std::to_string(selector.end_port);
    }
    return text;
}

/// The prefix that is exactly first..last, if there is one.
std::optional<IpPrefix> exact_prefix(const IpAddress& first, const IpAddress& last) {
    unsigned length = 0;
    while (length < first.bit_length()) {
        const unsigned shift = 7U - length % 8U;
        if (((first.bytes()[length / 8] ^ last.bytes()[length / 8]) >> shift & 1U) != 0) {
            break;
        }
        ++length;
    }
    const IpPrefix prefix{first, static_cast<std::uint8_t>(length)};
    // contains() also tells that the host bits of `first` are zero.
    return prefix.contains(first) && prefix.last() == last ? std::optional(prefix) : std::nullopt;
}

}  // namespace

Parsed<TrafficSelectors> parse_traffic_selectors(ByteView body) {
    if (body.size() < ts_header_size) {
        return bad(ParseError::body_length);
    }
    const std::size_t count = body[0];
    // "Traffic Selectors - One or more individual Traffic Selectors."
    if (count == 0) {
        return bad(ParseError::ts_structure);
    }
    TrafficSelectors result;
    Reader in(body.subspan(ts_header_size));
    for (std::size_t i = 0; i < count; ++i) {
        const auto one = parse_one(in, result);
        if (!one) {
            return bad(one.error());
        }
    }
    if (!in.empty()) {
        return bad(ParseError::ts_structure);
    }
    return result;
}

void emit_body(Writer& out, const TrafficSelectors& body) {
    const std::size_t count = body.selectors.size() + body.opaque.size();
    check(count > 0, "a TS payload has at least one selector");
    out.u8(size_u8(count));
    out.u8(0);
    out.u16(0);
    for (const TrafficSelector& selector : body.selectors) {
        emit_selector(out, selector);
    }
    for (const Bytes& selector : body.opaque) {
        check(selector.size() >= selector_header_size &&
                  load_u16(ByteView(selector).subspan(2)) == selector.size(),
              "an opaque selector carries its own length");
        out.append(selector);
    }
}

TrafficSelector TrafficSelector::from_prefix(const IpPrefix& prefix) {
    TrafficSelector selector;
    selector.first = prefix.first();
    selector.last = prefix.last();
    return selector;
}

std::string TrafficSelector::to_string() const {
    const bool one_family = first.family() == last.family();
    const auto prefix = one_family ? exact_prefix(first, last) : std::nullopt;
    std::string text = prefix ? prefix->to_string() : first.to_string() + "-" + last.to_string();
    const std::string ports = port_text(*this);
    if (ip_protocol != 0 || !ports.empty()) {
        text += "[" + protocol_name(ip_protocol) + ports + "]";
    }
    return text;
}

}  // namespace anyswan::wire::ike
