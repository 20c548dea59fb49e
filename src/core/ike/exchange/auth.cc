// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH (RFC 7296 1.2, 2.15): identities, proofs, the first Child SA. Both roles. How proofs are
// made and judged: core/ike/auth.
//
//   HDR, SK {IDi, [CERT+], [N(INITIAL_CONTACT)], [CERTREQ], [IDr], AUTH, [N(PPK_IDENTITY)],
//            [N(NO_PPK_AUTH)], SAi2, TSi, TSr}  -->
//                        <--  HDR, SK {IDr, [CERT+], AUTH, [N(PPK_IDENTITY)], SAr2, TSi, TSr}
//
// Without SA, TSi and TSr, in both, the IKE SA is childless (RFC 6023): the first Child SA comes by
// CREATE_CHILD_SA.
#include <algorithm>

#include "core/ike/auth/identity.h"
#include "core/ike/auth/ppk.h"
#include "core/ike/auth/select.h"
#include "core/ike/child.h"
#include "core/ike/configuration.h"
#include "core/ike/exchange/mobike.h"
#include "core/ike/exchange/redirect.h"
#include "core/ike/negotiate.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"
#include "core/sa/weak.h"

namespace anyswan::ike::auth {

using wire::ike::Authentication;
using wire::ike::AuthMethod;
using wire::ike::ExchangeType;
using wire::ike::Identification;
using wire::ike::IdInitiator;
using wire::ike::IdResponder;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

/// How the two sides became sure of each other.
struct Assurance {
    std::optional<AcceptedCertificate> certificate;
    bool ppk = false;
};

/// Whether a Child SA was asked for.
enum class FirstChild : std::uint8_t { asked_for, later };

void report_established(Session& session, Context& context, const Identification& peer_id,
                        const Assurance& assurance, FirstChild child) {
    const NatStatus& nat = session.nat;
    const auto& certificate = assurance.certificate;
    report(
        context, session, EventKind::ike_sa_established,
        std::string("IKE SA established with ") + text_of(peer_id) + ", " +
            crypto::to_string(session.channel->suite()) +
            (certificate ? ", by " + certificate->text : "") +
            (assurance.ppk ? ", with a PPK" : "") +
            (nat.peer_is_behind ? ", the peer is behind a NAT" : "") +
            (nat.we_are_behind ? ", we are behind a NAT" : "") +
            (child == FirstChild::later ? "; childless (RFC 6023), a Child SA comes later" : ""));
    report_weak(context, session, "IKE SA", sa::weak_words(session.channel->suite()));
    if (certificate && certificate->sha1) {
        report(context, session, EventKind::weak_algorithm,
               "accepted a SHA-1 signature of " + certificate->text +
                   ", because the tunnel allows it: give the router SHA-256, then take "
                   "\"sha1-signatures\" off allow_weak");
    }
}

void want_crls(Context& context, const sa::TunnelRecord& tunnel, const Identification& peer_id,
               const std::vector<Payload>& payloads) {
    if (!fit(tunnel.remote_id, peer_id)) {
        return;
    }
    for (std::string& url : crl_points_of(tunnel, peer_id, payloads, context.now.wall)) {
        context.out.crls_wanted.push_back(std::move(url));
    }
}

// Responder.

/// RFC 7296 2.21.2: "All errors that occur in an IKE_AUTH exchange, causing the authentication to
/// fail for whatever reason ... SHOULD result in an AUTHENTICATION_FAILED notification." The same
/// bytes whatever the reason, so that nobody learns identities by asking.
void fail_authentication(Session& session, Context& context, const Inbound& in,
                         const std::string& why) {
    report(context, session, EventKind::authentication_failed,
           "AUTHENTICATION_FAILED to " + in.path.remote.address.to_string() + ": " + why);
    const Ending ending = end(session, context);
    respond(session, context, in, {{Notify{{}, {}, NotifyType::authentication_failed, {}}}}, {},
            ending.persist);
}

void fail_syntax(Session& session, Context& context, const Inbound& in, const std::string& what) {
    report(context, session, EventKind::we_refused, "INVALID_SYNTAX: IKE_AUTH request " + what);
    const Ending ending = end(session, context);
    respond(session, context, in, {{Notify{{}, {}, NotifyType::invalid_syntax, {}}}}, {},
            ending.persist);
}

/// RFC 4555 3.9: the initiator allows no NAT, and there is one: no IKE SA comes of it.
void fail_nat(Session& session, Context& context, const Inbound& in) {
    report(context, session, EventKind::we_refused,
           "UNEXPECTED_NAT_DETECTED to " + in.path.remote.to_string() +
               ": the router allows no NAT (NAT traversal is off there), and one is in the way");
    const Ending ending = end(session, context);
    respond(session, context, in, {{Notify{{}, {}, NotifyType::unexpected_nat_detected, {}}}}, {},
            ending.persist);
}

/// The response's payloads about the Child SA, and its record if it was made.
struct ChildOutcome {
    std::vector<Payload> payloads;
    std::optional<sa::ChildSaRecord> record;
};

/// RFC 7296 1.2: "If creating the Child SA during the IKE_AUTH exchange fails for some reason, the
/// IKE SA is still created as usual."
ChildOutcome refuse_child(Session& session, Context& context, const ChildRefusal& refusal) {
    report(context, session, EventKind::we_refused,
           name(refusal.notify) + " to " + session.path.remote.address.to_string() + ": " +
               refusal.why);
    return {{{Notify{{}, {}, refusal.notify, {}}}}, std::nullopt};
}

/// The addresses that the initiator asks for, and the Child SA if it asks for that already.
ChildOutcome make_first_child(Session& session, Context& context, const sa::TunnelRecord& tunnel,
                              const HalfOpen& state, const Inbound& in,
                              const std::optional<ChildPayloads>& offer) {
    auto given = configuration::assign(session, tunnel, in.payloads, state.addresses);
    if (!given) {
        return refuse_child(session, context, given.error());
    }
    if (!offer) {
        return {std::move(*given), std::nullopt};
    }
    auto accepted = accept_child(session, context, tunnel, *offer);
    if (!accepted) {
        return refuse_child(session, context, accepted.error());
    }
    std::vector<Payload> payloads = std::move(*given);
    for (Payload& payload : accepted->payloads) {
        payloads.push_back(std::move(payload));
    }
    return {std::move(payloads),
            make_child(session, context, tunnel, std::move(accepted->agreement),
                       {{state.nonce_i, state.nonce_r}, false})};
}

/// RFC 5685 6: the responder "prevents the creation of a CHILD SA and sends the REDIRECT payload in
/// the IKE_AUTH response".
ChildOutcome sent_away(const Gateway& to) {
    return {{{Notify{{}, {}, NotifyType::redirect, redirect_data(to)}}}, std::nullopt};
}

/// IDr, CERT and AUTH of the response; else why we can't prove ourselves.
Expected<std::vector<Payload>, std::string> our_side(Session& session,
                                                     const sa::TunnelRecord& tunnel,
                                                     const HalfOpen& state) {
    const Bytes tail = auth_tail(state.int_auth, session.window.expected_request());
    auto ours = prove(
        session.channel->suite().prf, tunnel, state.terms,
        {state.init_response, state.nonce_i, session.channel->keys().pr, tunnel.local_id, tail});
    if (!ours) {
        return Unexpected{"tunnel " + tunnel.id.to_string() + ": " + ours.error()};
    }
    std::vector<Payload> payloads{{IdResponder{tunnel.local_id}}};
    append_certificates(payloads, tunnel);
    payloads.push_back({std::move(*ours)});
    return payloads;
}

void establish(Session& session, Context& context, const Inbound& in, const Selected& selected,
               const Identification& peer_id, const std::optional<ChildPayloads>& offer) {
    const sa::TunnelRecord& tunnel = *selected.tunnel;
    if (selected.with_ppk) {
        session.channel->use_ppk(tunnel.credentials.ppk);
    }
    auto ours = our_side(session, tunnel, session.in<HalfOpen>());
    if (!ours) {
        return fail_authentication(session, context, in, ours.error());
    }
    std::vector<Payload> payloads = std::move(*ours);
    if (selected.with_ppk) {
        // RFC 8784 3: the responder says that it used the PPK, "with no data".
        payloads.push_back({Notify{{}, {}, NotifyType::ppk_identity, {}}});
    }
    const HalfOpen state = std::move(session.in<HalfOpen>());
    session.tunnel = tunnel.id;
    // The initiator may have moved to port 4500; from here on that is where it is.
    session.path = in.path;
    if (find_notify(in.payloads, NotifyType::initial_contact) != nullptr) {
        context.initial_contact = InitialContact{tunnel.id, peer_id};
    }
    become(session, Established{peer_id, {}, context.now.wall});
    report_established(session, context, peer_id, {selected.proved.certificate, selected.with_ppk},
                       offer ? FirstChild::asked_for : FirstChild::later);
    std::vector<Write> writes;
    const Gateway* away = redirect::wanted(session, context);
    ChildOutcome child = away != nullptr
                             ? sent_away(*away)
                             : make_first_child(session, context, tunnel, state, in, offer);
    if (child.record) {
        report_child(context, session, *child.record);
        session.in<Established>().children.push_back(without_keys(*child.record));
        writes.emplace_back(std::move(*child.record));
    }
    for (Payload& payload : child.payloads) {
        payloads.push_back(std::move(payload));
    }
    mobike::answer_auth(session, context.config, tunnel, in, payloads);
    writes.emplace_back(endpoint_of(session));
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
    if (away != nullptr) {
        redirect::await_departure(session, context, *away);
    }
}

// Initiator.

/// Tells the responder that its AUTH isn't good. RFC 7296 2.21.2: "If the error occurs on the
/// initiator, the notification MAY be returned in a separate INFORMATIONAL exchange".
void reject_responder(Session& session, Context& context, const std::string& why) {
    report(context, session, EventKind::authentication_failed,
           "authentication of the peer failed: " + why);
    become(session, Deleting{});
    request(session, context, ExchangeType::informational,
            {{Notify{{}, {}, NotifyType::authentication_failed, {}}}}, {}, Persist::nothing);
}

/// What of ours the peer may not like.
std::string proof_words(const sa::TunnelRecord& tunnel) {
    return tunnel.credentials.local == sa::AuthKind::certificate
               ? "our certificate (does it trust the CA that signed it?)"
               : "the pre-shared key";
}

std::string why_not_proved(const sa::TunnelRecord& tunnel, const Authentication& auth, bool ppk,
                           const ProofFailure& failure) {
    switch (failure.kind) {
        case ProofFailure::Kind::method:
            return "it authenticates with " + name(auth.method) + " instead of " +
                   words_for(tunnel.credentials.remote);
        case ProofFailure::Kind::shared_key:
            return std::string("its identity is right, the pre-shared key differs") +
                   (ppk ? " (or the PPK does)" : "") + ": set the same key on both sides";
        case ProofFailure::Kind::certificate:
            break;
    }
    return failure.words;
}

/// The responder, if it is who it should be.
struct Responder {
    Identification id;
    Assurance assurance;
};
Expected<Responder, std::string> judge_responder(Session& session, Context& context,
                                                 const sa::TunnelRecord& tunnel,
                                                 const Inbound& in) {
    const AuthSent& state = session.in<AuthSent>();
    const auto* id = Message::find_in<IdResponder>(in.payloads);
    const auto* auth = Message::find_in<Authentication>(in.payloads);
    if (id == nullptr || auth == nullptr) {
        return Unexpected{std::string("its IKE_AUTH response lacks IDr or AUTH")};
    }
    if (!fit(tunnel.remote_id, *id)) {
        return Unexpected{"it calls itself " + quoted(*id) + "; the tunnel expects " +
                          quoted(tunnel.remote_id)};
    }
    // RFC 8784 3: the responder took the PPK if it says PPK_IDENTITY, else it took NO_PPK_AUTH.
    const sa::Ppk& ppk = tunnel.credentials.ppk;
    const bool with_ppk = state.terms.ppk && ppk.configured() &&
                          find_notify(in.payloads, NotifyType::ppk_identity) != nullptr;
    if (ppk.configured() && ppk.required && !with_ppk) {
        return Unexpected{"it does not use the PPK \"" + to_string(ppk.id) +
                          "\", which the tunnel requires: configure it there"};
    }
    if (with_ppk) {
        session.channel->use_ppk(ppk);
    }
    want_crls(context, tunnel, *id, in.payloads);
    auto proved = judge(
        session.channel->suite().prf, tunnel, {*auth, in.payloads},
        {state.init_response, state.nonce_i, session.channel->keys().pr, *id, state.auth_tail},
        context.now.wall);
    if (!proved) {
        return Unexpected{why_not_proved(tunnel, *auth, with_ppk, proved.error())};
    }
    return Responder{*id, {std::move(proved->certificate), with_ppk}};
}

/// Our AUTH; with a PPK (RFC 8784 3) also PPK_IDENTITY and, if we can do without, NO_PPK_AUTH.
Expected<std::vector<Payload>, std::string> our_proofs(Session& session,
                                                       const sa::TunnelRecord& tunnel,
                                                       const Start& start) {
    const sa::Ppk& ppk = tunnel.credentials.ppk;
    const crypto::PrfId prf = session.channel->suite().prf;
    const Secret& plain_key = session.channel->keys().pi;
    if (ppk.configured() && ppk.required && !start.terms.ppk) {
        return Unexpected{std::string(
            "the tunnel requires a PPK, and the peer does not know PPKs (no USE_PPK): configure "
            "one there, or set ppk_required = false")};
    }
    const Bytes tail = auth_tail(start.int_auth, session.window.next_request());
    const auto with_key = [&](const Secret& key) {
        return prove(prf, tunnel, start.terms,
                     {start.init_request, start.nonce_r, key, tunnel.local_id, tail});
    };
    auto proof = with_key(start.terms.ppk ? mixed(prf, ppk, plain_key) : plain_key.clone());
    if (!proof) {
        return Unexpected{proof.error()};
    }
    std::vector<Payload> payloads{{std::move(*proof)}};
    if (start.terms.ppk) {
        payloads.push_back({Notify{{}, {}, NotifyType::ppk_identity, ppk_identity(ppk)}});
        if (!ppk.required) {
            payloads.push_back(
                {Notify{{}, {}, NotifyType::no_ppk_auth, with_key(plain_key).value().data}});
        }
    }
    return payloads;
}

/// RFC 7296 2.21.2: "The initiator MAY, of course, for reasons of policy later delete such an IKE
/// SA": one without a Child SA is of no use to a tunnel.
void give_up_childless(Session& session, Context& context, const std::string& why) {
    report(context, session, EventKind::peer_refused, "no Child SA: " + why);
    std::vector<Write> writes;
    writes.emplace_back(endpoint_of(session));
    informational::send_delete(session, context, std::move(writes));
}

/// The IKE SA is childless, as we asked: the Child SA is next.
void ask_for_child(Session& session, Context& context, const sa::TunnelRecord& tunnel,
                   const AuthSent& state, const Inbound& in) {
    auto assigned = configuration::take_reply(tunnel, in.payloads);
    if (!assigned) {
        return give_up_childless(session, context, assigned.error());
    }
    session.assigned = std::move(*assigned);
    std::vector<Write> writes;
    writes.emplace_back(endpoint_of(session));
    if (state.terminate_wanted) {
        return informational::send_delete(session, context, std::move(writes));
    }
    wish_next(session, task::NewChild{.only_first = true});
    go_on(session, context, std::move(writes), Persist::claim);
}

void take_child(Session& session, Context& context, const sa::TunnelRecord& tunnel,
                const AuthSent& state, const Inbound& in) {
    const auto answer = ChildPayloads::of(in.payloads);
    if (!answer) {
        const Notify* error = first_error(in.payloads);
        return give_up_childless(
            session, context,
            (error != nullptr ? name(error->type) : std::string("no SA or TS payload")) +
                " from the peer; we offered " + describe(sa::esp_suites_of(tunnel)) + " for " +
                describe(configuration::local_selectors(session, tunnel)) + " here and " +
                describe(configuration::remote_selectors(session, tunnel)) + " there");
    }
    auto agreement = check_child(session, tunnel, state.inbound_spi, *answer);
    if (!agreement) {
        return give_up_childless(session, context, agreement.error());
    }
    auto assigned = configuration::take_reply(tunnel, in.payloads);
    if (!assigned) {
        return give_up_childless(session, context, assigned.error());
    }
    if (!configuration::carried_by(agreement->local_ts, *assigned)) {
        return give_up_childless(session, context,
                                 "the peer gives us an address, and its TSi, " +
                                     describe(agreement->local_ts) +
                                     ", has another: compare pool and selectors there");
    }
    session.assigned = std::move(*assigned);
    sa::ChildSaRecord child = make_child(session, context, tunnel, std::move(*agreement),
                                         {{state.nonce_i, state.nonce_r}, true});
    report_child(context, session, child);
    session.in<Established>().children.push_back(without_keys(child));
    std::vector<Write> writes;
    writes.emplace_back(std::move(child));
    writes.emplace_back(endpoint_of(session));
    if (state.terminate_wanted) {
        return informational::send_delete(session, context, std::move(writes));
    }
    writes.emplace_back(claim_of(session, context.config));
    act(session, context, std::move(writes), {});
}

}  // namespace

