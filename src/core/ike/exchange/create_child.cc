// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA (RFC 7296 1.3): which of its three uses a request is, and two of them, a further
// Child SA and the rekey of one. Both roles. The third, the rekey of the IKE SA, is in
// rekey_ike.cc.
//
//   HDR, SK {[N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr}  -->
//                                                 <--  HDR, SK {SA, Nr, [KEr], TSi, TSr}
//   and after a rekey, by its initiator:
//   HDR, SK {D(the old one)}  -->
//                                                 <--  HDR, SK {D}
//
// What a request meets when we are in the middle of something ourselves (RFC 7296 2.25):
//
//   the peer asks to    | while our ... is under way         | we
//   --------------------+------------------------------------+----------------------------------
//   create a Child SA   | rekey or end of the IKE SA         | TEMPORARY_FAILURE
//                       | anything else                      | do it
//   rekey a Child SA    | rekey or end of the IKE SA         | TEMPORARY_FAILURE
//                       | DELETE of that Child SA            | TEMPORARY_FAILURE
//                       | rekey of that Child SA             | do it, and note a rival: see below
//                       | (no such Child SA, none asked for) | CHILD_SA_NOT_FOUND
//                       | (no such Child SA, one asked for)  | TEMPORARY_FAILURE
//   delete a Child SA   | DELETE of that Child SA            | do it, answer without it (1.4.1)
//                       | creation of that Child SA          | answer without it, never take it
//                       | rekey of that Child SA or IKE SA   | do it
//   rekey the IKE SA    | Child SA's creation, rekey, DELETE | TEMPORARY_FAILURE
//                       | end of the IKE SA                  | TEMPORARY_FAILURE
//                       | rekey of the IKE SA                | do it, and note a rival
//   delete the IKE SA   | anything                           | do it, forget ours
//
// Two rekeys of one Child SA at once leave two new ones, rivals. "If redundant SAs are created
// though such a collision, the SA created with the lowest of the four nonces used in the two
// exchanges SHOULD be closed by the endpoint that created it" (2.8.1), and the other endpoint,
// whose new SA stays, closes the old one. Who asked learns all four nonces with the answer to its
// own request; who never notices (its request came late) acts as if alone, and the refusals above
// tell the other. A rival that the peer has deleted before our answer came lost: ours stays.
#include <algorithm>

#include "core/ike/child.h"
#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/offer.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

