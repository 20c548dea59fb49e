// SPDX-License-Identifier: Apache-2.0
// IKE_INTERMEDIATE (RFC 9242) for additional key exchanges (RFC 9370 2.2.2). Both roles.
//
//   HDR, SK {KEi(n)}  -->
//                         <--  HDR, SK {KEr(n)}
//
// One exchange for each negotiated method, under the keys before it; the next exchange has the new
// ones. Nobody is authenticated yet, so what a stranger can make us do is bounded: by the number of
// methods that were negotiated, and by the time a half-open IKE SA has.
#include "core/ike/exchange/exchange.h"
#include "core/ike/report.h"

namespace anyswan::ike::intermediate {

using crypto::KeMethod;
using wire::ike::ExchangeType;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

/// SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), and the keys that follow from it.
Channel next_channel(const Session& session, NoncePair nonces, const Secret& shared) {
    const Channel& channel = *session.channel;
    const Secret seed =
        skeyseed_rekey(channel.suite().prf, channel.keys().d.reveal(), nonces, shared.reveal());
    return channel.successor(
        derive_ike_keys(channel.suite(), seed.reveal(), nonces, session.spis()));
}

/// Our own message of this exchange, as it was sent.
Bytes own_octets(const Session& session, const std::vector<Bytes>& datagrams) {
    const auto chain = session.channel->read_own(datagrams);
    check(chain.has_value(), "we can read what we sent");
    return int_auth_octets(*chain);
}

/// The exchange is complete: AUTH will cover it. Its keys must still be the session's.
void extend(IntAuth& int_auth, const Session& session, ByteView request, ByteView response) {
    const Channel& channel = *session.channel;
    const crypto::PrfId prf = channel.suite().prf;
    int_auth.of_initiator = next_int_auth(prf, channel.keys().pi, int_auth.of_initiator, request);
    int_auth.of_responder = next_int_auth(prf, channel.keys().pr, int_auth.of_responder, response);
}

void refuse(Session& session, Context& context, const Inbound& in, const std::string& what) {
    report(context, session, EventKind::we_refused,
           "INVALID_SYNTAX: IKE_INTERMEDIATE request " + what);
    const Ending ending = end(session, context);
    respond(session, context, in, {{Notify{{}, {}, NotifyType::invalid_syntax, {}}}}, {},
            ending.persist);
}

/// Initiator: the request of the next method, or IKE_AUTH after the last one.
void send_next(Session& session, Context& context) {
    InterSent& state = session.in<InterSent>();
    if (state.methods.empty()) {
        return auth::start(session, context, std::move(state.start));
    }
    auto ours = crypto::KeyExchange::generate(state.methods.front(), context.random);
    check(ours.has_value(), "an offered key exchange can be generated");
    state.key_exchange = std::move(*ours);
    request(session, context, ExchangeType::ike_intermediate,
            {{KeyExchange{state.methods.front(), to_bytes(state.key_exchange->public_value())}}},
            {}, Persist::nothing);
}

/// Why the response is no good; it is protected, so that no stranger made it.
Expected<Secret, std::string> judge(const InterSent& state, const Inbound& in) {
    if (const Notify* error = first_error(in.payloads)) {
        return Unexpected{name(error->type) + " by the peer"};
    }
    const auto* theirs = Message::find_in<KeyExchange>(in.payloads);
    if (theirs == nullptr || theirs->method != state.methods.front()) {
        return Unexpected{"the answer has no KE payload of " + name(state.methods.front())};
    }
    auto shared = state.key_exchange->shared_secret(theirs->data);
    if (!shared) {
        return Unexpected{"the answer's KE payload: " + std::string(crypto::name(shared.error()))};
    }
    return std::move(*shared);
}

}  // namespace

void start(Session& session, Context& context, auth::Start start) {
    std::vector<KeMethod> methods = crypto::additional_of(session.channel->suite().additional);
    if (methods.empty()) {
        return auth::start(session, context, std::move(start));
    }
    become(session, InterSent{std::move(start), std::move(methods), nullptr});
    send_next(session, context);
}

void on_response(Session& session, Context& context, const Inbound& in) {
    InterSent& state = session.in<InterSent>();
    const auto shared = judge(state, in);
    if (!shared) {
        report(
            context, session, EventKind::peer_refused,
            "IKE_INTERMEDIATE with " + name(state.methods.front()) + " failed: " + shared.error());
        return end_now(session, context);
    }
    extend(state.start.int_auth, session,
           own_octets(session, session.window.outstanding()->datagrams), in.int_auth_octets);
    session.window.completed();
    session.channel.emplace(
        next_channel(session, {state.start.nonce_i, state.start.nonce_r}, *shared));
    state.methods.erase(state.methods.begin());
    send_next(session, context);
}

void on_request(Session& session, Context& context, const Inbound& in) {
    HalfOpen& state = session.in<HalfOpen>();
    if (state.methods.empty()) {
        return refuse(session, context, in, "beyond the key exchanges that were negotiated");
    }
    const KeMethod method = state.methods.front();
    const auto* theirs = Message::find_in<KeyExchange>(in.payloads);
    if (theirs == nullptr || theirs->method != method) {
        return refuse(session, context, in, "without a KE payload of " + name(method));
    }
    const auto ours = crypto::KeyExchange::respond(method, theirs->data, context.random);
    if (!ours) {
        context.drop(DropReason::bad_key_exchange, in.path.remote, name(method));
        return refuse(session, context, in,
                      "whose KE payload is no good: " + std::string(crypto::name(ours.error())));
    }
    respond(session, context, in, {{KeyExchange{method, ours->public_value}}}, {},
            Persist::nothing);
    extend(state.int_auth, session, in.int_auth_octets,
           own_octets(session, session.window.last_response()));
    Channel next = next_channel(session, {state.nonce_i, state.nonce_r}, ours->shared_secret);
    state.before = std::move(session.channel);
    session.channel.emplace(std::move(next));
    state.methods.erase(state.methods.begin());
}

}  // namespace anyswan::ike::intermediate
