// SPDX-License-Identifier: Apache-2.0
// Dispatch and the common steps of every exchange.
#include "core/ike/session.h"

#include <algorithm>
#include <set>

#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

using wire::ike::ExchangeType;
using wire::ike::Header;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::PayloadType;

namespace {

DropReason drop_reason(OpenError error) {
    switch (error) {
        case OpenError::no_encrypted_payload:
            return DropReason::unprotected;
        case OpenError::bad_icv:
            return DropReason::bad_icv;
        case OpenError::refused_fragment:
            return DropReason::refused_fragment;
        default:
            return DropReason::malformed_encrypted;
    }
}

/// The integrity check passed, what was inside makes no sense: the peer itself is wrong.
bool authentic_but_malformed(OpenError error) {
    return error == OpenError::bad_inner_chain || error == OpenError::bad_padding;
}

void send_on(const Path& path, const std::vector<Bytes>& datagrams, std::vector<Datagram>& out) {
    for (const Bytes& datagram : datagrams) {
        out.push_back({path.local, path.remote, datagram});
    }
}

/// A request that was answered already: "the responder MUST ignore the retransmitted request except
/// insofar as it causes a retransmission of the response" (RFC 7296 2.1). Only an authentic one
/// does: nobody else makes us send.
void repeat_response(Session& session, Context& context, const Arrival& arrival) {
    auto* half_open = std::get_if<HalfOpen>(&session.state);
    Channel& channel =
        half_open != nullptr && half_open->before ? *half_open->before : *session.channel;
    const auto fragment = channel.verify(arrival.view, arrival.bytes);
    if (!fragment && !authentic_but_malformed(fragment.error())) {
        return context.drop(drop_reason(fragment.error()), arrival.path.remote);
    }
    // RFC 7383 2.6.1: "that event MUST only trigger a retransmission of the response message ... if
    // the Fragment Number field in the received fragment is set to 1; otherwise, it MUST be
    // ignored."
    if (fragment && *fragment != 1) {
        return context.drop(DropReason::retransmitted_fragment, arrival.path.remote);
    }
    if (session.window.last_response().empty()) {
        return context.drop(DropReason::response_lost, arrival.path.remote);
    }
    Action action{session.our_spi, {}, {}};
    send_on(arrival.path, session.window.last_response(), action.send);
    context.out.actions.push_back(std::move(action));
}

/// RFC 7296 2.5: "If the critical flag is set and the payload type is unrecognized, the message
/// MUST be rejected and the response ... MUST include a Notify payload UNSUPPORTED_CRITICAL_PAYLOAD
/// ... the Notification Data contains the one-octet payload type."
void refuse_critical(Session& session, Context& context, const Inbound& in, PayloadType type) {
    report(context, session, EventKind::we_refused,
           "UNSUPPORTED_CRITICAL_PAYLOAD: " + name(in.header.exchange) +
               " request has a critical payload of unknown type " + name(type));
    const Bytes data{static_cast<std::uint8_t>(type)};
    // The store never heard of a session that isn't established.
    Persist persist = established(session) != nullptr ? Persist::claim : Persist::nothing;
    if (session.is<HalfOpen>()) {
        persist = end(session, context).persist;
    }
    respond(session, context, in,
            {{Notify{{}, {}, NotifyType::unsupported_critical_payload, data}}}, {}, persist);
}

Inbound inbound_of(const Arrival& arrival, OpenedChain chain) {
    Inbound in{arrival.path, arrival.view.header, {}};
    if (in.header.exchange == ExchangeType::ike_intermediate) {
        in.int_auth_octets = int_auth_octets(chain);
    }
    in.payloads = std::move(chain.payloads);
    return in;
}

void dispatch_request(Session& session, Context& context, const Inbound& in) {
    if (const auto type = unknown_critical(in.payloads)) {
        return refuse_critical(session, context, in, *type);
    }
    if (const auto type = repeated(in.payloads)) {
        return refuse_syntax(session, context, in, "has two payloads " + name(*type));
    }
    const bool established = session.is<Established>() || session.is<Deleting>();
    switch (in.header.exchange) {
        case ExchangeType::ike_intermediate:
            if (session.is<HalfOpen>()) {
                return intermediate::on_request(session, context, in);
            }
            break;
        case ExchangeType::ike_auth:
            if (session.is<HalfOpen>()) {
                return auth::on_request(session, context, in);
            }
            break;
        case ExchangeType::informational:
            if (established) {
                return informational::on_request(session, context, in);
            }
            break;
        case ExchangeType::create_child_sa:
            if (established) {
                return create_child::on_request(session, context, in);
            }
            break;
        case ExchangeType::ike_followup_ke:
            if (established) {
                return followup_ke::on_request(session, context, in);
            }
            break;
        default:
            break;
    }
    context.drop(DropReason::unexpected_exchange, in.path.remote,
                 name(in.header.exchange) + " in state " + session.state_name());
}

void receive_request(Session& session, Context& context, const Arrival& arrival) {
    const Header& header = arrival.view.header;
    switch (session.window.judge(header.message_id)) {
        case Freshness::outside:
            return context.drop(DropReason::message_id_out_of_window, arrival.path.remote,
                                "message ID " + std::to_string(header.message_id.value()));
        case Freshness::repeated:
            return repeat_response(session, context, arrival);
        case Freshness::fresh:
            break;
    }
    if (session.is<Ended>()) {
        return context.drop(DropReason::sa_ended, arrival.path.remote);
    }
    auto opened = session.channel->open(arrival.view, arrival.bytes);
    if (!opened) {
        if (authentic_but_malformed(opened.error())) {
            return refuse_syntax(session, context, {arrival.path, header, {}},
                                 "decrypts to no valid payloads");
        }
        return context.drop(drop_reason(opened.error()), arrival.path.remote);
    }
    if (*opened) {
        rekey_ike::heard(session, context);
        dispatch_request(session, context, inbound_of(arrival, std::move(**opened)));
    }
}

void dispatch_response(Session& session, Context& context, const Inbound& in) {
    if (session.is<InterSent>()) {
        return intermediate::on_response(session, context, in);
    }
    session.window.completed();
    if (session.is<AuthSent>()) {
        return auth::on_response(session, context, in);
    }
    if (session.is<Deleting>()) {
        return informational::on_response(session, context);
    }
    on_answer(session, context, in);
}

/// RFC 7296 2.21: errors in responses are never answered, but "should still cause the recipient to
/// clean up the IKE state". An authentic response that makes no sense counts as one with nothing in
/// it, which no exchange but INFORMATIONAL accepts.
void receive_response(Session& session, Context& context, const Arrival& arrival) {
    const Header& header = arrival.view.header;
    const auto& outstanding = session.window.outstanding();
    if (session.is<Ended>() || !outstanding || outstanding->id != header.message_id ||
        outstanding->exchange != header.exchange) {
        return context.drop(DropReason::unexpected_response, arrival.path.remote,
                            "message ID " + std::to_string(header.message_id.value()));
    }
    auto opened = session.channel->open(arrival.view, arrival.bytes);
    Inbound in{arrival.path, header, {}};
    if (!opened && !authentic_but_malformed(opened.error())) {
        return context.drop(drop_reason(opened.error()), arrival.path.remote);
    }
    if (opened) {
        if (!*opened) {
            return;
        }
        in = inbound_of(arrival, std::move(**opened));
        rekey_ike::heard(session, context);
        // RFC 7296 2.5: "the message MUST be rejected".
        if (unknown_critical(in.payloads) || repeated(in.payloads)) {
            in.payloads.clear();
        }
    }
    dispatch_response(session, context, in);
}

Header header_for(const Session& session, ExchangeType exchange, MessageId id) {
    Header header;
    header.initiator_spi = session.spis().initiator;
    header.responder_spi = session.spis().responder;
    header.exchange = exchange;
    header.from_initiator = session.we_initiated;
    header.message_id = id;
    return header;
}

}  // namespace

