// SPDX-License-Identifier: Apache-2.0
// Notify (RFC 7296 3.10) and Delete (3.11) payloads.
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

Parsed<Notify> parse_notify(ByteView body) {
    Reader in(body);
    const auto protocol = in.u8();
    const auto spi_size = in.u8();
    const auto type = in.u16();
    if (!protocol || !spi_size || !type) {
        return bad(ParseError::body_length);
    }
    const auto spi = in.take(*spi_size);
    if (!spi) {
        return bad(ParseError::body_length);
    }
    return Notify{static_cast<ProtocolId>(*protocol), to_bytes(*spi),
                  static_cast<NotifyType>(*type), to_bytes(in.rest())};
}

void emit_body(Writer& out, const Notify& body) {
    out.u8(static_cast<std::uint8_t>(body.protocol));
    out.u8(size_u8(body.spi.size()));
    out.u16(static_cast<std::uint16_t>(body.type));
    out.append(body.spi);
    out.append(body.data);
}

Parsed<Delete> parse_delete(ByteView body) {
    Reader in(body);
    const auto protocol = in.u8();
    const auto spi_size = in.u8();
    const auto count = in.u16();
    if (!protocol || !spi_size || !count) {
        return bad(ParseError::body_length);
    }
    // A count of SPIs without size would cost memory that no byte of the datagram pays for.
    if (std::size_t{*spi_size} * *count != in.remaining() || (*spi_size == 0 && *count != 0)) {
        return bad(ParseError::body_length);
    }
    Delete result{static_cast<ProtocolId>(*protocol), *spi_size, {}};
    result.spis.reserve(*count);
    while (!in.empty()) {
        result.spis.push_back(to_bytes(*in.take(*spi_size)));
    }
    return result;
}

void emit_body(Writer& out, const Delete& body) {
    out.u8(static_cast<std::uint8_t>(body.protocol));
    out.u8(body.spi_size);
    out.u16(size_u16(body.spis.size()));
    check(body.spi_size != 0 || body.spis.empty(), "SPIs without a size");
    for (const Bytes& spi : body.spis) {
        check(spi.size() == body.spi_size, "an SPI of another size than the payload says");
        out.append(spi);
    }
}

const Notify* find_notify(const std::vector<Payload>& chain, NotifyType type) {
    for (const Payload& payload : chain) {
        const Notify* notify = std::get_if<Notify>(&payload.body);
        if (notify != nullptr && notify->type == type) {
            return notify;
        }
    }
    return nullptr;
}

}  // namespace anyswan::wire::ike
