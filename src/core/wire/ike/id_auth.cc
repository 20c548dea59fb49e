// SPDX-License-Identifier: Apache-2.0
// The payloads that say and prove who speaks: Identification (RFC 7296 3.5), Certificate (3.6),
// Certificate Request (3.7) and Authentication (3.8).
#include <algorithm>

#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

namespace {

constexpr std::size_t id_header_size = 4;    // ID Type, 3 reserved
constexpr std::size_t auth_header_size = 4;  // Auth Method, 3 reserved

void append_reserved_24(Writer& out) {
    out.u8(0);
    out.u16(0);
}

/// Text of a peer that nobody has authenticated goes to logs: let only harmless characters through.
bool is_plain_text(ByteView data) {
    return !data.empty() && std::all_of(data.begin(), data.end(), [](std::uint8_t byte) {
        return byte > 0x20 && byte < 0x7f;
    });
}

std::optional<std::string> readable(const Identification& id) {
    switch (id.type) {
        case IdType::ipv4_addr:
        case IdType::ipv6_addr: {
            const auto address = IpAddress::from_bytes(id.data);
            if (address && address->is_v4() == (id.type == IdType::ipv4_addr)) {
                return address->to_string();
            }
            return std::nullopt;
        }
        case IdType::fqdn:
        case IdType::rfc822_addr:
            return is_plain_text(id.data) ? std::optional(to_string(id.data)) : std::nullopt;
        case IdType::key_id:
            return "@#" + to_hex(id.data);
        default:
            return std::nullopt;
    }
}

}  // namespace

Parsed<Identification> parse_identification(ByteView body) {
    if (body.size() < id_header_size) {
        return bad(ParseError::body_length);
    }
    return Identification{static_cast<IdType>(body[0]), to_bytes(body.subspan(id_header_size))};
}

void emit_body(Writer& out, const Identification& body) {
    out.u8(static_cast<std::uint8_t>(body.type));
    append_reserved_24(out);
    out.append(body.data);
}

Bytes Identification::rest_of_payload() const {
    Writer out(id_header_size + data.size());
    emit_body(out, *this);
    return std::move(out).take();
}

std::string Identification::to_string() const {
    return readable(*this).value_or(name(type) + ":" + to_hex(data));
}

Identification Identification::from_text(std::string_view text) {
    if (const auto address = IpAddress::parse(text)) {
        return {address->is_v4() ? IdType::ipv4_addr : IdType::ipv6_addr,
                to_bytes(address->bytes())};
    }
    if (text.starts_with("@#")) {
        if (auto key_id = from_hex(text.substr(2))) {
            return {IdType::key_id, std::move(*key_id)};
        }
    }
    const bool has_at = text.find('@') != std::string_view::npos;
    return {has_at ? IdType::rfc822_addr : IdType::fqdn, to_bytes(text)};
}

Parsed<Certificate> parse_certificate(ByteView body) {
    if (body.empty()) {
        return bad(ParseError::body_length);
    }
    return Certificate{body[0], to_bytes(body.subspan(1))};
}

void emit_body(Writer& out, const Certificate& body) {
    out.u8(body.encoding);
    out.append(body.data);
}

Parsed<CertificateRequest> parse_certificate_request(ByteView body) {
    if (body.empty()) {
        return bad(ParseError::body_length);
    }
    return CertificateRequest{body[0], to_bytes(body.subspan(1))};
}

void emit_body(Writer& out, const CertificateRequest& body) {
    out.u8(body.encoding);
    out.append(body.authority);
}

Parsed<Authentication> parse_authentication(ByteView body) {
    if (body.size() < auth_header_size) {
        return bad(ParseError::body_length);
    }
    return Authentication{static_cast<AuthMethod>(body[0]),
                          to_bytes(body.subspan(auth_header_size))};
}

void emit_body(Writer& out, const Authentication& body) {
    out.u8(static_cast<std::uint8_t>(body.method));
    append_reserved_24(out);
    out.append(body.data);
}

}  // namespace anyswan::wire::ike