Established* established(Session& session) {
    if (auto* state = std::get_if<Established>(&session.state)) {
        return state;
    }
    auto* deleting = std::get_if<Deleting>(&session.state);
    return deleting != nullptr && deleting->sa ? &*deleting->sa : nullptr;
}

const Established* established(const Session& session) {
    if (const auto* state = std::get_if<Established>(&session.state)) {
        return state;
    }
    const auto* deleting = std::get_if<Deleting>(&session.state);
    return deleting != nullptr && deleting->sa ? &*deleting->sa : nullptr;
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

std::optional<PayloadType> unknown_critical(const std::vector<Payload>& payloads) {
    for (const Payload& payload : payloads) {
        if (payload.critical && std::holds_alternative<wire::ike::UnknownPayload>(payload.body)) {
            return payload.type();
        }
    }
    return std::nullopt;
}

std::optional<PayloadType> repeated(const std::vector<Payload>& payloads) {
    std::set<PayloadType> seen;
    for (const Payload& payload : payloads) {
        switch (payload.type()) {
            case PayloadType::security_association:
            case PayloadType::key_exchange:
            case PayloadType::id_initiator:
            case PayloadType::id_responder:
            case PayloadType::authentication:
            case PayloadType::nonce:
            case PayloadType::ts_initiator:
            case PayloadType::ts_responder:
            case PayloadType::configuration:
            case PayloadType::eap:
                if (!seen.insert(payload.type()).second) {
                    return payload.type();
                }
                break;
            default:
                break;
        }
    }
    return std::nullopt;
}

void receive(Session& session, Context& context, const Arrival& arrival) {
    const Header& header = arrival.view.header;
    const Endpoint& remote = arrival.path.remote;
    if (header.exchange == ExchangeType::ike_sa_init) {
        if (session.is<InitSent>() && header.response) {
            return sa_init::on_response(session, context, arrival);
        }
        return context.drop(
            header.response ? DropReason::unexpected_response : DropReason::bad_init_header,
            remote);
    }
    const SpiPair spis = session.spis();
    if (!session.channel || header.from_initiator == session.we_initiated ||
        header.initiator_spi != spis.initiator || header.responder_spi != spis.responder) {
        return context.drop(DropReason::wrong_spi, remote);
    }
    // RFC 7296 1.5 and 2.21.4: what comes without protection "MUST NOT change the state of any
    // existing SAs".
    if (arrival.view.first_payload != PayloadType::encrypted &&
        arrival.view.first_payload != PayloadType::encrypted_fragment) {
        return context.drop(DropReason::unprotected, remote, name(arrival.view.first_payload));
    }
    if (header.response) {
        receive_response(session, context, arrival);
    } else {
        receive_request(session, context, arrival);
    }
}

RetransmitPolicy retransmit_policy(const Session& session, const EngineConfig& config) {
    // RFC 4555 3.11: "it is suggested that responders continue retransmitting IKEv2 requests for at
    // least five minutes before giving up", until the initiator has noticed that it must move.
    const bool peer_may_move = session.mobility.supported && !session.origin_initiated;
    return {config.retransmit_first, peer_may_move
                                         ? std::max(config.retransmit_tries, mobile_peer_tries)
                                         : config.retransmit_tries};
}

void respond(Session& session, Context& context, const Inbound& request,
             const std::vector<Payload>& payloads, std::vector<Write> writes, Persist persist) {
    Header header = header_for(session, request.header.exchange, request.header.message_id);
    header.response = true;
    std::vector<Bytes> datagrams =
        session.channel->seal(header, payloads, session.fragmentation, context.random);
    for (Write& write : follow_peer(session, request.path)) {
        writes.push_back(std::move(write));
        persist = Persist::claim;
    }
    session.window.answered({request.header.message_id, datagrams, persist == Persist::claim});
    if (persist == Persist::claim) {
        writes.emplace_back(claim_of(session, context.config));
    }
    // RFC 7296 2.11: "MUST respond to the address and port from which the request was received".
    Action action{session.our_spi, std::move(writes), {}};
    send_on(request.path, datagrams, action.send);
    context.out.actions.push_back(std::move(action));
}

void refuse_syntax(Session& session, Context& context, const Inbound& request,
                   const std::string& why) {
    report(context, session, EventKind::we_refused,
           "INVALID_SYNTAX: " + name(request.header.exchange) + " request " + why +
               "; the IKE SA ends");
    Ending ending = end(session, context);
    respond(session, context, request, {{Notify{{}, {}, NotifyType::invalid_syntax, {}}}},
            std::move(ending.writes), ending.persist);
}

void request(Session& session, Context& context, ExchangeType exchange,
             const std::vector<Payload>& payloads, std::vector<Write> writes, Persist persist) {
    const Header header = header_for(session, exchange, session.window.next_request());
    std::vector<Bytes> datagrams =
        session.channel->seal(header, payloads, session.fragmentation, context.random);
    session.window.sent(exchange, datagrams, context.now.instant,
                        retransmit_policy(session, context.config));
    if (persist == Persist::claim) {
        writes.emplace_back(claim_of(session, context.config));
    }
    act(session, context, std::move(writes), datagrams);
}

void request_plain(Session& session, Context& context, Bytes datagram) {
    session.window.sent(ExchangeType::ike_sa_init, {datagram}, context.now.instant,
                        retransmit_policy(session, context.config));
    act(session, context, {}, {std::move(datagram)});
}

void act(Session& session, Context& context, std::vector<Write> writes,
         const std::vector<Bytes>& datagrams) {
    Action action{session.our_spi, std::move(writes), {}};
    send_on(session.path, datagrams, action.send);
    context.out.actions.push_back(std::move(action));
}

}  // namespace anyswan::ike
