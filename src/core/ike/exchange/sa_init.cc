// SPDX-License-Identifier: Apache-2.0
// IKE_SA_INIT (RFC 7296 1.2): algorithms, key exchange, nonces, NAT detection. Both roles.
//
//   HDR, [N(COOKIE)], SAi1, KEi, Ni, N(NAT_DETECTION_*), N(IKEV2_FRAGMENTATION_SUPPORTED)  -->
//                                   <--  HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*), N(...)
#include <algorithm>

#include "core/ike/auth/proof.h"
#include "core/ike/exchange/redirect.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/report.h"
#include "core/sa/weak.h"

namespace anyswan::ike::sa_init {

using crypto::IkeSuite;
using crypto::KeMethod;
using wire::ike::ExchangeType;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

Announce announce_of(const sa::TunnelRecord& tunnel) {
    return tunnel.nat_traversal == sa::NatTraversal::force ? Announce::behind_nat : Announce::truth;
}

void append_fragmentation(std::vector<Payload>& payloads) {
    payloads.push_back({Notify{{}, {}, NotifyType::ikev2_fragmentation_supported, {}}});
}

/// RFC 9242 3.1: both sides say so; only an additional key exchange needs it.
void append_intermediate(std::vector<Payload>& payloads) {
    payloads.push_back({Notify{{}, {}, NotifyType::intermediate_exchange_supported, {}}});
}

bool supports_intermediate(const std::vector<Payload>& payloads) {
    return find_notify(payloads, NotifyType::intermediate_exchange_supported) != nullptr;
}

bool has_additional(const IkeSuite& suite) {
    return suite.additional != crypto::AdditionalKe{};
}

Channel make_channel(const Session& session, const IkeSuite& suite, NoncePair nonces,
                     const Secret& shared) {
    const Secret seed = skeyseed(suite.prf, nonces, shared.reveal());
    // The first owner's epoch: each takeover adds one.
    return Channel({suite, derive_ike_keys(suite, seed.reveal(), nonces, session.spis()),
                    session.we_initiated, Epoch(1), 0});
}

// Responder.

std::string tunnels_hint(const std::vector<const sa::TunnelRecord*>& tunnels) {
    return tunnels.empty() ? "no tunnel allows this address: add it to a tunnel's remote addresses"
                           : describe_accepted(tunnels);
}

/// The suite for a peer whose tunnel isn't known yet: of those it offers, the one that most tunnels
/// of its address accept, so that its identity is least likely to name one that doesn't; among
/// equals our order of preference.
std::optional<Chosen<IkeSuite>> choose_for(const std::vector<const sa::TunnelRecord*>& tunnels,
                                           const wire::ike::SecurityAssociation& offered) {
    struct Candidate {
        IkeSuite suite;
        std::size_t tunnels = 0;
    };
    std::vector<Candidate> candidates;
    for (const sa::TunnelRecord* tunnel : tunnels) {
        for (const IkeSuite& suite : sa::ike_suites_of(*tunnel)) {
            const auto known =
                std::find_if(candidates.begin(), candidates.end(),
                             [&suite](const Candidate& other) { return other.suite == suite; });
            if (known != candidates.end()) {
                ++known->tunnels;
            } else {
                candidates.push_back({suite, 1});
            }
        }
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.tunnels > b.tunnels; });
    std::vector<IkeSuite> preferred;
    preferred.reserve(candidates.size());
    for (const Candidate& candidate : candidates) {
        preferred.push_back(candidate.suite);
    }
    return choose(preferred, offered);
}

/// The proposals that can be accepted at all. RFC 7296 3.3.1: "For an initial IKE SA negotiation,
/// this field [SPI Size] MUST be zero".
wire::ike::SecurityAssociation acceptable(const std::vector<Payload>& payloads,
                                          const wire::ike::SecurityAssociation& offered) {
    auto rest = supports_intermediate(payloads) ? offered : without_additional(offered);
    std::erase_if(rest.proposals, [](const auto& proposal) { return !proposal.spi.empty(); });
    return rest;
}