namespace {

/// Why a request of the peer is refused: the answer and the words for the operator.
struct Refusal {
    Notify notify;
    std::string why;
};

Refusal refuse(NotifyType type, std::string why) {
    return {{{}, {}, type, {}}, std::move(why)};
}

bool busy_with_ike_sa(const Session& session, const Established& sa) {
    return session.is<Deleting>() || sa.successor != IkeSpi{} ||
           (sa.asked && std::holds_alternative<in_flight::RekeyIke>(*sa.asked));
}

/// The Child SA that a request rekeys (0: none), if the request may be done now.
Expected<EspSpi, Refusal> judge(const Session& session, const Established& sa,
                                const std::vector<Payload>& payloads) {
    if (busy_with_ike_sa(session, sa)) {
        return Unexpected{refuse(NotifyType::temporary_failure,
                                 "the IKE SA itself is being rekeyed or ended just now")};
    }
    const Notify* rekey = find_notify(payloads, NotifyType::rekey_sa);
    if (rekey == nullptr) {
        if (sa.children.size() >= children_max) {
            return Unexpected{refuse(NotifyType::no_additional_sas,
                                     "it has " + std::to_string(children_max) + " Child SAs")};
        }
        return EspSpi{};
    }
    // "the SPI the initiator would expect in inbound ESP packets": our outbound one.
    const sa::ChildSaRecord* child =
        rekey->protocol == ProtocolId::esp ? find_child_of_peer(sa, rekey->spi) : nullptr;
    if (child == nullptr && sa.asked && std::holds_alternative<in_flight::CreateChild>(*sa.asked)) {
        // It may be the one that we wait for: the peer's answer is late.
        return Unexpected{refuse(NotifyType::temporary_failure,
                                 "our request for a Child SA is unanswered, it may be that one")};
    }
    if (child == nullptr) {
        // RFC 7296 2.25: "The SA that the initiator attempted to rekey is indicated by the SPI
        // field in the Notify payload, which is copied from the SPI field in the REKEY_SA
        // notification."
        return Unexpected{
            Refusal{{rekey->protocol, rekey->spi, NotifyType::child_sa_not_found, {}},
                    "there is no Child SA with the peer's SPI " + to_hex(rekey->spi)}};
    }
    if (is_closing(sa, child->inbound_spi)) {
        return Unexpected{refuse(NotifyType::temporary_failure,
                                 "Child SA " + hex(child->inbound_spi) + " is being deleted")};
    }
    if (sa.children.size() >= 2 * children_max) {
        return Unexpected{refuse(NotifyType::no_additional_sas,
                                 "replaced Child SAs are never deleted by the peer")};
    }
    return child->inbound_spi;
}

/// RFC 7296 2.25.1: "If a peer receives a request to rekey a Child SA that it is currently
/// rekeying, it SHOULD reply as usual, and should prepare to close redundant SAs later based on the
/// nonces".
void note_rival(Established& sa, const sa::ChildSaRecord& made, Bytes lowest_nonce) {
    auto* ours = sa.asked ? std::get_if<in_flight::CreateChild>(&*sa.asked) : nullptr;
    if (ours != nullptr && made.replaces != EspSpi{} && ours->replaces == made.replaces) {
        ours->rival = in_flight::Rival{made.inbound_spi.value(), std::move(lowest_nonce)};
    }
}

void send_refusal(Session& session, Context& context, const Inbound& in, Refusal refusal) {
    report(context, session, EventKind::we_refused,
           name(refusal.notify.type) + " to CREATE_CHILD_SA: " + refusal.why);
    respond(session, context, in, {{std::move(refusal.notify)}}, {}, Persist::claim);
}

/// A Child SA whose secrets are all there, in the response's role.
struct Accepted {
    const sa::TunnelRecord& tunnel;
    ChildAgreement agreement;
    const Bytes& nonce_i;
    const Response& response;
    EspSpi replaces;
};

sa::ChildSaRecord complete(Session& session, Context& context, Established& sa, Accepted accepted) {
    sa::ChildSaRecord child =
        make_child(session, context, accepted.tunnel, std::move(accepted.agreement),
                   {{accepted.nonce_i, accepted.response.nonce},
                    false,
                    accepted.response.shared.reveal(),
                    accepted.replaces});
    report_child(context, session, child);
    sa.children.push_back(without_keys(child));
    note_rival(sa, child, lower_of(accepted.nonce_i, accepted.response.nonce));
    return child;
}

void answer_child(Session& session, Context& context, const Inbound& in) {
    Established& sa = *established(session);
    const auto replaces = judge(session, sa, in.payloads);
    if (!replaces) {
        return send_refusal(session, context, in, replaces.error());
    }
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const auto* nonce = find_nonce(in.payloads);
    const auto offer = ChildPayloads::of(in.payloads);
    if (tunnel == nullptr || !offer) {
        return send_refusal(
            session, context, in,
            refuse(NotifyType::no_proposal_chosen,
                   tunnel == nullptr ? "the tunnel was removed" : "SA, TSi or TSr is missing"));
    }
    if (nonce == nullptr) {
        return refuse_syntax(session, context, in, "has no nonce of 16 to 256 octets");
    }
    auto accepted = accept_child(session, context, *tunnel, *offer, ChildStage::later);
    if (!accepted) {
        const ChildRefusal& why = accepted.error();
        return send_refusal(session, context, in, {{{}, {}, why.notify, why.data}, why.why});
    }
    const auto response = make_response(context.random, accepted->agreement.suite.ke, offer->ke);
    if (!response) {
        return refuse_syntax(session, context, in, "has an invalid KE value");
    }
    std::vector<Payload> payloads = std::move(accepted->payloads);
    payloads.insert(payloads.begin() + 1, response->payloads.begin(), response->payloads.end());
    std::vector<Write> writes;
    writes.emplace_back(
        complete(session, context, sa,
                 {*tunnel, std::move(accepted->agreement), nonce->data, *response, *replaces}));
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
}

/// RFC 7296 1.3.2: the request to rekey the IKE SA has no traffic selectors, and its proposals are
/// for IKE.
bool is_about_ike_sa(const std::vector<Payload>& payloads) {
    const auto* sa = Message::find_in<wire::ike::SecurityAssociation>(payloads);
    return sa != nullptr && !sa->proposals.empty() &&
           sa->proposals.front().protocol == ProtocolId::ike;
}

// Initiator.

Started start_create(Session& session, Context& context, EspSpi replaces, Wish& wish,
                     std::vector<Write>& writes) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const std::vector<crypto::EspSuite> suites = tunnel != nullptr
                                                     ? child_suites(*tunnel, ChildStage::later)
                                                     : std::vector<crypto::EspSuite>{};
    if (suites.empty()) {
        report(context, session, EventKind::peer_refused,
               "no Child SA can be asked for: the tunnel was removed or has no ESP suite that "
               "this release knows");
        return Started::moot;
    }
    const auto inbound = context.spis.allocate();
    if (!inbound) {
        // No block of SPIs just now: the store gives one in a moment.
        put_off(session, context, std::move(wish));
        return Started::moot;
    }
    in_flight::CreateChild asked{std::move(wish), replaces, *inbound, {}, std::nullopt};
    asked.ours = make_offer(context.random, asked.wish.ke.value_or(suites.front().ke));
    // RFC 7296 1.3.1 and 1.3.3: N(REKEY_SA), SA, Ni, [KEi], TSi, TSr.
    std::vector<Payload> payloads = offer_child(session, *tunnel, *inbound, ChildStage::later);
    const std::vector<Payload> ours = payloads_of(asked.ours);
    payloads.insert(payloads.begin() + 1, ours.begin(), ours.end());
    if (replaces != EspSpi{}) {
        payloads.insert(
            payloads.begin(),
            Payload{Notify{ProtocolId::esp, spi_bytes(replaces), NotifyType::rekey_sa, {}}});
    }
    session.in<Established>().asked = std::move(asked);
    request(session, context, ExchangeType::create_child_sa, payloads, std::move(writes),
            Persist::claim);
    return Started::yes;
}

