// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA (RFC 7296 1.3): which of its three uses a request is, and two of them, a further
// Child SA and the rekey of one. Both roles. The third, the rekey of the IKE SA, is in
// rekey_ike.cc.
//
//   HDR, SK {[N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr}  -->
//                                                 <--  HDR, SK {SA, Nr, [KEr], TSi, TSr}
//   if there are additional key exchanges, N(ADDITIONAL_KEY_EXCHANGE) with it, and followup_ke.cc;
//   and a while after a rekey, by its initiator:
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
//                       | the same, in IKE_FOLLOWUP_KE       | TEMPORARY_FAILURE
//                       | (no such Child SA, none asked for) | CHILD_SA_NOT_FOUND
//                       | (no such Child SA, one asked for)  | TEMPORARY_FAILURE
//   delete a Child SA   | DELETE of that Child SA            | do it, answer without it (1.4.1)
//                       | creation of that Child SA          | answer without it, never take it
//                       | rekey of that Child SA or IKE SA   | do it
//   rekey the IKE SA    | Child SA's creation, rekey, DELETE | TEMPORARY_FAILURE
//                       | end of the IKE SA                  | TEMPORARY_FAILURE
//                       | rekey of the IKE SA                | do it, and note a rival
//                       | the same, in IKE_FOLLOWUP_KE       | TEMPORARY_FAILURE
//   delete the IKE SA   | anything                           | do it, forget ours
//
// Two rekeys of one Child SA at once leave two new ones, rivals. "If redundant SAs are created
// though such a collision, the SA created with the lowest of the four nonces used in the two
// exchanges SHOULD be closed by the endpoint that created it" (2.8.1), and the other endpoint,
// whose new SA stays, closes the old one. Who asked learns all four nonces with the answer to its
// own request; who never notices (its request came late) acts as if alone, and the refusals above
// tell the other. A rival that the peer has deleted before our answer came lost: ours stays. With
// additional key exchanges a rival is no SA yet: its initiator "just stops the rekeying process"
// (RFC 9370 2.2.4).
#include <algorithm>

#include "core/ike/child.h"
#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/offer.h"
#include "core/ike/pending.h"
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

/// RFC 9370 2.2.4: "one of the peers receives the CREATE_CHILD_SA message requesting the rekey of
/// an SA that is already being rekeyed by this peer (i.e., the CREATE_CHILD_SA exchange initiated
/// by this peer has already been completed, and the series of IKE_FOLLOWUP_KE exchanges is in
/// progress). In this case, a TEMPORARY_FAILURE notification MUST be sent".
bool follows_up_rekey(const Established& sa, EspSpi inbound) {
    const auto* ours = sa.asked ? std::get_if<in_flight::CreateChild>(&*sa.asked) : nullptr;
    return ours != nullptr && ours->pending && ours->replaces == inbound;
}

