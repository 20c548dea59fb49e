// SPDX-License-Identifier: Apache-2.0
// The IKE header (RFC 7296 3.1) and the payload chain (3.2): the frame that the payload families'
// files fill. First code that a datagram from anybody reaches.
#include "core/wire/ike/message.h"

#include "core/wire/ike/codec.h"

namespace anyswan::wire::ike {

namespace {

constexpr std::uint8_t flag_initiator = 0x08;
constexpr std::uint8_t flag_version = 0x10;
constexpr std::uint8_t flag_response = 0x20;
constexpr std::uint8_t flag_critical = 0x80;

template <class Body, class As = Body>
Parsed<PayloadBody> lift(Parsed<Body> parsed) {
    if (!parsed) {
        return bad(parsed.error());
    }
    return PayloadBody(As{std::move(*parsed)});
}

/// The body of one payload; `next` is its Next Payload field, which SK and SKF keep for their
/// inside.
Parsed<PayloadBody> parse_body(PayloadType type, PayloadType next, ByteView body) {
    switch (type) {
        case PayloadType::security_association:
            return lift(parse_sa(body));
        case PayloadType::key_exchange:
            return lift(parse_key_exchange(body));
        case PayloadType::id_initiator:
            return lift<Identification, IdInitiator>(parse_identification(body));
        case PayloadType::id_responder:
            return lift<Identification, IdResponder>(parse_identification(body));
        case PayloadType::certificate:
            return lift(parse_certificate(body));
        case PayloadType::certificate_request:
            return lift(parse_certificate_request(body));
        case PayloadType::authentication:
            return lift(parse_authentication(body));
        case PayloadType::nonce:
            return lift(parse_nonce(body));
        case PayloadType::notify:
            return lift(parse_notify(body));
        case PayloadType::delete_:
            return lift(parse_delete(body));
        case PayloadType::vendor_id:
            return PayloadBody(VendorId{to_bytes(body)});
        case PayloadType::ts_initiator:
            return lift<TrafficSelectors, TsInitiator>(parse_traffic_selectors(body));
        case PayloadType::ts_responder:
            return lift<TrafficSelectors, TsResponder>(parse_traffic_selectors(body));
        case PayloadType::encrypted:
            return PayloadBody(Encrypted{next, to_bytes(body)});
        case PayloadType::configuration:
            return lift(parse_configuration(body));
        case PayloadType::eap:
            return PayloadBody(Eap{to_bytes(body)});
        case PayloadType::encrypted_fragment:
            return lift(parse_encrypted_fragment(next, body));
        case PayloadType::no_next_payload:
            break;
    }
    return PayloadBody(UnknownPayload{type, to_bytes(body)});
}

/// RFC 7296 3.14: "The Encrypted payload, if present in a message, MUST be the last payload"; the
/// same holds for SKF (RFC 7383 2.5). Their Next Payload field names the first payload inside.
bool ends_chain(PayloadType type) {
    return type == PayloadType::encrypted || type == PayloadType::encrypted_fragment;
}

struct TypeOf {
    PayloadType operator()(const SecurityAssociation&) const {
        return PayloadType::security_association;
    }
    PayloadType operator()(const KeyExchange&) const { return PayloadType::key_exchange; }
    PayloadType operator()(const IdInitiator&) const { return PayloadType::id_initiator; }
    PayloadType operator()(const IdResponder&) const { return PayloadType::id_responder; }
    PayloadType operator()(const Certificate&) const { return PayloadType::certificate; }
    PayloadType operator()(const CertificateRequest&) const {
        return PayloadType::certificate_request;
    }
    PayloadType operator()(const Authentication&) const { return PayloadType::authentication; }
    PayloadType operator()(const Nonce&) const { return PayloadType::nonce; }
    PayloadType operator()(const Notify&) const { return PayloadType::notify; }
    PayloadType operator()(const Delete&) const { return PayloadType::delete_; }
    PayloadType operator()(const VendorId&) const { return PayloadType::vendor_id; }
    PayloadType operator()(const TsInitiator&) const { return PayloadType::ts_initiator; }
    PayloadType operator()(const TsResponder&) const { return PayloadType::ts_responder; }
    PayloadType operator()(const Encrypted&) const { return PayloadType::encrypted; }
    PayloadType operator()(const Configuration&) const { return PayloadType::configuration; }
    PayloadType operator()(const Eap&) const { return PayloadType::eap; }
    PayloadType operator()(const EncryptedFragment&) const {
        return PayloadType::encrypted_fragment;
    }
    PayloadType operator()(const UnknownPayload& unknown) const { return unknown.type; }
};

/// The Next Payload field of the chain's last payload.
struct NextOfLast {
    PayloadType operator()(const Encrypted& sk) const { return sk.first_inner; }
    PayloadType operator()(const EncryptedFragment& skf) const { return skf.first_inner; }
    template <class Body>
    PayloadType operator()(const Body&) const {
        return PayloadType::no_next_payload;
    }
};

struct EmitBody {
    Writer& out;
    void operator()(const VendorId& body) const { out.append(body.data); }
    void operator()(const Encrypted& body) const { out.append(body.body); }
    void operator()(const Eap& body) const { out.append(body.message); }
    void operator()(const UnknownPayload& body) const { out.append(body.body); }
    template <class Body>
    void operator()(const Body& body) const {
        emit_body(out, body);
    }
};

void append_payload(Writer& out, const Payload& payload, PayloadType next) {
    const std::size_t start = out.size();
    out.u8(static_cast<std::uint8_t>(next));
    out.u8(payload.critical ? flag_critical : 0);
    out.u16(0);
    std::visit(EmitBody{out}, payload.body);
    out.patch_u16(start + 2, size_u16(out.size() - start));
}

void append_chain(Writer& out, const std::vector<Payload>& payloads) {
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        const bool last = i + 1 == payloads.size();
        const PayloadType type = payloads[i].type();
        check(type != PayloadType::no_next_payload, "a payload has a type");
        check(last || !ends_chain(type), "SK and SKF end a message");
        append_payload(out, payloads[i],
                       last ? std::visit(NextOfLast{}, payloads[i].body) : payloads[i + 1].type());
    }
}

void append_header(Writer& out, const Header& header, PayloadType next, std::uint32_t length) {
    check(header.major_version < 16 && header.minor_version < 16, "versions have 4 bits");
    out.u64(header.initiator_spi.value());
    out.u64(header.responder_spi.value());
    out.u8(static_cast<std::uint8_t>(next));
    out.u8(static_cast<std::uint8_t>(header.major_version << 4U | header.minor_version));
    out.u8(static_cast<std::uint8_t>(header.exchange));
    out.u8(static_cast<std::uint8_t>((header.from_initiator ? flag_initiator : 0) |
                                     (header.higher_version ? flag_version : 0) |
                                     (header.response ? flag_response : 0)));
    out.u32(header.message_id.value());
    out.u32(length);
}

}  // namespace