void start(Session& session, Context& context, Start start) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    check(tunnel != nullptr, "the caller looked the tunnel up");
    // RFC 6023 3: "The initiator MUST NOT send the modified IKE_AUTH request" to a responder that
    // didn't announce it.
    const bool childless = tunnel->childless && start.terms.childless;
    const auto inbound = childless ? std::optional(EspSpi{}) : context.spis.allocate();
    if (!inbound) {
        report(context, session, EventKind::ike_sa_ended,
               "given up: this edge holds no block of SPIs just now");
        return end_now(session, context);
    }
    auto proofs = our_proofs(session, *tunnel, start);
    if (!proofs) {
        report(context, session, EventKind::ike_sa_ended, "given up: " + proofs.error());
        return end_now(session, context);
    }
    std::vector<Payload> payloads{{IdInitiator{tunnel->local_id}}};
    append_certificates(payloads, *tunnel);
    if (context.only_session_of_tunnel) {
        payloads.push_back({Notify{{}, {}, NotifyType::initial_contact, {}}});
    }
    append_to_auth_request(payloads, *tunnel, start.terms);
    if (!is_pattern(tunnel->remote_id)) {
        payloads.push_back({IdResponder{tunnel->remote_id}});
    }
    for (Payload& payload : *proofs) {
        payloads.push_back(std::move(payload));
    }
    configuration::append_request(payloads, *tunnel);
    if (!childless) {
        for (Payload& payload : offer_child(session, *tunnel, *inbound)) {
            payloads.push_back(std::move(payload));
        }
    }
    mobike::append_to_auth_request(payloads, session, context.config, *tunnel);
    become(session, AuthSent{std::move(start.init_response), std::move(start.nonce_i),
                             std::move(start.nonce_r),
                             auth_tail(start.int_auth, session.window.next_request()),
                             std::move(start.terms), *inbound});
    request(session, context, ExchangeType::ike_auth, payloads, {}, Persist::nothing);
}

