// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH (RFC 7296 1.2, 2.15): identities, proof of the pre-shared key, the first Child SA. Both
// roles.
//
//   HDR, SK {IDi, [N(INITIAL_CONTACT)], IDr, AUTH, SAi2, TSi, TSr}  -->
//                                           <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
#include <algorithm>

#include "core/ike/child.h"
#include "core/ike/exchange/exchange.h"
#include "core/ike/negotiate.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

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

/// What one side's AUTH covers (RFC 7296 2.15): its own first message, the other's nonce and its
/// own identity.
struct Signer {
    ByteView first_message;
    ByteView other_nonce;
    const Secret& sk_p;
    const Identification& id;
};

Secret auth_value(const Channel& channel, const Secret& psk, const Signer& signer) {
    const crypto::PrfId prf = channel.suite().prf;
    return psk_auth(prf, psk.reveal(),
                    auth_octets(prf, signer.first_message, signer.other_nonce, signer.sk_p.reveal(),
                                signer.id.rest_of_payload()));
}

bool verify(const Channel& channel, const Secret& psk, const Signer& signer,
            const Authentication& auth) {
    return auth.method == AuthMethod::shared_key_mic && !psk.empty() &&
           constant_time_equal(auth.data, auth_value(channel, psk, signer).reveal());
}

Payload our_auth(const Channel& channel, const Secret& psk, const Signer& signer) {
    return {Authentication{AuthMethod::shared_key_mic,
                           to_bytes(auth_value(channel, psk, signer).reveal())}};
}

std::string quoted(const Identification& id) {
    return "\"" + id.to_string() + "\" (" + name(id.type) + ")";
}

void report_established(Session& session, Context& context, const Identification& peer_id) {
    const NatStatus& nat = session.nat;
    report(context, session, EventKind::ike_sa_established,
           std::string("IKE SA established with ") + peer_id.to_string() + ", " +
               crypto::to_string(session.channel->suite()) +
               (nat.peer_is_behind ? ", the peer is behind a NAT" : "") +
               (nat.we_are_behind ? ", we are behind a NAT" : ""));
}

// Responder.

struct Claimed {
    const IdInitiator* id_i = nullptr;
    const IdResponder* id_r = nullptr;
    const Authentication* auth = nullptr;
};

using Tunnels = std::vector<const sa::TunnelRecord*>;

std::string expected_ids(const Tunnels& tunnels) {
    constexpr std::size_t named_max = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(tunnels.size(), named_max); ++i) {
        text += (text.empty() ? "" : ", ") + quoted(tunnels[i]->remote_id) + " for tunnel " +
                tunnels[i]->id.to_string();
    }
    return text + (tunnels.size() > named_max ? ", ..." : "");
}

/// Why authentication failed: the wire says the same in every case, the operator gets this.
std::string why_no_tunnel(const Session& session, const Tunnels& of_address,
                          const Claimed& claimed) {
    if (of_address.empty()) {
        return "no tunnel allows the address " + session.path.remote.address.to_string() +
               " any more; add it to the tunnel's remote addresses";
    }
    const Identification& id = *claimed.id_i;
    const sa::TunnelRecord* same_id = nullptr;
    for (const sa::TunnelRecord* tunnel : of_address) {
        if (tunnel->remote_id == id) {
            same_id = tunnel;
            if (claimed.id_r != nullptr && tunnel->local_id != *claimed.id_r) {
                return "the router asks for our identity " + quoted(*claimed.id_r) + "; tunnel " +
                       tunnel->id.to_string() + " has " + quoted(tunnel->local_id) +
                       ": set the router's remote identity to that";
            }
        }
    }
    if (same_id != nullptr) {
        return "tunnel " + same_id->id.to_string() + " does not accept " +
               crypto::to_string(session.channel->suite()) +
               ", which other tunnels of this address made us choose; give tunnels that share an "
               "address the same IKE suites";
    }
    return "the router calls itself " + quoted(id) + "; expected " + expected_ids(of_address) +
           ": set the router's local identity to that, or the tunnel's remote id to the router's";
}

std::string why_bad_auth(const sa::TunnelRecord& tunnel, const Claimed& claimed) {
    if (claimed.auth->method != AuthMethod::shared_key_mic) {
        return "the router authenticates with " + name(claimed.auth->method) + "; tunnel " +
               tunnel.id.to_string() + " needs a pre-shared key: set the router to that";
    }
    return "identity " + quoted(*claimed.id_i) + " is right for tunnel " + tunnel.id.to_string() +
           ", the pre-shared key differs: set the same key on the router and on the tunnel";
}

