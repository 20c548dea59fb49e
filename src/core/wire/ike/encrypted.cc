// SPDX-License-Identifier: Apache-2.0
// The Encrypted Fragment payload's own fields (RFC 7383 2.5). SK needs no code of its own: its body
// is opaque until core/ike/protect opens it.
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

Parsed<EncryptedFragment> parse_encrypted_fragment(PayloadType first_inner, ByteView body) {
    Reader in(body);
    const auto number = in.u16();
    const auto total = in.u16();
    if (!number || !total) {
        return bad(ParseError::body_length);
    }
    // RFC 7383 2.6: "Check message validity - in particular, check whether the values in the
    // Fragment Number and the Total Fragments fields ... are valid. If not - silently discard".
    if (*number == 0 || *total == 0 || *number > *total) {
        return bad(ParseError::fragment_numbers);
    }
    return EncryptedFragment{first_inner, *number, *total, to_bytes(in.rest())};
}

void emit_body(Writer& out, const EncryptedFragment& body) {
    check(body.number > 0 && body.number <= body.total, "fragment numbers run from 1 to the total");
    out.u16(body.number);
    out.u16(body.total);
    out.append(body.body);
}

}  // namespace anyswan::wire::ike