void refuse_proposals(Context& context, Front& front, const Arrival& arrival,
                      const wire::ike::SecurityAssociation& offered,
                      const std::vector<const sa::TunnelRecord*>& tunnels) {
    const Endpoint& remote = arrival.path.remote;
    context.drop(DropReason::init_refused, remote, "NO_PROPOSAL_CHOSEN");
    if (front.refuse(context, arrival.path, arrival.view.header,
                     {{}, {}, NotifyType::no_proposal_chosen, {}})) {
        report(context, remote, arrival.view.header.initiator_spi, EventKind::we_refused,
               "NO_PROPOSAL_CHOSEN to " + remote.address.to_string() + ": offered " +
                   describe(offered) + "; " + tunnels_hint(tunnels));
    }
}

void refuse_group(Context& context, Front& front, const Arrival& arrival, KeMethod sent,
                  const IkeSuite& suite) {
    // RFC 7296 1.2: "If the initiator guesses wrong, the responder will respond with a Notify
    // payload of type INVALID_KE_PAYLOAD indicating the selected group"; 1.3: "There are two octets
    // of data ...: the accepted Diffie-Hellman group number in big endian order."
    context.drop(DropReason::init_refused, arrival.path.remote,
                 "INVALID_KE_PAYLOAD: sent " + name(sent) + ", chosen " + name(suite.ke));
    Writer group;
    group.u16(static_cast<std::uint16_t>(suite.ke));
    front.refuse(context, arrival.path, arrival.view.header,
                 {{}, {}, NotifyType::invalid_ke_payload, std::move(group).take()});
}

Announce announce_to(const std::vector<const sa::TunnelRecord*>& tunnels) {
    const bool force =
        std::any_of(tunnels.begin(), tunnels.end(), [](const sa::TunnelRecord* tunnel) {
            return tunnel->nat_traversal == sa::NatTraversal::force;
        });
    return force ? Announce::behind_nat : Announce::truth;
}

/// Builds the answer from what was chosen; fills in what the session learned from the request.
Bytes build_response(Session& session, const Message& request, const IkeSuite& suite,
                     const std::vector<const sa::TunnelRecord*>& tunnels,
                     std::vector<Payload> payloads) {
    const Announce announce = announce_to(tunnels);
    const SpiPair request_spis{session.peer_spi, IkeSpi(0)};
    session.nat = detect_nat(request.payloads, request_spis, session.path, announce);
    if (session.nat.peer_supports) {
        append_nat_detection(payloads, session.spis(), session.path, announce);
    }
    // RFC 7383 2.3: the responder includes it only if the request did.
    if (find_notify(request.payloads, NotifyType::ikev2_fragmentation_supported) != nullptr) {
        session.fragmentation = Fragmentation::supported;
        append_fragmentation(payloads);
    }
    if (has_additional(suite)) {
        append_intermediate(payloads);
    }
    // RFC 6023 3: who says so in its response "MUST" accept an IKE_AUTH request without a Child SA.
    payloads.push_back({Notify{{}, {}, NotifyType::childless_ikev2_supported, {}}});
    auth::append_to_init_response(payloads, request.payloads, tunnels);
    Message response;
    response.header = request.header;
    response.header.responder_spi = session.our_spi;
    response.header.from_initiator = false;
    response.header.higher_version = false;
    response.header.minor_version = 0;
    response.header.response = true;
    response.payloads = std::move(payloads);
    return response.emit();
}

// Initiator.

Bytes build_request(const Session& session, const InitSent& state, const sa::TunnelRecord& tunnel) {
    Message request;
    request.header.initiator_spi = session.our_spi;
    request.header.exchange = ExchangeType::ike_sa_init;
    request.header.from_initiator = true;
    // RFC 7296 2.6: "include the COOKIE notification containing the received data as the first
    // payload, and all other payloads unchanged".
    if (!state.cookie.empty()) {
        request.payloads.push_back({Notify{{}, {}, NotifyType::cookie, state.cookie}});
    }
    const std::vector<IkeSuite> suites = sa::ike_suites_of(tunnel);
    request.payloads.push_back({offer(suites)});
    request.payloads.push_back(
        {KeyExchange{state.method, to_bytes(state.key_exchange->public_value())}});
    request.payloads.push_back({Nonce{state.nonce}});
    append_nat_detection(request.payloads, {session.our_spi, IkeSpi(0)}, session.path,
                         announce_of(tunnel));
    append_fragmentation(request.payloads);
    if (std::any_of(suites.begin(), suites.end(), has_additional)) {
        append_intermediate(request.payloads);
    }
    auth::append_to_init_request(request.payloads, tunnel);
    redirect::append_to_init_request(request.payloads, tunnel, state.redirected_from);
    return request.emit();
}

