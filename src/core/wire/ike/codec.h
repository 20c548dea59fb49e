// SPDX-License-Identifier: Apache-2.0
// Payload bodies to values and back: the bytes after the generic payload header (RFC 7296 3.2).
// Private to this folder; message.cc walks the chain and calls one pair of these per payload, and
// each pair lives in the .cc file of its payload family.
//
// Every parse_x checks each length before it uses it and accepts a body only as a whole. Reserved
// fields are skipped: "MUST be sent as zero; MUST be ignored on receipt" (RFC 7296 3.2). What
// emit_body can't express in the wire's field widths is a bug of the caller (check), since our
// parser never makes such values.
#pragma once

#include "core/wire/ike/message.h"

namespace anyswan::wire::ike {

[[nodiscard]] Parsed<SecurityAssociation> parse_sa(ByteView body);
[[nodiscard]] Parsed<KeyExchange> parse_key_exchange(ByteView body);
[[nodiscard]] Parsed<Identification> parse_identification(ByteView body);
[[nodiscard]] Parsed<Certificate> parse_certificate(ByteView body);
[[nodiscard]] Parsed<CertificateRequest> parse_certificate_request(ByteView body);
[[nodiscard]] Parsed<Authentication> parse_authentication(ByteView body);
[[nodiscard]] Parsed<Nonce> parse_nonce(ByteView body);
[[nodiscard]] Parsed<Notify> parse_notify(ByteView body);
[[nodiscard]] Parsed<Delete> parse_delete(ByteView body);
[[nodiscard]] Parsed<TrafficSelectors> parse_traffic_selectors(ByteView body);
[[nodiscard]] Parsed<Configuration> parse_configuration(ByteView body);
[[nodiscard]] Parsed<EncryptedFragment> parse_encrypted_fragment(PayloadType first_inner,
                                                                 ByteView body);

void emit_body(Writer& out, const SecurityAssociation& body);
void emit_body(Writer& out, const KeyExchange& body);
void emit_body(Writer& out, const Identification& body);
void emit_body(Writer& out, const Certificate& body);
void emit_body(Writer& out, const CertificateRequest& body);
void emit_body(Writer& out, const Authentication& body);
void emit_body(Writer& out, const Nonce& body);
void emit_body(Writer& out, const Notify& body);
void emit_body(Writer& out, const Delete& body);
void emit_body(Writer& out, const TrafficSelectors& body);
void emit_body(Writer& out, const Configuration& body);
void emit_body(Writer& out, const EncryptedFragment& body);

/// Nonces are 16 to 256 octets (RFC 7296 3.9).
inline constexpr std::size_t min_nonce_size = 16;
inline constexpr std::size_t max_nonce_size = 256;

/// `size` as a field of the wire; a size that doesn't fit is our bug.
[[nodiscard]] inline std::uint8_t size_u8(std::size_t size) {
    check(size <= 0xff, "does not fit an 8-bit field");
    return static_cast<std::uint8_t>(size);
}
[[nodiscard]] inline std::uint16_t size_u16(std::size_t size) {
    check(size <= 0xffff, "does not fit a 16-bit field");
    return static_cast<std::uint16_t>(size);
}

/// `return bad(ParseError::body_length);`
[[nodiscard]] inline Unexpected<ParseError> bad(ParseError error) {
    return Unexpected<ParseError>{error};
}

}  // namespace anyswan::wire::ike
