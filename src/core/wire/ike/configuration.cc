// SPDX-License-Identifier: Apache-2.0
// The Configuration payload (RFC 7296 3.15). Attribute values stay opaque here; the exchange that
// hands out addresses knows their forms.
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

namespace {
constexpr std::size_t configuration_header_size = 4;  // CFG Type, 3 reserved
}  // namespace

Parsed<Configuration> parse_configuration(ByteView body) {
    if (body.size() < configuration_header_size) {
        return bad(ParseError::body_length);
    }
    Configuration configuration{static_cast<CfgType>(body[0]), {}};
    Reader in(body.subspan(configuration_header_size));
    while (!in.empty()) {
        const auto type = in.u16();
        const auto length = in.u16();
        if (!type || !length) {
            return bad(ParseError::body_length);
        }
        const auto value = in.take(*length);
        if (!value) {
            return bad(ParseError::body_length);
        }
        // The top bit is reserved.
        configuration.attributes.push_back(
            {static_cast<std::uint16_t>(*type & 0x7fffU), to_bytes(*value)});
    }
    return configuration;
}

void emit_body(Writer& out, const Configuration& body) {
    out.u8(static_cast<std::uint8_t>(body.type));
    out.u8(0);
    out.u16(0);
    for (const ConfigurationAttribute& attribute : body.attributes) {
        check(attribute.type <= 0x7fff, "attribute types have 15 bits");
        out.u16(attribute.type);
        out.u16(size_u16(attribute.value.size()));
        out.append(attribute.value);
    }
}

}  // namespace anyswan::wire::ike