/// The Child SA that a request rekeys (0: none), if the request may be done now.
Expected<EspSpi, Refusal> judge(const Session& session, const Established& sa,
                                const std::vector<Payload>& payloads) {
    if (busy_with_ike_sa(session, sa)) {
        return Unexpected{refuse(NotifyType::temporary_failure,
                                 "the IKE SA itself is being rekeyed or ended just now")};
    }
    if (sa.awaited.size() >= awaited_max) {
        return Unexpected{
            refuse(NotifyType::temporary_failure, "the peer has " + std::to_string(awaited_max) +
                                                      " SAs to finish with IKE_FOLLOWUP_KE first")};
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
    if (follows_up_rekey(sa, child->inbound_spi)) {
        return Unexpected{refuse(NotifyType::temporary_failure,
                                 "our rekey of Child SA " + hex(child->inbound_spi) +
                                     " is in its IKE_FOLLOWUP_KE exchanges")};
    }
    if (is_deleting(sa, child->inbound_spi)) {
        return Unexpected{
            refuse(NotifyType::temporary_failure,
                   "Child SA " + hex(child->inbound_spi) + " is being deleted, or soon")};
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
void note_rival(Established& sa, const sa::PendingSa& accepted) {
    auto* ours = sa.asked ? std::get_if<in_flight::CreateChild>(&*sa.asked) : nullptr;
    if (ours != nullptr && accepted.replaces != EspSpi{} && ours->replaces == accepted.replaces) {
        ours->rival = in_flight::Rival{our_spi_of(accepted), lowest_nonce(accepted)};
    }
}

void send_refusal(Session& session, Context& context, const Inbound& in, Refusal refusal) {
    report(context, session, EventKind::we_refused,
           name(refusal.notify.type) + " to CREATE_CHILD_SA: " + refusal.why);
    respond(session, context, in, {{std::move(refusal.notify)}}, {}, Persist::claim);
}

/// The Child SA whose secrets are all there; for the edge that the one it replaces was made for.
sa::ChildSaRecord make(const Session& session, const Context& context,
                       const sa::TunnelRecord& tunnel, sa::PendingSa pending, bool we_began) {
    const Established* sa = established(session);
    const sa::ChildSaRecord* before = sa ? find_child(*sa, pending.replaces) : nullptr;
    const EdgeId made_for = before != nullptr ? before->made_for : EdgeId{};
    sa::ChildSaRecord child =
        make_child(session, context, tunnel, std::get<ChildAgreement>(std::move(pending.agreement)),
                   {nonces_of(pending), we_began, pending.first.reveal(),
                    pending.additional.reveal(), pending.replaces});
    child.made_for = made_for;
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
    auto response = make_response(context.random, accepted->agreement.suite.ke, offer->ke);
    if (!response) {
        return refuse_syntax(session, context, in, "has an invalid KE value");
    }
    std::vector<Payload> payloads = std::move(accepted->payloads);
    payloads.insert(payloads.begin() + 1, response->payloads.begin(), response->payloads.end());
    std::vector<Write> writes;
    sa::PendingSa pending{std::move(accepted->agreement), *replaces, nonce->data, response->nonce,
                          std::move(response->shared)};
    note_rival(sa, pending);
    if (methods_left(pending).empty()) {
        create_child::complete(session, context, std::move(pending), writes);
    } else {
        payloads.push_back(followup_ke::expect(session, context, std::move(pending)));
    }
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
    const sa::ChildSaRecord* child = find_child(sa, gone);
    const EdgeId made_for = child != nullptr ? child->made_for : EdgeId{};
    if (auto tombstone = bury_child(sa, gone)) {
        writes.emplace_back(std::move(*tombstone));
        wish_next(session, task::NewChild{.made_for = made_for});
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
    // RFC 9370 2.2.4: with STATE_NOT_FOUND "it MUST cancel this exchange and MUST treat the whole
    // series of exchanges started from the CREATE_CHILD_SA exchange as having failed"; it "MAY
    // start a new CREATE_CHILD_SA exchange".
    if (type == NotifyType::temporary_failure || type == NotifyType::state_not_found) {
        return put_off(session, context, std::move(asked.wish));
    }
    report(context, session, EventKind::peer_refused,
           name(type) + " by the peer to our " +
               (rekey ? "rekey of Child SA " + hex(asked.replaces) : "request for a Child SA"));
    if (type == NotifyType::child_sa_not_found) {
        return start_over(session, sa, asked.replaces, writes);
    }
    if (rekey || asked.wish.task == Task{task::NewChild{.only_first = true}}) {
        refused(session, context, std::move(asked.wish));
    }
}

/// Two were made in place of one, or will be: true if ours is the one to go.
bool ours_is_redundant(const Established& sa, const in_flight::CreateChild& asked) {
    if (!asked.rival) {
        return false;
    }
    const EspSpi rival(static_cast<std::uint32_t>(asked.rival->spi));
    const bool rival_lives = find_child(sa, rival) != nullptr || is_awaited(sa, asked.rival->spi);
    return rival_lives && lowest_nonce(*asked.pending) < asked.rival->lowest_nonce;
}

void take(Session& session, Context& context, in_flight::CreateChild& asked,
          const sa::TunnelRecord& tunnel, std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    const bool redundant = ours_is_redundant(sa, asked);
    sa::ChildSaRecord child =
        make(session, context, tunnel, std::move(*asked.pending), /*we_began=*/true);
    if (std::find(asked.gone.begin(), asked.gone.end(), child.outbound_spi) != asked.gone.end()) {
        report(context, session, EventKind::child_sa_ended,
               "Child SA " + hex(child.inbound_spi) + ": deleted by the peer before we knew it",
               child.inbound_spi);
        return;
    }
    if (const auto* fresh = std::get_if<task::NewChild>(&asked.wish.task)) {
        child.made_for = fresh->made_for;
    }
    // The peer may send on it until it hears of its end; we don't.
    child.outbound_waits = redundant;
    report_child(context, session, child);
    sa.children.push_back(without_keys(child));
    if (redundant) {
        wish_next(session, task::DeleteChildren{{child.inbound_spi}});
    } else if (find_child(sa, asked.replaces) != nullptr) {
        wish_later(session, task::DeleteChildren{{asked.replaces}},
                   context.now.instant + replaced_for);
    }
    writes.emplace_back(std::move(child));
}

/// Why the answer is no good, if it isn't what we asked for.
Expected<sa::PendingSa, std::string> read_answer(const Session& session,
                                                 const sa::TunnelRecord& tunnel,
                                                 const in_flight::CreateChild& asked,
                                                 const ChildPayloads& answer, const Nonce* nonce) {
    if (nonce == nullptr) {
        return Unexpected{std::string("the peer's answer has no nonce of 16 to 256 octets")};
    }
    auto agreement = check_child(session, tunnel, asked.inbound, answer, ChildStage::later);
    if (!agreement) {
        return Unexpected{agreement.error()};
    }
    // The responder may have chosen a suite without key exchange: then our KE goes for nothing.
    const bool pfs = agreement->suite.ke != crypto::KeMethod::none;
    if (pfs && agreement->suite.ke != asked.ours.method) {
        return Unexpected{"the peer chose " + name(agreement->suite.ke) + ", our KE payload was " +
                          name(asked.ours.method)};
    }
    auto shared = pfs ? shared_secret(asked.ours, answer.ke) : std::optional<Secret>(Secret{});
    if (!shared) {
        return Unexpected{std::string("the peer's KE payload is missing or invalid")};
    }
    return sa::PendingSa{std::move(*agreement), asked.replaces, asked.ours.nonce, nonce->data,
                         std::move(*shared)};
}

/// What the peer has made, or is about to make, is of no use to us: it must go there too.
void reject(Session& session, Context& context, in_flight::CreateChild& asked,
            const std::string& why) {
    report(context, session, EventKind::peer_refused,
           "the Child SA that the peer made is no good: " + why);
    wish_next(session, task::DeleteChildren{{asked.inbound}, true});
    if (asked.replaces != EspSpi{}) {
        refused(session, context, std::move(asked.wish));
    }
}

/// An answer was good: the next key exchange, or after the last one the Child SA.
void proceed(Session& session, Context& context, const Inbound& in, in_flight::CreateChild& asked,
             std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    if (tunnel == nullptr) {
        return reject(session, context, asked, "the tunnel was removed meanwhile");
    }
    if (methods_left(*asked.pending).empty()) {
        return take(session, context, asked, *tunnel, writes);
    }
    // RFC 9370 2.2.4: "if additional key exchanges are negotiated in the CREATE_CHILD_SA exchange
    // in which the smallest nonce is used, then, because there is nothing to delete yet, the
    // initiator of this exchange just stops the rekeying process, and it MUST NOT initiate the
    // IKE_FOLLOWUP_KE exchange."
    if (ours_is_redundant(sa, asked)) {
        return;
    }
    if (asked.rival) {
        forget_awaited(sa, asked.rival->spi);
    }
    if (!followup_ke::ask(session, context, asked, in, writes)) {
        reject(session, context, asked, "the answer has no link to the next key exchange");
    }
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

void complete(Session& session, Context& context, sa::PendingSa pending,
              std::vector<Write>& writes) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    check(tunnel != nullptr, "the tunnel of a Child SA that is made");
    sa::ChildSaRecord child =
        make(session, context, *tunnel, std::move(pending), /*we_began=*/false);
    report_child(context, session, child);
    established(session)->children.push_back(without_keys(child));
    writes.emplace_back(std::move(child));
}

}  // namespace create_child

namespace {

/// Whether that edge has one of its own; false for 0.
bool has_child_for(const Established& sa, EdgeId edge) {
    return edge != EdgeId{} && std::ranges::any_of(sa.children, [edge](const auto& child) {
               return child.made_for == edge;
           });
}

}  // namespace

namespace tasks {

Started start(Session& session, Context& context, const task::NewChild& task, Wish& wish,
              std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    if (sa.successor != IkeSpi{} || sa.children.size() >= children_max ||
        (task.only_first && !sa.children.empty()) || has_child_for(sa, task.made_for)) {
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
    if (peer_rekeys_child(sa, task.inbound)) {
        // It would say TEMPORARY_FAILURE.
        wait_a_moment(session, context, std::move(wish));
        return Started::moot;
    }
    return start_create(session, context, task.inbound, wish, writes);
}

void finish(Session& session, Context& context, const Inbound& in, in_flight::CreateChild& asked,
            std::vector<Write>& writes) {
    if (asked.pending) {
        if (const Notify* refusal = first_error(in.payloads)) {
            return on_refusal(session, context, asked, *refusal, writes);
        }
        if (!followup_ke::take(asked.ours, *asked.pending, in)) {
            return reject(session, context, asked, "the answer to IKE_FOLLOWUP_KE is none");
        }
        return proceed(session, context, in, asked, writes);
    }
    const auto answer = ChildPayloads::of(in.payloads);
    const Notify* error = first_error(in.payloads);
    if (!answer && error != nullptr) {
        return on_refusal(session, context, asked, *error, writes);
    }
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    if (!answer || tunnel == nullptr) {
        return reject(
            session, context, asked,
            !answer ? "no SA or TS payload, and no error" : "the tunnel was removed meanwhile");
    }
    auto pending = read_answer(session, *tunnel, asked, *answer, find_nonce(in.payloads));
    if (!pending) {
        return reject(session, context, asked, pending.error());
    }
    asked.pending = std::move(*pending);
    proceed(session, context, in, asked, writes);
}

}  // namespace tasks

}  // namespace anyswan::ike
