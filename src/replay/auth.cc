// SPDX-License-Identifier: Apache-2.0
// AUTH of a capture: the octets that each side proves (RFC 7296 2.15, with RFC 9242's IntAuth), the
// value for a shared key, and signatures under the key of the certificate that came with them.
#include "core/crypto/x509.h"
#include "replay/session.h"

namespace anyswan::replay {

using wire::ike::Message;

namespace {

/// The body of the ID payload that the sender identified itself with, as AUTH covers it.
Bytes id_of(const Readable& readable) {
    const auto& payloads = readable.chain.payloads;
    if (readable.header.from_initiator) {
        const auto* id = Message::find_in<wire::ike::IdInitiator>(payloads);
        return id == nullptr ? Bytes() : id->rest_of_payload();
    }
    const auto* id = Message::find_in<wire::ike::IdResponder>(payloads);
    return id == nullptr ? Bytes() : id->rest_of_payload();
}

/// RFC 9242 3.3.2: IntAuth_i | IntAuth_r | IKE_AUTH_MID, where there were intermediate exchanges.
Bytes int_auth_tail(const IntAuth& int_auth, MessageId auth_id) {
    if (int_auth.of_initiator.empty()) {
        return {};
    }
    Writer tail;
    tail.append(int_auth.of_initiator);
    tail.append(int_auth.of_responder);
    tail.u32(auth_id.value());
    return std::move(tail).take();
}

/// A signature and the algorithm that it was made with.
struct Signature {
    crypto::SignatureAlgorithm algorithm;
    ByteView value;
};

std::optional<Signature> signature_of(const wire::ike::Authentication& auth) {
    if (auth.method == wire::ike::AuthMethod::rsa_digital_signature) {
        // RFC 7296 3.8: SHA-1 is the default, and what strongSwan takes without RFC 7427.
        return Signature{{crypto::SignatureScheme::rsa_pkcs1, crypto::HashId::sha1}, auth.data};
    }
    // RFC 7427 3: one octet of length, the AlgorithmIdentifier, the signature.
    Reader rest(auth.data);
    const auto size = rest.u8();
    const auto identifier = size ? rest.take(*size) : std::nullopt;
    const auto algorithm = identifier ? crypto::decode_algorithm(*identifier) : std::nullopt;
    return algorithm ? std::optional(Signature{*algorithm, rest.rest()}) : std::nullopt;
}

bool verifies(const Readable& said, const Signature& signature, ByteView octets) {
    const auto* sent = Message::find_in<wire::ike::Certificate>(said.chain.payloads);
    const auto certificate =
        sent == nullptr ? std::nullopt : crypto::Certificate::from_der(sent->data);
    const auto key = certificate ? certificate->public_key() : std::nullopt;
    return key && key->verify(signature.algorithm, octets, signature.value);
}

/// "rsa-PSS-sha256 3041...", as the program that wrote the capture found it.
bool named(const std::string& verified, const crypto::SignatureAlgorithm& algorithm) {
    using crypto::SignatureScheme;
    std::string expected = "ed25519";
    switch (algorithm.scheme) {
        case SignatureScheme::rsa_pkcs1:
            expected = "rsa-PKCS1v15-sha1";
            break;
        case SignatureScheme::rsa_pss:
            expected = "rsa-PSS-sha256";
            break;
        case SignatureScheme::ecdsa:
            expected = "ecdsa-sha256";
            break;
        case SignatureScheme::ed25519:
            break;
    }
    return verified.starts_with(expected + " ");
}

}  // namespace

void Session::auth(const Event& event) {
    const bool from_initiator = event.flag("from_initiator");
    const Readable* said = nullptr;
    if (current_ != nullptr && current_->last_from.at(from_initiator ? 1 : 0)) {
        said = &*current_->last_from.at(from_initiator ? 1 : 0);
    }
    const auto* payload = said == nullptr
                              ? nullptr
                              : Message::find_in<wire::ike::Authentication>(said->chain.payloads);
    const bool same = payload != nullptr && equal(payload->data, event.hex("auth"));
    if (!report_.require(same, "the last message of this side carries another, or none") ||
        payload == nullptr || said == nullptr) {
        return;
    }
    const IkeSa& sa = *current_;
    const Init& init = inits_[sa.spis.initiator.value()];
    const Secret& sk_p = from_initiator ? sa.keys.pi : sa.keys.pr;
    const Bytes id = id_of(*said);
    const Bytes tail = int_auth_tail(sa.int_auth, said->header.message_id);
    const Bytes octets =
        ike::auth_octets(sa.suite.prf, {from_initiator ? init.request : init.response,
                                        from_initiator ? sa.nr : sa.ni, sk_p.reveal(), id, tail});
    report_.expect("AUTH octets", equal(octets, event.hex("octets")), "other bytes");
    if (event.kind() == "auth-sig") {
        report_.require(static_cast<std::uint64_t>(payload->method) == event.number("method"),
                        "another method on the wire");
        const auto algorithm = signature_of(*payload);
        report_.expect("signatures",
                       algorithm && verifies(*said, *algorithm, octets) &&
                           named(event.text("verified"), algorithm->algorithm),
                       "does not verify under the sender's certificate");
        return;
    }
    const Secret value = ike::psk_auth(sa.suite.prf, as_bytes(capture_psk), octets);
    report_.expect("PSK AUTHs",
                   constant_time_equal(value.reveal(), event.hex("auth")) == event.flag("ok"),
                   "recomputed to another value");
}

/// RFC 9242 3.3.1: IntAuth_*(n) = prf(SK_p*, IntAuth_*(n-1) | A | P). A is the header and the
/// Encrypted payload's generic header, as if the message were not fragmented and not encrypted:
/// "the Length fields are adjusted" to the plaintext.
void Session::int_auth(const Event& event) {
    const bool from_initiator = event.flag("from_initiator");
    if (current_ == nullptr || !current_->last_from.at(from_initiator ? 1 : 0)) {
        report_.expect("IntAuths", false, "no message to authenticate");
        return;
    }
    IkeSa& sa = *current_;
    const Readable& said = *sa.last_from.at(from_initiator ? 1 : 0);
    const std::size_t payload_size = wire::ike::payload_header_size + said.chain.plain.size();
    Writer a;
    a.append(
        wire::ike::emit_header(said.header, wire::ike::PayloadType::encrypted,
                               static_cast<std::uint32_t>(wire::ike::header_size + payload_size)));
    a.u8(static_cast<std::uint8_t>(said.chain.first));
    a.u8(0);
    a.u16(static_cast<std::uint16_t>(payload_size));
    report_.require(equal(a.view(), event.hex("A")) &&
                        said.chain.plain.size() == event.number("P_len") &&
                        said.header.message_id.value() == event.number("mid"),
                    "A, P or the message ID differ");
    Bytes& value = from_initiator ? sa.int_auth.of_initiator : sa.int_auth.of_responder;
    const Secret& sk_p = from_initiator ? sa.keys.pi : sa.keys.pr;
    value = to_bytes(
        crypto::prf(sa.suite.prf, sk_p.reveal(), {value, a.view(), said.chain.plain}).reveal());
    report_.expect("IntAuths", equal(value, event.hex("intauth")), "another value");
}

}  // namespace anyswan::replay
