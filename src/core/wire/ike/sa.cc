// SPDX-License-Identifier: Apache-2.0
// The Security Association payload (RFC 7296 3.3): proposals, their transforms, and transform
// attributes. Unknown transform types, ids and attributes are kept as they came: the negotiation
// must see them to refuse the proposal that carries them (RFC 7296 3.3.6).
#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

namespace {

// RFC 7296 3.3.1, 3.3.2: "This field has a value of 0 if this was the last Proposal Substructure,
// and a value of 2 if there are more", 3 for transforms. The values are IKEv1's payload types.
constexpr std::uint8_t last_substructure = 0;
constexpr std::uint8_t more_proposals = 2;
constexpr std::uint8_t more_transforms = 3;

constexpr std::size_t proposal_header_size = 8;
constexpr std::size_t transform_header_size = 8;
constexpr std::uint16_t attribute_format_tv = 0x8000;

Parsed<std::vector<Attribute>> parse_attributes(ByteView bytes) {
    std::vector<Attribute> attributes;
    Reader in(bytes);
    while (!in.empty()) {
        const auto type = in.u16();
        const auto length_or_value = in.u16();
        if (!type || !length_or_value) {
            return bad(ParseError::body_length);
        }
        Attribute attribute;
        attribute.type = *type & 0x7fffU;
        attribute.tlv = (*type & attribute_format_tv) == 0;
        if (attribute.tlv) {
            const auto value = in.take(*length_or_value);
            if (!value) {
                return bad(ParseError::body_length);
            }
            attribute.value = to_bytes(*value);
        } else {
            attribute.value = {static_cast<std::uint8_t>(*length_or_value >> 8U),
                               static_cast<std::uint8_t>(*length_or_value)};
        }
        attributes.push_back(std::move(attribute));
    }
    return attributes;
}

/// One substructure with the 4-byte head that proposals and transforms share.
struct Substructure {
    ByteView rest;  // after the head
    bool last = false;
};

Parsed<Substructure> next_substructure(Reader& in, std::uint8_t more, std::size_t min_size) {
    const ByteView all = in.rest();
    if (all.size() < min_size) {
        return bad(ParseError::body_length);
    }
    if (all[0] != last_substructure && all[0] != more) {
        return bad(ParseError::proposal_structure);
    }
    const std::size_t length = load_u16(all.subspan(2));
    if (length < min_size) {
        return bad(ParseError::body_length);
    }
    const auto whole = in.take(length);
    if (!whole) {
        return bad(ParseError::body_length);
    }
    return Substructure{whole->subspan(4), all[0] == last_substructure};
}

Parsed<Transform> parse_transform(ByteView rest) {
    Transform transform;
    transform.type = static_cast<TransformType>(rest[0]);
    transform.id = load_u16(rest.subspan(2));
    auto attributes = parse_attributes(rest.subspan(transform_header_size - 4));
    if (!attributes) {
        return bad(attributes.error());
    }
    transform.attributes = std::move(*attributes);
    return transform;
}

Parsed<std::vector<Transform>> parse_transforms(ByteView bytes, std::size_t count) {
    std::vector<Transform> transforms;
    Reader in(bytes);
    for (std::size_t i = 0; i < count; ++i) {
        const auto part = next_substructure(in, more_transforms, transform_header_size);
        if (!part) {
            return bad(part.error());
        }
        if (part->last != (i + 1 == count)) {
            return bad(ParseError::proposal_structure);
        }
        auto transform = parse_transform(part->rest);
        if (!transform) {
            return bad(transform.error());
        }
        transforms.push_back(std::move(*transform));
    }
    // "the number of transforms" and the proposal's length have to tell the same story.
    if (!in.empty()) {
        return bad(ParseError::proposal_structure);
    }
    return transforms;
}

Parsed<Proposal> parse_proposal(ByteView rest) {
    Proposal proposal;
    proposal.number = rest[0];
    proposal.protocol = static_cast<ProtocolId>(rest[1]);
    const std::size_t spi_size = rest[2];
    const std::size_t transform_count = rest[3];
    Reader in(rest.subspan(proposal_header_size - 4));
    const auto spi = in.take(spi_size);
    if (!spi) {
        return bad(ParseError::body_length);
    }
    proposal.spi = to_bytes(*spi);
    auto transforms = parse_transforms(in.rest(), transform_count);
    if (!transforms) {
        return bad(transforms.error());
    }
    proposal.transforms = std::move(*transforms);
    return proposal;
}

void emit_attribute(Writer& out, const Attribute& attribute) {
    check(attribute.type <= 0x7fff, "attribute types have 15 bits");
    if (attribute.tlv) {
        out.u16(attribute.type);
        out.u16(size_u16(attribute.value.size()));
    } else {
        check(attribute.value.size() == 2, "a TV attribute has a value of two bytes");
        out.u16(attribute.type | attribute_format_tv);
    }
    out.append(attribute.value);
}

void emit_transform(Writer& out, const Transform& transform, bool last) {
    const std::size_t start = out.size();
    out.u8(last ? last_substructure : more_transforms);
    out.u8(0);
    out.u16(0);
    out.u8(static_cast<std::uint8_t>(transform.type));
    out.u8(0);
    out.u16(transform.id);
    for (const Attribute& attribute : transform.attributes) {
        emit_attribute(out, attribute);
    }
    out.patch_u16(start + 2, size_u16(out.size() - start));
}

void emit_proposal(Writer& out, const Proposal& proposal, bool last) {
    const std::size_t start = out.size();
    out.u8(last ? last_substructure : more_proposals);
    out.u8(0);
    out.u16(0);
    out.u8(proposal.number);
    out.u8(static_cast<std::uint8_t>(proposal.protocol));
    out.u8(size_u8(proposal.spi.size()));
    out.u8(size_u8(proposal.transforms.size()));
    out.append(proposal.spi);
    for (const Transform& transform : proposal.transforms) {
        emit_transform(out, transform, &transform == &proposal.transforms.back());
    }
    out.patch_u16(start + 2, size_u16(out.size() - start));
}

}  // namespace

