// SPDX-License-Identifier: Apache-2.0
// The stateless edge of the protocol.
#include "core/ike/front.h"

#include <algorithm>

#include "core/ike/cookie.h"
#include "core/ike/limits.h"
#include "core/ike/offer.h"
#include "core/ike/report.h"

namespace anyswan::ike {

using wire::ike::ExchangeType;
using wire::ike::Header;
using wire::ike::HeaderView;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::ParseError;

std::optional<InitPayloads> InitPayloads::of(const Message& message) {
    if (repeated(message.payloads)) {
        return std::nullopt;
    }
    const InitPayloads found{message.find<wire::ike::SecurityAssociation>(),
                             message.find<wire::ike::KeyExchange>(), find_nonce(message.payloads)};
    if (found.sa == nullptr || found.ke == nullptr || found.nonce == nullptr) {
        return std::nullopt;
    }
    return found;
}

std::optional<HeaderView> Front::read_header(Context& context, const DatagramReceived& input) {
    const auto view = HeaderView::read(input.bytes);
    if (!view) {
        context.drop(DropReason::malformed_header, input.remote, name(view.error()));
        return std::nullopt;
    }
    const Header& header = view->header;
    if (header.major_version > 2) {
        // RFC 7296 2.5: "If an endpoint receives a message with a higher major version number, it
        // MUST drop the message and SHOULD send an unauthenticated Notify message of type
        // INVALID_MAJOR_VERSION containing the highest (closest) version number it supports": in
        // the header, the notify itself has "no notification data" (1.5).
        context.drop(DropReason::version_too_new, input.remote);
        if (!header.response) {
            refuse(context, {input.local, input.remote}, header,
                   {{}, {}, NotifyType::invalid_major_version, {}});
        }
        return std::nullopt;
    }
    if (header.major_version < 2) {
        context.drop(DropReason::version_too_old, input.remote);
        if (header.responder_spi == IkeSpi(0) && may_refuse(context.now.instant)) {
            report(context, input.remote, header.initiator_spi, EventKind::we_refused,
                   "IKEv1 message from " + input.remote.to_string() +
                       " ignored: set the router to IKEv2");
        }
        return std::nullopt;
    }
    // RFC 7296 3.1, Initiator's SPI: "This value MUST NOT be zero."
    if (header.initiator_spi == IkeSpi(0)) {
        context.drop(DropReason::zero_initiator_spi, input.remote);
        return std::nullopt;
    }
    return *view;
}

std::optional<Message> Front::admit(Context& context, const Arrival& arrival,
                                    std::size_t half_open) {
    const Header& header = arrival.view.header;
    const Endpoint& remote = arrival.path.remote;
    auto message = Message::parse(arrival.bytes);
    // RFC 7296 3.10.1 would keep INVALID_SYNTAX for encrypted messages; 2.21.1 names the trade-off
    // with "wanting to help the peer to diagnose a problem". It is smaller than what it answers,
    // and limited in rate.
    if (!message || (!unknown_critical(message->payloads) && !InitPayloads::of(*message))) {
        context.drop(DropReason::malformed_init, remote,
                     message ? "SA, KE or Nonce missing or twice" : name(message.error()));
        refuse(context, arrival.path, header, {{}, {}, NotifyType::invalid_syntax, {}});
        return std::nullopt;
    }
    if (const auto type = unknown_critical(message->payloads)) {
        context.drop(DropReason::critical_payload, remote, name(*type));
        refuse(
            context, arrival.path, header,
            {{}, {}, NotifyType::unsupported_critical_payload, {static_cast<std::uint8_t>(*type)}});
        return std::nullopt;
    }
    // RFC 7296 2.6: "When a responder detects a large number of half-open IKE SAs, it SHOULD reply
    // to IKE_SA_INIT requests with a response containing the COOKIE notification."
    const bool demand = half_open >= context.config.cookie_threshold;
    if (demand && !demanding_cookies_) {
        report(context, remote, header.initiator_spi, EventKind::cookie_demanded,
               std::to_string(half_open) + " half-open IKE SAs: COOKIE is demanded from now on");
    }
    demanding_cookies_ = demand;
    const CookieSubject subject{InitPayloads::of(*message)->nonce->data, remote.address,
                                header.initiator_spi};
    // "When one party receives an IKE_SA_INIT request containing a cookie whose contents do not
    // match the value expected, that party MUST ignore the cookie and process the message as if no
    // cookie had been included".
    const Notify* cookie = find_notify(message->payloads, NotifyType::cookie);
    const Secret& secret = context.config.cookie_secret;
    if (demand &&
        (cookie == nullptr || !cookie_valid(secret, subject, context.now.wall, cookie->data))) {
        context.drop(DropReason::cookie_missing, remote);
        refuse(context, arrival.path, header,
               {{}, {}, NotifyType::cookie, make_cookie(secret, subject, context.now.wall)});
        return std::nullopt;
    }
    if (half_open >= context.config.half_open_max) {
        context.drop(DropReason::half_open_limit, remote);
        return std::nullopt;
    }
    return std::move(*message);
}

void Front::answer_unknown_spi(Context& context, const Arrival& arrival) {
    const Header& header = arrival.view.header;
    // RFC 7296 2.21.4: "If the message is marked as a response, the node can audit the suspicious
    // event but MUST NOT respond. If the message is marked as a request, the node ... MAY send a
    // response. ... The response MUST NOT be cryptographically protected and MUST contain an
    // INVALID_IKE_SPI Notify payload."
    if (header.response) {
        return context.drop(DropReason::unknown_spi_response, arrival.path.remote);
    }
    context.drop(DropReason::unknown_spi_request, arrival.path.remote, name(header.exchange));
    refuse(context, arrival.path, header, {{}, {}, NotifyType::invalid_ike_spi, {}});
}

bool Front::refuse(Context& context, const Path& path, const Header& request, Notify notify) {
    // COOKIE is the defence against floods, so it can't be limited by one.
    if (notify.type != NotifyType::cookie && !may_refuse(context.now.instant)) {
        context.drop(DropReason::refusal_rate_limited, path.remote, name(notify.type));
        return false;
    }
    // "The response MUST be sent to the IP address and port from where it came with the same IKE
    // SPIs and the Message ID copied."
    Message answer;
    answer.header.initiator_spi = request.initiator_spi;
    answer.header.responder_spi = request.responder_spi;
    answer.header.exchange = request.exchange;
    answer.header.from_initiator = !request.from_initiator;
    answer.header.response = true;
    answer.header.message_id = request.message_id;
    answer.payloads.push_back({std::move(notify)});
    context.out.actions.push_back({IkeSpi(0), {}, {{path.local, path.remote, answer.emit()}}});
    return true;
}

bool Front::may_refuse(Instant now) {
    if (!filled_at_) {
        tokens_ = refusal_burst;
        filled_at_ = now;
    }
    constexpr Duration per_token = Duration(1s) / refusals_per_s;
    const auto earned = static_cast<std::uint64_t>((now - *filled_at_) / per_token);
    if (earned > 0) {
        tokens_ = std::min(refusal_burst, tokens_ + earned);
        filled_at_ = now;
    }
    if (tokens_ == 0) {
        return false;
    }
    --tokens_;
    return true;
}

}  // namespace anyswan::ike