void send_request(Session& session, Context& context, const sa::TunnelRecord& tunnel) {
    InitSent& state = session.in<InitSent>();
    state.request = build_request(session, state, tunnel);
    request_plain(session, context, state.request);
}

/// The configured tunnel may be gone since Initiate.
const sa::TunnelRecord* tunnel_of(Session& session, Context& context) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    if (tunnel == nullptr) {
        report(context, session, EventKind::ike_sa_ended, "the tunnel was removed");
        end_now(session, context);
    }
    return tunnel;
}

bool offered(const sa::TunnelRecord& tunnel, KeMethod method) {
    const std::vector<IkeSuite> suites = sa::ike_suites_of(tunnel);
    return std::any_of(suites.begin(), suites.end(),
                       [method](const IkeSuite& suite) { return suite.ke == method; });
}

/// COOKIE and INVALID_KE_PAYLOAD: "corrective actions are defined in this specification"
/// (RFC 7296 2.21.1). Both unauthenticated, therefore bounded.
void restart(Session& session, Context& context, const Arrival& arrival, const Notify& notify) {
    InitSent& state = session.in<InitSent>();
    const Endpoint& remote = arrival.path.remote;
    if (state.restarts >= init_restarts_max) {
        return context.drop(DropReason::too_many_restarts, remote, name(notify.type));
    }
    const sa::TunnelRecord* tunnel = tunnel_of(session, context);
    if (tunnel == nullptr) {
        return;
    }
    if (notify.type == NotifyType::cookie) {
        if (notify.data.empty() || notify.data.size() > cookie_size_max) {
            return context.drop(DropReason::bad_init_response, remote, "COOKIE size");
        }
        state.cookie = notify.data;
    } else {
        // RFC 7296 1.2: "the initiator MUST retry the IKE_SA_INIT with the corrected
        // Diffie-Hellman group. The initiator MUST again propose its full set of acceptable
        // cryptographic suites because the rejection message was unauthenticated". A group that we
        // didn't offer would be a downgrade, the one that we sent a loop.
        const auto method =
            notify.data.size() == 2 ? static_cast<KeMethod>(load_u16(notify.data)) : KeMethod::none;
        if (method == state.method || !offered(*tunnel, method)) {
            return context.drop(DropReason::bad_init_response, remote,
                                "INVALID_KE_PAYLOAD asks for " + name(method));
        }
        auto fresh = crypto::KeyExchange::generate(method, context.random);
        check(fresh.has_value(), "an offered key exchange can be generated");
        state.key_exchange = std::move(*fresh);
        state.method = method;
    }
    ++state.restarts;
    session.window.restart();
    send_request(session, context, *tunnel);
}

/// RFC 7296 2.21.1: "Because all error notifications are completely unauthenticated, the recipient
/// should continue trying for some time before giving up." We tell the operator once, and go on.
void note_refusal(Session& session, Context& context, const Arrival& arrival,
                  const Notify& notify) {
    InitSent& state = session.in<InitSent>();
    context.drop(DropReason::unauthenticated_refusal, arrival.path.remote, name(notify.type));
    if (state.refusal == notify.type) {
        return;
    }
    state.refusal = notify.type;
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    std::string text = name(notify.type) + " by the peer to IKE_SA_INIT; still trying";
    if (notify.type == NotifyType::no_proposal_chosen && tunnel != nullptr) {
        text += "; we offered " + describe(sa::ike_suites_of(*tunnel));
    }
    report(context, session, EventKind::peer_refused, text);
}