Tunnels matching(const Session& session, const Tunnels& of_address, const Claimed& claimed) {
    Tunnels found;
    for (const sa::TunnelRecord* tunnel : of_address) {
        const auto& suites = tunnel->ike_suites;
        const bool suite =
            std::find(suites.begin(), suites.end(), session.channel->suite()) != suites.end();
        // RFC 7296 3.5 leaves matching to policy; ours is equality of type and data.
        if (suite && tunnel->remote_id == *claimed.id_i &&
            (claimed.id_r == nullptr || tunnel->local_id == *claimed.id_r)) {
            found.push_back(tunnel);
        }
    }
    return found;
}

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

/// The tunnel whose identities match and whose key proves right, else the words why none does.
Expected<const sa::TunnelRecord*, std::string> authenticate(Session& session, Context& context,
                                                            const Inbound& in,
                                                            const Claimed& claimed) {
    const HalfOpen& state = session.in<HalfOpen>();
    const Tunnels of_address = context.tunnels.by_address(in.path.remote.address);
    const Tunnels candidates = matching(session, of_address, claimed);
    if (candidates.empty()) {
        return Unexpected{why_no_tunnel(session, of_address, claimed)};
    }
    const Signer peer{state.init_request, state.nonce_r, session.channel->keys().pi, *claimed.id_i};
    for (const sa::TunnelRecord* tunnel : candidates) {
        if (verify(*session.channel, tunnel->psk, peer, *claimed.auth)) {
            return tunnel;
        }
    }
    return Unexpected{why_bad_auth(*candidates.front(), claimed)};
}

/// The response's payloads about the Child SA, and its record if it was made.
struct ChildOutcome {
    std::vector<Payload> payloads;
    std::optional<sa::ChildSaRecord> record;
};

ChildOutcome make_first_child(Session& session, Context& context, const sa::TunnelRecord& tunnel,
                              const HalfOpen& state, const ChildPayloads& offer) {
    auto accepted = accept_child(context, tunnel, offer);
    if (!accepted) {
        // RFC 7296 1.2: "If creating the Child SA during the IKE_AUTH exchange fails for some
        // reason, the IKE SA is still created as usual."
        const ChildRefusal& refusal = accepted.error();
        report(context, session, EventKind::we_refused,
               name(refusal.notify) + " to " + session.path.remote.address.to_string() + ": " +
                   refusal.why);
        return {{{Notify{{}, {}, refusal.notify, {}}}}, std::nullopt};
    }
    return {std::move(accepted->payloads),
            make_child(session, context, tunnel, std::move(accepted->agreement),
                       {{state.nonce_i, state.nonce_r}, false})};
}