const char* name(ParseError error) {
    switch (error) {
        case ParseError::too_short:
            return "too_short";
        case ParseError::length_mismatch:
            return "length_mismatch";
        case ParseError::major_version:
            return "major_version";
        case ParseError::payload_length:
            return "payload_length";
        case ParseError::trailing_bytes:
            return "trailing_bytes";
        case ParseError::body_length:
            return "body_length";
        case ParseError::proposal_structure:
            return "proposal_structure";
        case ParseError::ts_structure:
            return "ts_structure";
        case ParseError::fragment_numbers:
            return "fragment_numbers";
        case ParseError::too_many_payloads:
            return "too_many_payloads";
    }
    return "unknown";
}

PayloadType Payload::type() const {
    return std::visit(TypeOf{}, body);
}

Parsed<HeaderView> HeaderView::read(ByteView datagram) {
    if (datagram.size() < header_size) {
        return bad(ParseError::too_short);
    }
    if (load_u32(datagram.subspan(24)) != datagram.size()) {
        return bad(ParseError::length_mismatch);
    }
    const std::uint8_t version = datagram[17];
    const std::uint8_t flags = datagram[19];
    HeaderView view;
    view.header.initiator_spi = IkeSpi(load_u64(datagram));
    view.header.responder_spi = IkeSpi(load_u64(datagram.subspan(8)));
    view.first_payload = static_cast<PayloadType>(datagram[16]);
    view.header.major_version = version >> 4U;
    view.header.minor_version = version & 0x0fU;
    view.header.exchange = static_cast<ExchangeType>(datagram[18]);
    view.header.from_initiator = (flags & flag_initiator) != 0;
    view.header.higher_version = (flags & flag_version) != 0;
    view.header.response = (flags & flag_response) != 0;
    view.header.message_id = MessageId(load_u32(datagram.subspan(20)));
    return view;
}

Parsed<Message> Message::parse(ByteView datagram) {
    const auto view = HeaderView::read(datagram);
    if (!view) {
        return bad(view.error());
    }
    if (view->header.major_version != 2) {
        return bad(ParseError::major_version);
    }
    auto payloads = parse_chain(view->first_payload, datagram.subspan(header_size));
    if (!payloads) {
        return bad(payloads.error());
    }
    return Message{view->header, std::move(*payloads)};
}

Bytes Message::emit() const {
    Writer out(512);
    append_header(out, header, first_type(payloads), 0);
    append_chain(out, payloads);
    out.patch_u32(24, static_cast<std::uint32_t>(out.size()));
    return std::move(out).take();
}

Parsed<std::vector<Payload>> parse_chain(PayloadType first, ByteView bytes) {
    std::vector<Payload> payloads;
    Reader in(bytes);
    PayloadType type = first;
    while (type != PayloadType::no_next_payload) {
        if (in.remaining() < payload_header_size) {
            return bad(ParseError::payload_length);
        }
        if (payloads.size() == max_payloads) {
            return bad(ParseError::too_many_payloads);
        }
        const ByteView head = in.rest();
        const auto next = static_cast<PayloadType>(head[0]);
        const std::size_t length = load_u16(head.subspan(2));
        const auto whole = in.take(length);
        if (length < payload_header_size || !whole) {
            return bad(ParseError::payload_length);
        }
        auto body = parse_body(type, next, whole->subspan(payload_header_size));
        if (!body) {
            return bad(body.error());
        }
        payloads.push_back({std::move(*body), (head[1] & flag_critical) != 0});
        type = ends_chain(type) ? PayloadType::no_next_payload : next;
    }
    if (!in.empty()) {
        return bad(ParseError::trailing_bytes);
    }
    return payloads;
}

Bytes emit_chain(const std::vector<Payload>& payloads) {
    Writer out(512);
    append_chain(out, payloads);
    return std::move(out).take();
}

PayloadType first_type(const std::vector<Payload>& payloads) {
    return payloads.empty() ? PayloadType::no_next_payload : payloads.front().type();
}

Bytes emit_header(const Header& header, PayloadType next, std::uint32_t length) {
    Writer out(header_size);
    append_header(out, header, next, length);
    return std::move(out).take();
}

}  // namespace anyswan::wire::ike