void on_addresses(Session& session, Context& context, AddressesGiven given) {
    HalfOpen& state = session.in<HalfOpen>();
    const std::shared_ptr<const Inbound> request =
        std::exchange(state.waits_for_addresses, nullptr);
    if (request != nullptr) {
        state.addresses = std::move(given);
        on_request(session, context, *request);
    }
}

void on_request(Session& session, Context& context, const Inbound& in) {
    if (session.in<HalfOpen>().waits_for_addresses != nullptr) {
        return context.drop(DropReason::answer_under_way, in.path.remote);
    }
    // RFC 9242 3.2: these exchanges "MUST all be completed before the IKE_AUTH exchange is
    // initiated": else it would be done with less than was negotiated.
    if (!session.in<HalfOpen>().methods.empty()) {
        return fail_syntax(session, context, in,
                           "comes before the additional key exchanges that were negotiated");
    }
    const auto* id_i = Message::find_in<IdInitiator>(in.payloads);
    const auto* auth = Message::find_in<Authentication>(in.payloads);
    if (id_i == nullptr) {
        return fail_syntax(session, context, in, "lacks IDi");
    }
    if (auth == nullptr) {
        // RFC 7296 2.16: "An initiator indicates a desire to use EAP by leaving out the AUTH
        // payload".
        return fail_authentication(session, context, in,
                                   "the router wants EAP (its IKE_AUTH has no AUTH payload); set "
                                   "it to authenticate with a pre-shared key or a certificate");
    }
    const auto offer = ChildPayloads::of(in.payloads);
    if (!offer && ChildPayloads::any_in(in.payloads)) {
        return fail_syntax(session, context, in, "lacks SA, TSi or TSr");
    }
    if (mobike::nat_prohibited(in)) {
        return fail_nat(session, context, in);
    }
    add_from_auth_request(session.in<HalfOpen>().terms, in.payloads);
    const Claimed claimed{*id_i, Message::find_in<IdResponder>(in.payloads), *auth, in.payloads};
    for (const sa::TunnelRecord* tunnel : context.tunnels.by_address(in.path.remote.address)) {
        want_crls(context, *tunnel, *id_i, in.payloads);
    }
    const auto selected = select_tunnel(session, context, in.path.remote.address, claimed);
    if (!selected) {
        return fail_authentication(session, context, in, selected.error());
    }
    if (configuration::wait_for_addresses(session, context, in, *selected->tunnel, *id_i)) {
        return;
    }
    establish(session, context, in, selected.value(), *id_i, offer);
}