/// RFC 7296 1.3: after INVALID_KE_PAYLOAD "the initiator will probably retry the exchange with a
/// Diffie-Hellman proposal and KEi in the group that the responder gave". One that we offered, and
/// not for ever.
bool retry_with_group(Session& session, Context& context, in_flight::CreateChild& asked,
                      const Notify& invalid_ke) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const crypto::KeMethod group = group_asked(invalid_ke);
    if (tunnel == nullptr || group == asked.ours.method || group == crypto::KeMethod::none ||
        asked.wish.restarts >= create_restarts_max) {
        return false;
    }
    for (const crypto::EspSuite& suite : child_suites(*tunnel, ChildStage::later)) {
        if (suite.ke == group) {
            asked.wish.ke = group;
            ++asked.wish.restarts;
            asked.wish.not_before = context.now.instant;
            wish_first(session, std::move(asked.wish));
            return true;
        }
    }
    return false;
}

/// RFC 7296 2.25: "A peer that receives a CHILD_SA_NOT_FOUND notification SHOULD silently delete
/// the Child SA (if it still exists) and send a request to create a new Child SA from scratch (if
/// the Child SA does not yet exist)."
void start_over(Session& session, Established& sa, EspSpi gone, std::vector<Write>& writes) {
    if (is_replaced(sa, gone)) {
        return;
    }
    if (auto tombstone = bury_child(sa, gone)) {
        writes.emplace_back(std::move(*tombstone));
        wish_next(session, task::NewChild{});
    }
}

void on_refusal(Session& session, Context& context, in_flight::CreateChild& asked,
                const Notify& error, std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    const NotifyType type = error.type;
    if (type == NotifyType::invalid_ke_payload &&
        retry_with_group(session, context, asked, error)) {
        return;
    }
    const bool rekey = asked.replaces != EspSpi{};
    const bool moot =
        rekey && (find_child(sa, asked.replaces) == nullptr || is_replaced(sa, asked.replaces));
    if (moot) {
        // The peer rekeyed or deleted it meanwhile. RFC 7296 2.8.1: "it already knows there was
        // simultaneous rekeying, so it can ignore the error message."
        return;
    }
    if (type == NotifyType::temporary_failure) {
        return put_off(session, context, std::move(asked.wish));
    }
    report(context, session, EventKind::peer_refused,
           name(type) + " by the peer to our " +
               (rekey ? "rekey of Child SA " + hex(asked.replaces) : "request for a Child SA"));
    if (type == NotifyType::child_sa_not_found) {
        return start_over(session, sa, asked.replaces, writes);
    }
    if (rekey) {
        refused(session, context, std::move(asked.wish));
    }
}

/// Two were made in place of one: true if ours is the one to go.
bool ours_is_redundant(const Established& sa, const in_flight::CreateChild& asked,
                       const Bytes& nonce_r) {
    if (!asked.rival ||
        find_child(sa, EspSpi(static_cast<std::uint32_t>(asked.rival->spi))) == nullptr) {
        return false;
    }
    return lower_of(asked.ours.nonce, nonce_r) < asked.rival->lowest_nonce;
}

