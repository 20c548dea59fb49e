// SPDX-License-Identifier: Apache-2.0
// IKE_FOLLOWUP_KE (RFC 9370 2.2.4): the additional key exchanges of a CREATE_CHILD_SA. Both roles.
//
//   HDR, SK {SA, Ni, KEi ...}  -->                                 create_child.cc, rekey_ike.cc
//                 <--  HDR, SK {SA, Nr, KEr ..., N(ADDITIONAL_KEY_EXCHANGE)(link 1)}
//   HDR, SK {KEi(1), N(ADDITIONAL_KEY_EXCHANGE)(link 1)}  -->
//                 <--  HDR, SK {KEr(1), N(ADDITIONAL_KEY_EXCHANGE)(link 2)}
//   ...
//   HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)(link n)}  -->
//                 <--  HDR, SK {KEr(n)}                            and now the new SA is there
//
// Until then there is no SA, only a sa::PendingSa: with its initiator in the request in flight,
// with its responder in Established::awaited, and in both claims. Our links are random and good for
// one exchange. Whoever asks goes from one exchange to the next at once, before anything else it
// wants.
#include "core/ike/exchange/exchange.h"
#include "core/ike/offer.h"
#include "core/ike/pending.h"
#include "core/ike/report.h"

namespace anyswan::ike::followup_ke {

using wire::ike::ExchangeType;
using wire::ike::KeyExchange;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

constexpr std::size_t our_link_size = 16;

/// RFC 9370 2.2.4: the notify's "Protocol ID and SPI Size are both set to 0".
Payload link_payload(const Bytes& link) {
    return {Notify{{}, {}, NotifyType::additional_key_exchange, link}};
}

/// Takes out what the link of a request names.
std::optional<sa::PendingSa> take_linked(Established& sa, const std::vector<Payload>& payloads) {
    const Notify* link = find_notify(payloads, NotifyType::additional_key_exchange);
    for (auto it = sa.awaited.begin(); link != nullptr && it != sa.awaited.end(); ++it) {
        if (it->pending.link == link->data) {
            sa::PendingSa found = std::move(it->pending);
            sa.awaited.erase(it);
            return found;
        }
    }
    return std::nullopt;
}

/// RFC 9370 2.2.4: "If the responder receives an IKE_FOLLOWUP_KE message for which it does not have
/// a key exchange state, it MUST send back a new error type notification called 'STATE_NOT_FOUND'.
/// This is an error notification that is not fatal to the IKE SA."
void refuse_unknown(Session& session, Context& context, const Inbound& in, const char* why) {
    report(context, session, EventKind::we_refused,
           std::string("STATE_NOT_FOUND to IKE_FOLLOWUP_KE: ") + why);
    respond(session, context, in, {{Notify{{}, {}, NotifyType::state_not_found, {}}}}, {},
            Persist::claim);
}

template <class Asked>
bool ask_next(Session& session, Context& context, Asked& asked, const Inbound& answer,
              std::vector<Write>& writes) {
    // "The initiator MUST send back this notification intact in the request message of the next
    // IKE_FOLLOWUP_KE exchange."
    const Notify* link = find_notify(answer.payloads, NotifyType::additional_key_exchange);
    if (link == nullptr) {
        return false;
    }
    asked.pending->link = link->data;
    asked.ours = make_offer(context.random, methods_left(*asked.pending).front());
    const std::vector<Payload> payloads{
        {KeyExchange{asked.ours.method, to_bytes(asked.ours.key_exchange->public_value())}},
        link_payload(asked.pending->link)};
    session.in<Established>().asked = std::move(asked);
    request(session, context, ExchangeType::ike_followup_ke, payloads, std::move(writes),
            Persist::claim);
    return true;
}

}  // namespace

Payload expect(Session& session, Context& context, sa::PendingSa pending) {
    // "The responder MUST include this notification in a CREATE_CHILD_SA or IKE_FOLLOWUP_KE
    // response message in case the next IKE_FOLLOWUP_KE exchange is expected".
    pending.link = context.random.bytes(our_link_size);
    Payload notify = link_payload(pending.link);
    await(*established(session), context, std::move(pending));
    return notify;
}

void on_request(Session& session, Context& context, const Inbound& in) {
    if (session.is<Deleting>()) {
        return refuse_unknown(session, context, in, "the IKE SA is ending");
    }
    auto pending = take_linked(session.in<Established>(), in.payloads);
    if (!pending) {
        return refuse_unknown(session, context, in, "its link names nothing that we wait for");
    }
    if (context.tunnels.by_id(*session.tunnel) == nullptr) {
        return refuse_unknown(session, context, in, "the tunnel was removed");
    }
    const crypto::KeMethod method = methods_left(*pending).front();
    const auto* theirs = Message::find_in<KeyExchange>(in.payloads);
    if (theirs == nullptr || theirs->method != method) {
        return refuse_syntax(session, context, in, "has no KE payload of " + name(method));
    }
    auto ours = crypto::KeyExchange::respond(method, theirs->data, context.random);
    if (!ours) {
        context.drop(DropReason::bad_key_exchange, in.path.remote, name(method));
        return refuse_syntax(session, context, in, "has an invalid KE value");
    }
    add_secret(*pending, ours->shared_secret);
    std::vector<Payload> payloads{{KeyExchange{method, std::move(ours->public_value)}}};
    std::vector<Write> writes;
    if (!methods_left(*pending).empty()) {
        payloads.push_back(expect(session, context, std::move(*pending)));
    } else if (std::holds_alternative<sa::IkeAgreement>(pending->agreement)) {
        rekey_ike::complete(session, context, *pending, writes);
    } else {
        create_child::complete(session, context, std::move(*pending), writes);
    }
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
}

bool ask(Session& session, Context& context, in_flight::CreateChild& asked, const Inbound& answer,
         std::vector<Write>& writes) {
    return ask_next(session, context, asked, answer, writes);
}

bool ask(Session& session, Context& context, in_flight::RekeyIke& asked, const Inbound& answer,
         std::vector<Write>& writes) {
    return ask_next(session, context, asked, answer, writes);
}

bool take(const in_flight::Offer& ours, sa::PendingSa& pending, const Inbound& answer) {
    const auto shared = shared_secret(ours, Message::find_in<KeyExchange>(answer.payloads));
    if (shared) {
        add_secret(pending, *shared);
    }
    return shared.has_value();
}

}  // namespace anyswan::ike::followup_ke