void on_response(Session& session, Context& context, const Inbound& in) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const Notify* error = first_error(in.payloads);
    if (tunnel == nullptr) {
        return reject_responder(session, context, "the tunnel was removed meanwhile");
    }
    if (error != nullptr && Message::find_in<Authentication>(in.payloads) == nullptr) {
        report(context, session, EventKind::peer_refused,
               name(error->type) + " by the peer to IKE_AUTH" +
                   (error->type == NotifyType::authentication_failed
                        ? ": it does not accept our identity " + quoted(tunnel->local_id) + " or " +
                              proof_words(*tunnel) + "; compare both"
                        : ""));
        return end_now(session, context);
    }
    const auto responder = judge_responder(session, context, *tunnel, in);
    if (!responder) {
        return reject_responder(session, context, responder.error());
    }
    const AuthSent state = std::move(session.in<AuthSent>());
    become(session, Established{responder->id, {}, context.now.wall});
    mobike::read_auth_response(session, *tunnel, in.payloads);
    const bool childless = state.inbound_spi == EspSpi{};
    report_established(session, context, responder->id, responder->assurance,
                       childless ? FirstChild::later : FirstChild::asked_for);
    // RFC 5685 6: the client, having verified the gateway's AUTH, "SHOULD delete the IKEv2 security
    // association with the gateway".
    if (redirect::follow(session, context, in.payloads)) {
        std::vector<Write> writes;
        writes.emplace_back(endpoint_of(session));
        return informational::send_delete(session, context, std::move(writes));
    }
    if (childless) {
        return ask_for_child(session, context, *tunnel, state, in);
    }
    take_child(session, context, *tunnel, state, in);
}

}  // namespace anyswan::ike::auth
