// SPDX-License-Identifier: Apache-2.0
// Key derivations of a capture: from the logged shared secrets to SK_* and ESP keys (RFC 7296 2.14,
// 2.17, 2.18, RFC 9370), with nonces, SPIs and algorithms taken from the messages before them.
#include "replay/session.h"

namespace anyswan::replay {

using wire::ike::Message;
using wire::ike::Proposal;
using wire::ike::SecurityAssociation;
using wire::ike::Transform;
using wire::ike::TransformType;

namespace {

const Proposal* proposal_of(const std::optional<Readable>& readable, std::uint8_t number) {
    if (!readable) {
        return nullptr;
    }
    const auto* sa = Message::find_in<SecurityAssociation>(readable->chain.payloads);
    if (sa == nullptr) {
        return nullptr;
    }
    for (const Proposal& proposal : sa->proposals) {
        if (proposal.number == number || number == 0) {
            return &proposal;
        }
    }
    return nullptr;
}

const Proposal* answered(const Exchange& exchange) {
    return proposal_of(exchange.response, 0);
}

/// The SPIs that both sides named in their SA payloads.
struct ProposalSpis {
    Bytes initiator;
    Bytes responder;
};

ProposalSpis spis_of(const Exchange& exchange) {
    const Proposal* answer = answered(exchange);
    if (answer == nullptr) {
        return {};
    }
    const Proposal* offer = proposal_of(exchange.request, answer->number);
    return {offer == nullptr ? Bytes() : offer->spi, answer->spi};
}

const Transform* transform_of(const Proposal& proposal, TransformType type) {
    for (const Transform& transform : proposal.transforms) {
        if (transform.type == type) {
            return &transform;
        }
    }
    return nullptr;
}

/// The id that was agreed for a transform type; 0 where none was.
std::uint64_t id_of(const Proposal& proposal, TransformType type) {
    const Transform* transform = transform_of(proposal, type);
    return transform == nullptr ? 0 : transform->id;
}

bool has_keys(const ike::IkeKeys& keys, const Event& event) {
    const auto same = [&event](const Secret& key, const char* field) {
        return constant_time_equal(key.reveal(), event.hex(field));
    };
    return same(keys.d, "SK_d") && same(keys.ai, "SK_ai") && same(keys.ar, "SK_ar") &&
           same(keys.ei, "SK_ei") && same(keys.er, "SK_er") && same(keys.pi, "SK_pi") &&
           same(keys.pr, "SK_pr");
}

}  // namespace

crypto::CipherSuite cipher_of(const Event& event) {
    crypto::CipherSuite suite;
    suite.encr = static_cast<crypto::EncrId>(event.number("encr"));
    suite.integ = static_cast<crypto::IntegId>(event.number("integ"));
    // The suite has no key length where the cipher has but one.
    suite.key_bits = suite.encr == crypto::EncrId::chacha20_poly1305
                         ? std::uint16_t{0}
                         : static_cast<std::uint16_t>(event.number("keylen"));
    return suite;
}

Bytes nonce_of(const std::optional<Readable>& readable) {
    const auto* nonce =
        readable ? Message::find_in<wire::ike::Nonce>(readable->chain.payloads) : nullptr;
    return nonce == nullptr ? Bytes() : nonce->data;
}

IkeSa* Session::rekeyed_by(const Event& event) {
    for (auto& [spi, sa] : sas_) {
        if (equal(spis_of(sa.negotiation).initiator, event.hex("spi_i"))) {
            return &sa;
        }
    }
    return nullptr;
}

void Session::check_negotiated(const Event& event, const Exchange& exchange) {
    const Proposal* answer = answered(exchange);
    if (!report_.require(answer != nullptr, "no SA payload in the response")) {
        return;
    }
    const Transform* encr = transform_of(*answer, TransformType::encr);
    const std::uint16_t key_bits = encr == nullptr ? std::uint16_t{0} : encr->key_length_bits();
    const bool prf_agreed = answer->protocol != wire::ike::ProtocolId::ike ||
                            id_of(*answer, TransformType::prf) == event.number("prf");
    report_.expect("negotiated algorithms",
                   prf_agreed && id_of(*answer, TransformType::encr) == event.number("encr") &&
                       id_of(*answer, TransformType::integ) == event.number("integ") &&
                       key_bits == event.number("keylen"),
                   "the SA payload of the response names others");
}

/// The derivation's inputs must be those that went over the wire.
void Session::check_origin(const Event& event, const IkeSa* old_sa) {
    const bool rekey = event.text("kind") == "rekey";
    const Init& init = inits_[event.hex_number("spi_i")];
    const Exchange& exchange = rekey ? old_sa->negotiation : init.exchange;
    report_.expect("nonces",
                   equal(nonce_of(exchange.request), event.hex("ni")) &&
                       equal(nonce_of(exchange.response), event.hex("nr")),
                   "the messages carried others");
    check_negotiated(event, exchange);
    const ProposalSpis spis = spis_of(exchange);
    const std::uint64_t responder =
        init.exchange.response ? init.exchange.response->header.responder_spi.value() : 0;
    report_.expect("SPIs",
                   rekey ? equal(spis.initiator, event.hex("spi_i")) &&
                               equal(spis.responder, event.hex("spi_r"))
                         : responder == event.hex_number("spi_r"),
                   "the messages carried others");
}

std::optional<Secret> Session::seed_of(const Event& event, const IkeSa* old_sa) {
    const Bytes ni = event.hex("ni");
    const Bytes nr = event.hex("nr");
    const Bytes shared = event.hex("shared_secret");
    const Bytes additional = event.hex("additional_shared_secrets");
    const std::string kind = event.text("kind");
    if (kind == "init" && additional.empty()) {
        const auto prf = static_cast<crypto::PrfId>(event.number("prf"));
        return ike::skeyseed(prf, {ni, nr}, shared);
    }
    // RFC 9370 2.2.2: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), the form of a rekeying; 2.2.4:
    // only a rekeying has all of several secrets at once.
    if (kind == "rekey" || (kind == "inter" && additional.empty())) {
        return ike::skeyseed_rekey(old_sa->suite.prf, old_sa->keys.d.reveal(), {ni, nr}, shared,
                                   additional);
    }
    return std::nullopt;
}

void Session::derive_ike(const Event& event) {
    const std::string kind = event.text("kind");
    const auto prf = static_cast<crypto::PrfId>(event.number("prf"));
    const crypto::CipherSuite cipher = cipher_of(event);
    if (!crypto::supported(cipher) || !crypto::supported(prf)) {
        report_.expect("IKE keys", false, "algorithms that this build doesn't have");
        return;
    }
    const IkeSa* old_sa = kind == "rekey"   ? rekeyed_by(event)
                          : kind == "inter" ? find(event.hex_number("spi_i"))
                                            : nullptr;
    if (!report_.require(kind == "init" || old_sa != nullptr, "no IKE SA to derive from")) {
        return;
    }
    check_origin(event, old_sa);
    const std::optional<Secret> seed = seed_of(event, old_sa);
    if (!report_.expect("SKEYSEEDs",
                        seed && constant_time_equal(seed->reveal(), event.hex("skeyseed")),
                        "another value")) {
        return;
    }
    IkeSa sa;
    sa.spis = {IkeSpi(event.hex_number("spi_i")), IkeSpi(event.hex_number("spi_r"))};
    sa.suite = {cipher, prf, crypto::KeMethod::none};
    sa.ni = event.hex("ni");
    sa.nr = event.hex("nr");
    sa.keys = ike::derive_ike_keys(sa.suite, seed->reveal(), {sa.ni, sa.nr}, sa.spis);
    report_.expect("IKE keys", has_keys(sa.keys, event), "SK_* differ");
    if (kind == "inter") {
        sa.int_auth = old_sa->int_auth;
    }
    mix_ppk(sa);
    const auto [place, added] = sas_.insert_or_assign(sa.spis.initiator.value(), std::move(sa));
    current_ = &place->second;
}

/// RFC 8784 3: SK_d = prf+ (PPK, SK_d'), and the same for SK_pi and SK_pr.
void Session::mix_ppk(IkeSa& sa) {
    if (!ppk_) {
        return;
    }
    const auto mix = [&](Secret& key) {
        key = crypto::prf_plus(sa.suite.prf, ppk_->ppk, key.reveal(), key.size());
    };
    mix(sa.keys.d);
    mix(sa.keys.pi);
    mix(sa.keys.pr);
    report_.expect("keys with PPK",
                   constant_time_equal(sa.keys.d.reveal(), ppk_->d) &&
                       constant_time_equal(sa.keys.pi.reveal(), ppk_->pi) &&
                       constant_time_equal(sa.keys.pr.reveal(), ppk_->pr),
                   "SK_d, SK_pi or SK_pr differ");
    ppk_.reset();
}

void Session::derive_child(const Event& event) {
    const IkeSa* sa = find(event.hex_number("ike_spi_i"));
    if (!report_.require(sa != nullptr, "no IKE SA to derive from")) {
        return;
    }
    const Exchange& exchange = sa->negotiation;
    const bool first_child =
        exchange.request && exchange.request->header.exchange == wire::ike::ExchangeType::ike_auth;
    const Bytes ni = event.hex("ni");
    const Bytes nr = event.hex("nr");
    report_.expect("nonces",
                   equal(first_child ? sa->ni : nonce_of(exchange.request), ni) &&
                       equal(first_child ? sa->nr : nonce_of(exchange.response), nr),
                   "the messages carried others");
    check_negotiated(event, exchange);
    const ProposalSpis spis = spis_of(exchange);
    report_.expect(
        "SPIs",
        equal(spis.initiator, event.hex("spi_i")) && equal(spis.responder, event.hex("spi_r")),
        "the messages carried others");
    report_.require(static_cast<std::uint64_t>(sa->suite.prf) == event.number("prf"),
                    "not the IKE SA's");
    const crypto::CipherSuite suite = cipher_of(event);
    if (!crypto::supported(suite)) {
        report_.expect("ESP keys", false, "algorithms that this build doesn't have");
        return;
    }
    const Bytes shared = event.hex("shared_secret");
    const Bytes additional = event.hex("additional_shared_secrets");
    const ByteView sk_d = sa->keys.d.reveal();
    install(event,
            ike::derive_child_keys(sa->suite.prf, suite, sk_d, {ni, nr}, shared, additional));
}

void Session::install(const Event& event, const ike::ChildKeyPair& keys) {
    const auto& to_responder = keys.initiator_to_responder;
    const auto& to_initiator = keys.responder_to_initiator;
    report_.expect("ESP keys",
                   constant_time_equal(to_responder.encr.reveal(), event.hex("encr_i")) &&
                       constant_time_equal(to_initiator.encr.reveal(), event.hex("encr_r")) &&
                       constant_time_equal(to_responder.integ.reveal(), event.hex("integ_i")) &&
                       constant_time_equal(to_initiator.integ.reveal(), event.hex("integ_r")),
                   "KEYMAT differs");
    const crypto::CipherSuite suite = cipher_of(event);
    children_[event.hex_number("spi_r")] = {suite, to_bytes(to_responder.encr.reveal()),
                                            to_bytes(to_responder.integ.reveal()), "i->r"};
    children_[event.hex_number("spi_i")] = {suite, to_bytes(to_initiator.encr.reveal()),
                                            to_bytes(to_initiator.integ.reveal()), "r->i"};
}

}  // namespace anyswan::replay
