// SPDX-License-Identifier: Apache-2.0
// REDIRECT (RFC 5685): a gateway sends the peer to another one, so that an edge can be drained.
// Both roles; "only the original responder can redirect the original initiator" (10).
//
//   HDR(A,0), SAi1, KEi, Ni, N(REDIRECT_SUPPORTED or REDIRECTED_FROM)  -->
//                                 <--  HDR(A,0), N(REDIRECT, gateway, Ni data)
//   or  <--  HDR, SK {IDr, AUTH, N(REDIRECT, gateway)}         in IKE_AUTH, instead of a Child SA
//   or  <--  HDR, SK {N(REDIRECT, gateway)}                    any time later
//       HDR, SK {}  -->
//   then HDR, SK {D}  -->
//
// Where to is only said to the host (Outputs::redirected), which initiates there, and bounds how
// often. The tunnel stays what it is: the new gateway must have the same identity.
#include "core/ike/exchange/redirect.h"

#include "core/ike/queue.h"
#include "core/ike/redirect.h"
#include "core/ike/report.h"

namespace anyswan::ike {

using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

Notify redirect_notify(const Gateway& to, ByteView nonce = {}) {
    return {{}, {}, NotifyType::redirect, redirect_data(to, nonce)};
}

bool follows(const Session& session, const Context& context) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    return tunnel != nullptr && tunnel->follow_redirects && session.origin_initiated;
}

void hand_over(Session& session, Context& context, const Gateway& to) {
    report(
        context, session, EventKind::redirected,
        "the gateway " + session.path.remote.address.to_string() + " sends us to " + text_of(to));
    context.out.redirected.push_back({*session.tunnel, session.path.remote.address, to});
}

}  // namespace

namespace redirect {

void append_to_init_request(std::vector<Payload>& payloads, const sa::TunnelRecord& tunnel,
                            const std::optional<IpAddress>& redirected_from) {
    if (!tunnel.follow_redirects) {
        return;
    }
    // RFC 5685 3: with the new gateway "the client MUST include the REDIRECTED_FROM payload", whose
    // "presence ... indicates ... that the client supports the redirect mechanism".
    payloads.push_back(
        {redirected_from
             ? Notify{{}, {}, NotifyType::redirected_from, redirect_data(Gateway(*redirected_from))}
             : Notify{{}, {}, NotifyType::redirect_supported, {}}});
}

void on_init_response(Session& session, Context& context, const Arrival& arrival,
                      const Notify& notify) {
    const auto words = read_redirect(notify.data);
    // RFC 5685 3: "it MUST verify that the nonce data matches the value sent in the IKE_SA_INIT
    // request. If the values do not match, the client MUST silently discard the response (and keep
    // waiting for another response)."
    if (!words || words->nonce != session.in<InitSent>().nonce || !follows(session, context)) {
        return context.drop(DropReason::bad_redirect, arrival.path.remote);
    }
    hand_over(session, context, words->gateway);
    end_now(session, context);
}

bool supported(const std::vector<Payload>& payloads) {
    return find_notify(payloads, NotifyType::redirect_supported) != nullptr ||
           find_notify(payloads, NotifyType::redirected_from) != nullptr;
}

std::optional<Notify> answer_init(const Message& request, const IpAddress& local,
                                  const Gateway& to) {
    // RFC 5685 3: "If the IKE_SA_INIT request did not indicate support for the redirect mechanism,
    // the responder MUST NOT send the REDIRECT payload".
    if (!supported(request.payloads)) {
        return std::nullopt;
    }
    const Notify* from = find_notify(request.payloads, NotifyType::redirected_from);
    const auto words = from != nullptr ? read_redirect(from->data) : std::nullopt;
    if ((words && words->gateway == to) || to == Gateway(local)) {
        return std::nullopt;
    }
    return redirect_notify(to, Message::find_in<Nonce>(request.payloads)->data);
}

const Gateway* wanted(const Session& session, const Context& context) {
    const auto found = context.redirects.find(*session.tunnel);
    const bool away = session.redirect_supported && found != context.redirects.end() &&
                      found->second != Gateway(session.path.local.address);
    return away ? &found->second : nullptr;
}

void await_departure(Session& session, Context& context, const Gateway& to) {
    report(context, session, EventKind::redirected, "the peer was sent to " + text_of(to));
    // RFC 5685 5: the gateway "should allow sufficient time for the client to set up the required
    // security associations with the new security gateway. This time period should be
    // configurable".
    session.in<Established>().wishes.push_back(
        {task::DeleteIke{}, context.now.instant + context.config.redirect_grace});
}

bool follow(Session& session, Context& context, const std::vector<Payload>& payloads) {
    const Notify* notify = find_notify(payloads, NotifyType::redirect);
    const auto words = notify != nullptr ? read_redirect(notify->data) : std::nullopt;
    // 9.2: nonce data "MUST NOT be included" but in IKE_SA_INIT.
    if (!words || !words->nonce.empty() || !follows(session, context)) {
        return false;
    }
    hand_over(session, context, words->gateway);
    return true;
}

}  // namespace redirect

namespace tasks {

Started start(Session& session, Context& context, const task::Redirect& task, Wish&,
              std::vector<Write>& writes) {
    if (!session.redirect_supported || session.origin_initiated) {
        report(context, session, EventKind::peer_refused,
               "the peer can't be sent to " + text_of(task.to) +
                   (session.origin_initiated ? ": we initiated this IKE SA"
                                             : ": it does not support REDIRECT"));
        return Started::moot;
    }
    session.in<Established>().asked = in_flight::Redirect{task.to};
    request(session, context, ExchangeType::informational, {{redirect_notify(task.to)}},
            std::move(writes), Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context& context, const Inbound&, in_flight::Redirect& asked,
            std::vector<Write>&) {
    redirect::await_departure(session, context, asked.to);
}

}  // namespace tasks

}  // namespace anyswan::ike
