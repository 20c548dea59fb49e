// SPDX-License-Identifier: Apache-2.0
// Key Exchange (RFC 7296 3.4) and Nonce (3.9) payloads.
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

Parsed<KeyExchange> parse_key_exchange(ByteView body) {
    Reader in(body);
    const auto method = in.u16();
    const auto reserved = in.u16();
    if (!method || !reserved) {
        return bad(ParseError::body_length);
    }
    return KeyExchange{static_cast<KeMethod>(*method), to_bytes(in.rest())};
}

void emit_body(Writer& out, const KeyExchange& body) {
    out.u16(static_cast<std::uint16_t>(body.method));
    out.u16(0);
    out.append(body.data);
}

// RFC 7296 3.9: "The size of the Nonce Data MUST be between 16 and 256 octets, inclusive."
Parsed<Nonce> parse_nonce(ByteView body) {
    if (body.size() < min_nonce_size || body.size() > max_nonce_size) {
        return bad(ParseError::body_length);
    }
    return Nonce{to_bytes(body)};
}

void emit_body(Writer& out, const Nonce& body) {
    check(body.data.size() >= min_nonce_size && body.data.size() <= max_nonce_size,
          "a nonce has 16 to 256 bytes");
    out.append(body.data);
}

}  // namespace anyswan::wire::ike