// RFC 7296 3.3: "the first proposal in an SA payload MUST be 1, and subsequent proposals MUST be
// one more than the previous proposal". The answer carries one proposal with the number it accepts,
// so the first may be any but 0; gaps do no harm, repeated numbers would make the answer ambiguous.
Parsed<SecurityAssociation> parse_sa(ByteView body) {
    SecurityAssociation sa;
    Reader in(body);
    std::uint8_t previous = 0;
    bool last = false;
    while (!last) {
        const auto part = next_substructure(in, more_proposals, proposal_header_size);
        if (!part) {
            return bad(part.error());
        }
        auto proposal = parse_proposal(part->rest);
        if (!proposal) {
            return bad(proposal.error());
        }
        if (proposal->number <= previous) {
            return bad(ParseError::proposal_structure);
        }
        previous = proposal->number;
        last = part->last;
        sa.proposals.push_back(std::move(*proposal));
    }
    if (!in.empty()) {
        return bad(ParseError::proposal_structure);
    }
    return sa;
}

void emit_body(Writer& out, const SecurityAssociation& body) {
    check(!body.proposals.empty(), "an SA payload has at least one proposal");
    for (const Proposal& proposal : body.proposals) {
        emit_proposal(out, proposal, &proposal == &body.proposals.back());
    }
}

std::uint16_t Transform::key_length_bits() const {
    for (const Attribute& attribute : attributes) {
        if (attribute.type == attribute_key_length && !attribute.tlv &&
            attribute.value.size() == 2) {
            return load_u16(attribute.value);
        }
    }
    return 0;
}

Transform Transform::make(TransformType type, std::uint16_t id, std::uint16_t key_length_bits) {
    Transform transform{type, id, {}};
    if (key_length_bits != 0) {
        Attribute attribute{attribute_key_length, false, Bytes(2)};
        store_u16(attribute.value, key_length_bits);
        transform.attributes.push_back(std::move(attribute));
    }
    return transform;
}

}  // namespace anyswan::wire::ike