void take(Session& session, Context& context, in_flight::CreateChild& asked,
          sa::ChildSaRecord child, const Bytes& nonce_r, std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    if (std::find(asked.gone.begin(), asked.gone.end(), child.outbound_spi) != asked.gone.end()) {
        report(context, session, EventKind::child_sa_ended,
               "Child SA " + hex(child.inbound_spi) + ": deleted by the peer before we knew it",
               child.inbound_spi);
        return;
    }
    const bool redundant = ours_is_redundant(sa, asked, nonce_r);
    // The peer may send on it until it hears of its end; we don't.
    child.outbound_waits = redundant;
    report_child(context, session, child);
    sa.children.push_back(without_keys(child));
    if (redundant) {
        wish_next(session, task::DeleteChildren{{child.inbound_spi}});
    } else if (find_child(sa, asked.replaces) != nullptr) {
        wish_next(session, task::DeleteChildren{{asked.replaces}});
    }
    writes.emplace_back(std::move(child));
}

/// Why the answer is no good, if it isn't what we asked for.
Expected<sa::ChildSaRecord, std::string> read_answer(Session& session, Context& context,
                                                     const in_flight::CreateChild& asked,
                                                     const ChildPayloads& answer,
                                                     const Nonce* nonce) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    if (tunnel == nullptr) {
        return Unexpected{std::string("the tunnel was removed meanwhile")};
    }
    if (nonce == nullptr) {
        return Unexpected{std::string("the peer's answer has no nonce of 16 to 256 octets")};
    }
    auto agreement = check_child(session, *tunnel, asked.inbound, answer, ChildStage::later);
    if (!agreement) {
        return Unexpected{agreement.error()};
    }
    // The responder may have chosen a suite without key exchange: then our KE goes for nothing.
    const bool pfs = agreement->suite.ke != crypto::KeMethod::none;
    if (pfs && agreement->suite.ke != asked.ours.method) {
        return Unexpected{"the peer chose " + name(agreement->suite.ke) + ", our KE payload was " +
                          name(asked.ours.method)};
    }
    const auto shared =
        pfs ? shared_secret(asked.ours, answer.ke) : std::optional<Secret>(Secret{});
    if (!shared) {
        return Unexpected{std::string("the peer's KE payload is missing or invalid")};
    }
    return make_child(session, context, *tunnel, std::move(*agreement),
                      {{asked.ours.nonce, nonce->data}, true, shared->reveal(), asked.replaces});
}

}  // namespace

namespace create_child {

void on_request(Session& session, Context& context, const Inbound& in) {
    if (established(session) == nullptr) {
        return context.drop(DropReason::unexpected_exchange, in.path.remote,
                            "CREATE_CHILD_SA before authentication");
    }
    rekey_ike::accept_estate(session, context);
    if (is_about_ike_sa(in.payloads)) {
        return rekey_ike::on_request(session, context, in);
    }
    answer_child(session, context, in);
}

}  // namespace create_child

namespace tasks {

Started start(Session& session, Context& context, const task::NewChild&, Wish& wish,
              std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    if (sa.successor != IkeSpi{} || sa.children.size() >= children_max) {
        return Started::moot;
    }
    return start_create(session, context, {}, wish, writes);
}

Started start(Session& session, Context& context, const task::RekeyChild& task, Wish& wish,
              std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    if (find_child(sa, task.inbound) == nullptr || is_replaced(sa, task.inbound) ||
        is_deleting(sa, task.inbound)) {
        return Started::moot;
    }
    return start_create(session, context, task.inbound, wish, writes);
}

void finish(Session& session, Context& context, const Inbound& in, in_flight::CreateChild& asked,
            std::vector<Write>& writes) {
    const auto answer = ChildPayloads::of(in.payloads);
    const Notify* error = first_error(in.payloads);
    if (!answer && error != nullptr) {
        return on_refusal(session, context, asked, *error, writes);
    }
    const auto* nonce = find_nonce(in.payloads);
    auto child = answer ? read_answer(session, context, asked, *answer, nonce)
                        : Expected<sa::ChildSaRecord, std::string>(
                              Unexpected{std::string("no SA or TS payload, and no error")});
    if (!child) {
        // The peer has made one nevertheless: it must go there too.
        report(context, session, EventKind::peer_refused,
               "the Child SA that the peer made is no good: " + child.error());
        wish_next(session, task::DeleteChildren{{asked.inbound}, true});
        if (asked.replaces != EspSpi{}) {
            refused(session, context, std::move(asked.wish));
        }
        return;
    }
    take(session, context, asked, std::move(*child), nonce->data, writes);
}

}  // namespace tasks

}  // namespace anyswan::ike