struct Completed {
    IkeSuite suite;
    Secret shared;
    Bytes nonce_r;
};

/// Checks a full response against what we asked; the reason if it doesn't fit. Such a response may
/// be forged, so that it ends nothing.
Expected<Completed, std::string> complete(const InitSent& state, const sa::TunnelRecord& tunnel,
                                          const Message& response) {
    const auto found = InitPayloads::of(response);
    if (!found || response.header.responder_spi == IkeSpi(0)) {
        return Unexpected{std::string("SA, KE, Nonce or responder SPI missing, or twice")};
    }
    const auto suite = accepted(sa::ike_suites_of(tunnel), *found->sa);
    if (!suite) {
        return Unexpected{"chose " + describe(*found->sa) + ", which we did not offer"};
    }
    if (has_additional(*suite) && !supports_intermediate(response.payloads)) {
        return Unexpected{std::string("additional key exchanges without IKE_INTERMEDIATE")};
    }
    if (suite->ke != state.method || found->ke->method != state.method) {
        return Unexpected{"key exchange is not " + name(state.method)};
    }
    auto shared = state.key_exchange->shared_secret(found->ke->data);
    if (!shared) {
        return Unexpected{std::string("KE: ") + crypto::name(shared.error())};
    }
    return Completed{*suite, std::move(*shared), found->nonce->data};
}

void go_on(Session& session, Context& context, const Message& response, const Arrival& arrival,
           const sa::TunnelRecord& tunnel, Completed completed) {
    InitSent state = std::move(session.in<InitSent>());
    session.peer_spi = response.header.responder_spi;
    session.nat = detect_nat(response.payloads, session.spis(), session.path, announce_of(tunnel));
    // RFC 7296 2.23: the initiator "if they do not match the addresses in the outer packet, MUST
    // tunnel all future IKE and ESP packets associated with this IKE SA over UDP port 4500."
    // RFC 4555 3.3: those who know MOBIKE too "MUST change to port 4500 if the correspondent also
    // supports both, even if no NAT was detected".
    if (session.nat.udp_encapsulation || (tunnel.mobike && session.nat.peer_supports)) {
        session.path = moved_to_nat_port(session.path);
    }
    if (find_notify(response.payloads, NotifyType::ikev2_fragmentation_supported) != nullptr) {
        session.fragmentation = Fragmentation::supported;
    }
    session.channel.emplace(
        make_channel(session, completed.suite, {state.nonce, completed.nonce_r}, completed.shared));
    session.window.completed();
    intermediate::start(session, context,
                        {to_bytes(arrival.bytes), std::move(state.nonce),
                         std::move(completed.nonce_r), std::move(state.request),
                         auth::terms_of(response.payloads, tunnel.credentials.ppk.configured())});
}

}  // namespace

std::unique_ptr<Session> accept(Context& context, Front& front, const Arrival& arrival,
                                const Message& message, IkeSpi our_spi) {
    const InitPayloads in = *InitPayloads::of(message);
    const auto tunnels = context.tunnels.by_address(arrival.path.remote.address);
    const auto chosen = choose_for(tunnels, acceptable(message.payloads, *in.sa));
    if (!chosen) {
        refuse_proposals(context, front, arrival, *in.sa, tunnels);
        return nullptr;
    }
    if (in.ke->method != chosen->suite.ke) {
        refuse_group(context, front, arrival, in.ke->method, chosen->suite);
        return nullptr;
    }
    const auto agreed = crypto::KeyExchange::respond(chosen->suite.ke, in.ke->data, context.random);
    if (!agreed) {
        context.drop(DropReason::bad_key_exchange, arrival.path.remote, name(in.ke->method));
        front.refuse(context, arrival.path, message.header,
                     {{}, {}, NotifyType::invalid_syntax, {}});
        return nullptr;
    }
    auto session = std::make_unique<Session>();
    session->our_spi = our_spi;
    session->origin = our_spi;
    session->peer_spi = message.header.initiator_spi;
    session->path = arrival.path;
    session->redirect_supported = redirect::supported(message.payloads);
    Bytes nonce = context.random.bytes(our_nonce_size);
    Bytes response = build_response(*session, message, chosen->suite, tunnels,
                                    {{wire::ike::SecurityAssociation{{chosen->proposal}}},
                                     {KeyExchange{chosen->suite.ke, agreed->public_value}},
                                     {Nonce{nonce}}});
    session->channel.emplace(
        make_channel(*session, chosen->suite, {in.nonce->data, nonce}, agreed->shared_secret));
    session->window.answered({MessageId(0), {response}});
    session->state = HalfOpen{to_bytes(arrival.bytes),
                              response,
                              in.nonce->data,
                              std::move(nonce),
                              auth::terms_of(message.payloads, auth::knows_ppk(tunnels)),
                              context.now.instant + context.config.half_open_timeout,
                              crypto::additional_of(chosen->suite.additional)};
    act(*session, context, {}, {std::move(response)});
    return session;
}