void establish(Session& session, Context& context, const Inbound& in,
               const sa::TunnelRecord& tunnel, const ChildPayloads& offer) {
    const HalfOpen state = std::move(session.in<HalfOpen>());
    session.tunnel = tunnel.id;
    // The initiator may have moved to port 4500; from here on that is where it is.
    session.path = in.path;
    if (find_notify(in.payloads, NotifyType::initial_contact) != nullptr) {
        context.initial_contact = InitialContact{tunnel.id, tunnel.remote_id};
    }
    std::vector<Payload> payloads{{IdResponder{tunnel.local_id}},
                                  our_auth(*session.channel, tunnel.psk,
                                           {state.init_response, state.nonce_i,
                                            session.channel->keys().pr, tunnel.local_id})};
    become(session, Established{tunnel.remote_id, {}, context.now.wall});
    report_established(session, context, tunnel.remote_id);
    ChildOutcome child = make_first_child(session, context, tunnel, state, offer);
    std::vector<Write> writes;
    if (child.record) {
        report_child(context, session, *child.record);
        session.in<Established>().children.push_back(without_keys(*child.record));
        writes.emplace_back(std::move(*child.record));
    }
    for (Payload& payload : child.payloads) {
        payloads.push_back(std::move(payload));
    }
    writes.emplace_back(endpoint_of(session));
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
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

const Notify* first_error(const std::vector<Payload>& payloads) {
    for (const Payload& payload : payloads) {
        const auto* notify = std::get_if<Notify>(&payload.body);
        if (notify != nullptr && is_error(notify->type)) {
            return notify;
        }
    }
    return nullptr;
}

/// Why the responder isn't who it should be; nothing if it is.
std::optional<std::string> judge_responder(Session& session, const sa::TunnelRecord& tunnel,
                                           const Inbound& in) {
    const AuthSent& state = session.in<AuthSent>();
    const auto* id = Message::find_in<IdResponder>(in.payloads);
    const auto* auth = Message::find_in<Authentication>(in.payloads);
    if (id == nullptr || auth == nullptr) {
        return "its IKE_AUTH response lacks IDr or AUTH";
    }
    if (tunnel.remote_id != *id) {
        return "it calls itself " + quoted(*id) + "; the tunnel expects " +
               quoted(tunnel.remote_id);
    }
    const Signer peer{state.init_response, state.nonce_i, session.channel->keys().pr, *id};
    if (auth->method != AuthMethod::shared_key_mic) {
        return "it authenticates with " + name(auth->method) + " instead of a pre-shared key";
    }
    if (!verify(*session.channel, tunnel.psk, peer, *auth)) {
        return "its identity is right, the pre-shared key differs: set the same key on both sides";
    }
    return std::nullopt;
}

/// RFC 7296 2.21.2: "The initiator MAY, of course, for reasons of policy later delete such an IKE
/// SA": one without a Child SA is of no use to a tunnel.
void give_up_childless(Session& session, Context& context, const std::string& why) {
    report(context, session, EventKind::peer_refused, "no Child SA: " + why);
    std::vector<Write> writes;
    writes.emplace_back(endpoint_of(session));
    informational::send_delete(session, context, std::move(writes));
}

void take_child(Session& session, Context& context, const sa::TunnelRecord& tunnel,
                const AuthSent& state, const Inbound& in) {
    const auto answer = ChildPayloads::of(in.payloads);
    if (!answer) {
        const Notify* error = first_error(in.payloads);
        return give_up_childless(
            session, context,
            (error != nullptr ? name(error->type) : std::string("no SA or TS payload")) +
                " from the peer; we offered " + describe(tunnel.esp_suites) + " for " +
                describe(selectors_of(tunnel.local_prefixes)) + " here and " +
                describe(selectors_of(tunnel.remote_prefixes)) + " there");
    }
    auto agreement = check_child(tunnel, state.inbound_spi, *answer);
    if (!agreement) {
        return give_up_childless(session, context, agreement.error());
    }
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
    const auto inbound = context.spis.allocate();
    if (!inbound) {
        report(context, session, EventKind::ike_sa_ended,
               "given up: this edge holds no block of SPIs just now");
        return end_now(session, context);
    }
    const Signer us{start.init_request, start.nonce_r, session.channel->keys().pi,
                    tunnel->local_id};
    std::vector<Payload> payloads{{IdInitiator{tunnel->local_id}}};
    if (context.only_session_of_tunnel) {
        payloads.push_back({Notify{{}, {}, NotifyType::initial_contact, {}}});
    }
    payloads.push_back({IdResponder{tunnel->remote_id}});
    payloads.push_back(our_auth(*session.channel, tunnel->psk, us));
    for (Payload& payload : offer_child(*tunnel, *inbound)) {
        payloads.push_back(std::move(payload));
    }
    become(session, AuthSent{std::move(start.init_response), std::move(start.nonce_i),
                             std::move(start.nonce_r), *inbound});
    request(session, context, ExchangeType::ike_auth, payloads, {}, Persist::nothing);
}

void on_request(Session& session, Context& context, const Inbound& in) {
    const Claimed claimed{Message::find_in<IdInitiator>(in.payloads),
                          Message::find_in<IdResponder>(in.payloads),
                          Message::find_in<Authentication>(in.payloads)};
    if (claimed.id_i == nullptr) {
        return fail_syntax(session, context, in, "lacks IDi");
    }
    if (claimed.auth == nullptr) {
        // RFC 7296 2.16: "An initiator indicates a desire to use EAP by leaving out the AUTH
        // payload".
        return fail_authentication(session, context, in,
                                   "the router wants EAP (its IKE_AUTH has no AUTH payload); set "
                                   "it to authenticate with a pre-shared key");
    }
    const auto offer = ChildPayloads::of(in.payloads);
    if (!offer) {
        return fail_syntax(session, context, in, "lacks SA, TSi or TSr");
    }
    const auto tunnel = authenticate(session, context, in, claimed);
    if (!tunnel) {
        return fail_authentication(session, context, in, tunnel.error());
    }
    establish(session, context, in, **tunnel, *offer);
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
                        ? ": it does not accept our identity " + quoted(tunnel->local_id) +
                              " or the pre-shared key; compare both"
                        : ""));
        return end_now(session, context);
    }
    if (const auto why = judge_responder(session, *tunnel, in)) {
        return reject_responder(session, context, *why);
    }
    const AuthSent state = std::move(session.in<AuthSent>());
    become(session, Established{tunnel->remote_id, {}, context.now.wall});
    report_established(session, context, tunnel->remote_id);
    take_child(session, context, *tunnel, state, in);
}

}  // namespace anyswan::ike::auth