std::unique_ptr<Session> start(Context& context, const Initiate& input, IkeSpi our_spi) {
    auto session = std::make_unique<Session>();
    session->our_spi = our_spi;
    session->origin = our_spi;
    session->we_initiated = true;
    session->origin_initiated = true;
    session->path = {input.local, input.remote};
    session->tunnel = input.tunnel;
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(input.tunnel);
    const std::vector<IkeSuite> suites =
        tunnel != nullptr ? sa::ike_suites_of(*tunnel) : std::vector<IkeSuite>{};
    if (suites.empty() || !auth::complete(*tunnel) ||
        (tunnel->local_prefixes.empty() && tunnel->addressing.request.empty()) ||
        tunnel->remote_prefixes.empty() || sa::esp_suites_of(*tunnel).empty()) {
        report(context, *session, EventKind::ike_sa_ended,
               tunnel == nullptr
                   ? "no such tunnel"
                   : "the tunnel can't be initiated: it needs a pre-shared key or "
                     "certificates, suites for IKE and ESP, and prefixes on both sides");
        return nullptr;
    }
    auto key_exchange = crypto::KeyExchange::generate(suites.front().ke, context.random);
    check(key_exchange.has_value(), "a supported key exchange can be generated");
    session->state = InitSent{context.random.bytes(our_nonce_size),
                              std::move(*key_exchange),
                              suites.front().ke,
                              {},
                              {},
                              0,
                              std::nullopt,
                              input.redirected_from};
    send_request(*session, context, *tunnel);
    return session;
}

void on_response(Session& session, Context& context, const Arrival& arrival) {
    const Endpoint& remote = arrival.path.remote;
    const wire::ike::Header& header = arrival.view.header;
    const auto response = Message::parse(arrival.bytes);
    if (!response || header.from_initiator || header.message_id != MessageId(0)) {
        return context.drop(DropReason::bad_init_response, remote,
                            response ? "header" : name(response.error()));
    }
    // RFC 7296 2.5: a message with an unknown critical payload "MUST be rejected".
    if (unknown_critical(response->payloads)) {
        return context.drop(DropReason::bad_init_response, remote, "critical payload");
    }
    for (const NotifyType type : {NotifyType::cookie, NotifyType::invalid_ke_payload}) {
        if (const Notify* notify = find_notify(response->payloads, type)) {
            return restart(session, context, arrival, *notify);
        }
    }
    if (const Notify* notify = find_notify(response->payloads, NotifyType::redirect)) {
        return redirect::on_init_response(session, context, arrival, *notify);
    }
    if (const Notify* notify = first_error(response->payloads)) {
        return note_refusal(session, context, arrival, *notify);
    }
    const sa::TunnelRecord* tunnel = tunnel_of(session, context);
    if (tunnel == nullptr) {
        return;
    }
    auto completed = complete(session.in<InitSent>(), *tunnel, *response);
    if (!completed) {
        return context.drop(DropReason::bad_init_response, remote, completed.error());
    }
    go_on(session, context, *response, arrival, *tunnel, std::move(*completed));
}

}  // namespace anyswan::ike::sa_init
