// SPDX-License-Identifier: Apache-2.0
// Rekeying the IKE SA (RFC 7296 1.3.2, 2.18). Both roles.
//
//   HDR, SK {SA, Ni, KEi}  -->
//                                 <--  HDR, SK {SA, Nr, KEr}
//   HDR, SK {D}  -->                                            the old one; by the same side
//                                 <--  HDR, SK {}
//
// The new IKE SA is a session of its own, an heir: new SPIs, message IDs from 0, and the estate,
// the Child SAs and the Endpoint fact of the chain (Session::origin), which don't change. The old
// one is left with its successor's name and waits for its DELETE.
//
// With additional key exchanges (followup_ke.cc) the heir is made when the last one is done; until
// then there is nothing to hand over.
//
// The peer's rekey is answered by an heir that nobody has spoken to yet (Session::heir_of). It may
// stay so: its claim was written and the old one's was lost to another owner, who goes on with the
// old one and never sent that answer. Such an heir ends without touching the estate.
//
// Both rekey at once (2.8.2): each makes an heir of its own request and one of the peer's, and the
// one "containing the lowest nonce SHOULD be deleted by the node that created it, and the other
// surviving new IKE SA MUST inherit all the Child SAs". Until our answer comes, the heir of the
// peer's request is a rival, and the estate stays with the old one. The rival wins early when
//   - our request is refused ("If only one peer detects a simultaneous rekey, redundant SAs are not
//     created": the peer "SHOULD return TEMPORARY_FAILURE because it is an IKE SA that it is
//     currently trying to close"),
//   - the peer deletes the old one ("the first peer can forget its own rekey attempt"),
//   - or the peer makes or deletes SAs on the rival, which it would not do on one that is to go.
// It has lost when the peer deletes it. A rival that waits for its additional key exchanges is no
// SA yet: who loses just stops, who wins tells it no more.
#include <algorithm>

#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/offer.h"
#include "core/ike/pending.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"
#include "core/sa/weak.h"

namespace anyswan::ike {

using crypto::IkeSuite;
using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::SecurityAssociation;

namespace {

/// The suites of a tunnel that this release can run; the present one first, since rekeying need not
/// change algorithms.
std::vector<IkeSuite> suites_for(const sa::TunnelRecord& tunnel, const IkeSuite& present) {
    std::vector<IkeSuite> suites;
    for (const IkeSuite& suite : sa::ike_suites_of(tunnel)) {
        suites.insert(suite == present ? suites.begin() : suites.end(), suite);
    }
    return suites;
}

in_flight::RekeyIke* rekey_under_way(Session& session) {
    auto* sa = std::get_if<Established>(&session.state);
    return sa != nullptr && sa->asked ? std::get_if<in_flight::RekeyIke>(&*sa->asked) : nullptr;
}

/// A session that is still there and hasn't been told to go.
Session* living(Context& context, IkeSpi spi) {
    Session* session = spi == IkeSpi{} ? nullptr : context.sessions.find(spi);
    return session != nullptr && session->is<Established>() ? session : nullptr;
}

/// The old IKE SA of an heir, while it isn't known which of two heirs gets the estate.
Session* undecided_predecessor(const Session& heir, Context& context) {
    Session* old = living(context, heir.heir_of);
    const auto* rekey = old != nullptr ? rekey_under_way(*old) : nullptr;
    const bool rivals =
        rekey != nullptr && rekey->rival && rekey->rival->spi == heir.our_spi.value();
    return rivals && old->in<Established>().successor == IkeSpi{} ? old : nullptr;
}

void retire(Established& sa, const Context& context, IkeSpi successor) {
    sa.successor = successor;
    sa.retire_at = context.now.instant + retire_after;
    sa.children.clear();
    sa.awaited.clear();
}

/// The estate goes from the old IKE SA to the heir, and what we still want with it.
void hand_over(Session& old, Session& heir, Context& context) {
    Established& from = old.in<Established>();
    Established& to = heir.in<Established>();
    to.children = std::exchange(from.children, {});
    for (Wish& wish : std::exchange(from.wishes, {})) {
        if (!std::holds_alternative<task::RekeyIke>(wish.task)) {
            to.wishes.push_back(std::move(wish));
        }
    }
    retire(from, context, heir.our_spi);
    report(context, heir, EventKind::ike_sa_rekeyed,
           "IKE SA rekeyed: goes on in place of " + hex(old.our_spi) + " with " +
               std::to_string(to.children.size()) + " Child SAs, " +
               crypto::to_string(heir.channel->suite()));
}

/// The new session, once all its key exchanges are done; nothing handed over yet.
std::unique_ptr<Session> make_heir(const Session& old, const Context& context,
                                   const sa::PendingSa& pending, bool we_began) {
    const auto& agreed = std::get<sa::IkeAgreement>(pending.agreement);
    auto heir = std::make_unique<Session>();
    heir->our_spi = agreed.our_spi;
    heir->peer_spi = agreed.peer_spi;
    heir->we_initiated = we_began;
    heir->path = old.path;
    heir->nat = old.nat;
    heir->redirect_supported = old.redirect_supported;
    heir->mobility = old.mobility;
    heir->mobility.seen_as.clear();  // the hash covers the SPIs
    heir->fragmentation = old.fragmentation;
    heir->tunnel = old.tunnel;
    heir->origin = old.origin;
    heir->origin_initiated = old.origin_initiated;
    heir->assigned = old.assigned;
    // RFC 7296 2.18: "SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)" with the old SA's PRF; then
    // "SK_d, SK_ai, ... are computed from SKEYSEED as specified in Section 2.14, using SPIi, SPIr,
    // Ni, and Nr from the new exchange".
    const Channel& channel = *old.channel;
    const NoncePair nonces = nonces_of(pending);
    const Secret seed = skeyseed_rekey(channel.suite().prf, channel.keys().d.reveal(), nonces,
                                       pending.first.reveal(), pending.additional.reveal());
    heir->channel.emplace(Channel::Setup{
        agreed.suite, derive_ike_keys(agreed.suite, seed.reveal(), nonces, heir->spis()), we_began,
        Epoch(1), 0});
    heir->state = Established{established(old)->peer_id, {}, context.now.wall};
    return heir;
}

// Responder.

void send_refusal(Session& session, Context& context, const Inbound& in, Notify notify,
                  const std::string& why) {
    report(context, session, EventKind::we_refused,
           name(notify.type) + " to the peer's rekey of the IKE SA: " + why);
    respond(session, context, in, {{std::move(notify)}}, {}, Persist::claim);
}

/// Requests that no SA depends on.
bool touches_no_sa(const InFlight& asked) {
    return std::holds_alternative<in_flight::Probe>(asked) ||
           std::holds_alternative<in_flight::UpdateAddresses>(asked) ||
           std::holds_alternative<in_flight::CheckPath>(asked) ||
           std::holds_alternative<in_flight::Redirect>(asked);
}

/// RFC 7296 2.25.1 and 2.25.2; the table is in create_child.cc.
std::optional<std::string> why_not_now(Session& session) {
    const Established& sa = *established(session);
    if (session.is<Deleting>() || sa.successor != IkeSpi{}) {
        return "it was rekeyed already or is ending";
    }
    if (const auto* rekey = rekey_under_way(session)) {
        if (rekey->pending) {
            return "our own rekey is in its IKE_FOLLOWUP_KE exchanges";
        }
        return rekey->rival ? std::optional<std::string>("the peer's rekey before is undecided")
                            : std::nullopt;
    }
    if (sa.asked && !touches_no_sa(*sa.asked)) {
        return "our request about a Child SA is under way";
    }
    return std::nullopt;
}

/// The request is accepted, `pending` says how: the heir, or the first of more key exchanges.
void answer(Session& session, Context& context, const Inbound& in, wire::ike::Proposal chosen,
            sa::PendingSa pending, std::vector<Payload> payloads) {
    if (auto* ours = rekey_under_way(session)) {
        // RFC 7296 2.25.2: "it SHOULD reply as usual, and should prepare to close redundant SAs and
        // move inherited Child SAs later based on the nonces".
        ours->rival = in_flight::Rival{our_spi_of(pending), lowest_nonce(pending)};
    }
    Writer spi;
    spi.u64(our_spi_of(pending));
    chosen.spi = std::move(spi).take();
    payloads.insert(payloads.begin(), Payload{SecurityAssociation{{std::move(chosen)}}});
    std::vector<Write> writes;
    if (methods_left(pending).empty()) {
        rekey_ike::complete(session, context, pending, writes);
    } else {
        payloads.push_back(followup_ke::expect(session, context, std::move(pending)));
    }
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
}

// Initiator.

/// Of two heirs, the one that gets nothing and which we made: told to go.
void dismiss(Session& redundant, Context& context, IkeSpi successor) {
    retire(redundant.in<Established>(), context, successor);
    wish_next(redundant, task::DeleteIke{});
}

/// Two were made in place of one, or will be: true if ours is the one to go.
bool ours_is_redundant(const Session& session, Context& context, const in_flight::RekeyIke& asked) {
    return asked.rival &&
           (living(context, IkeSpi(asked.rival->spi)) != nullptr ||
            is_awaited(*established(session), asked.rival->spi)) &&
           lowest_nonce(*asked.pending) < asked.rival->lowest_nonce;
}

/// The rival has won; if it is there already, it gets the estate.
void give_way(Session& session, Context& context, const in_flight::RekeyIke& asked,
              std::vector<Write>& writes) {
    if (Session* rival = living(context, IkeSpi(asked.rival->spi))) {
        hand_over(session, *rival, context);
        writes.emplace_back(claim_of(*rival, context.config));
    }
}

/// The heir that the peer made gets nothing; it may have been told to go already.
void disinherit(Context& context, const in_flight::RekeyIke& asked, IkeSpi successor,
                std::vector<Write>& writes) {
    Session* rival = asked.rival ? context.sessions.find(IkeSpi(asked.rival->spi)) : nullptr;
    if (Established* known = rival != nullptr ? established(*rival) : nullptr) {
        retire(*known, context, successor);
        writes.emplace_back(claim_of(*rival, context.config));
    }
}

/// Our request made `made`: who gets the estate?
void settle_rekey(Session& session, Context& context, const in_flight::RekeyIke& asked,
                  Session& made, std::vector<Write>& writes) {
    const IkeSpi successor = session.in<Established>().successor;
    if (successor != IkeSpi{}) {
        // The peer has used its own already.
        dismiss(made, context, successor);
    } else if (ours_is_redundant(session, context, asked)) {
        give_way(session, context, asked, writes);
        dismiss(made, context, IkeSpi(asked.rival->spi));
    } else {
        hand_over(session, made, context);
        // The peer made it, the peer deletes it.
        disinherit(context, asked, made.our_spi, writes);
        wish_next(session, task::DeleteIke{});
    }
    writes.emplace_back(claim_of(made, context.config));
}

/// Our request was accepted; why its answer is no good, if it isn't what we asked for.
Expected<sa::PendingSa, std::string> read_answer(const Session& session, const Context& context,
                                                 const in_flight::RekeyIke& asked,
                                                 const SecurityAssociation& proposals,
                                                 const std::vector<Payload>& payloads) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    if (tunnel == nullptr) {
        return Unexpected{std::string("the tunnel was removed meanwhile")};
    }
    const auto suite = accepted(suites_for(*tunnel, session.channel->suite()), proposals);
    const auto spi = suite ? ike_spi(proposals.proposals.front()) : std::nullopt;
    if (!spi || suite->ke != asked.ours.method) {
        return Unexpected{"the peer chose " + describe(proposals) + ", which we did not offer"};
    }
    const auto* nonce = find_nonce(payloads);
    if (nonce == nullptr) {
        return Unexpected{std::string("the peer's answer has no nonce of 16 to 256 octets")};
    }
    auto shared = shared_secret(asked.ours, Message::find_in<wire::ike::KeyExchange>(payloads));
    if (!shared) {
        return Unexpected{std::string("the peer's KE payload is missing or invalid")};
    }
    return sa::PendingSa{sa::IkeAgreement{*suite, asked.our_spi, *spi},
                         {},
                         asked.ours.nonce,
                         nonce->data,
                         std::move(*shared)};
}

/// The peer has an IKE SA now, or is about to, that we can't speak on: ours is of no use to it any
/// more.
void reject(Session& session, Context& context, const std::string& why) {
    report(context, session, EventKind::peer_refused,
           "the rekeyed IKE SA that the peer made is no good, so the old one ends: " + why);
    wish_next(session, task::DeleteIke{});
}

/// An answer was good: the next key exchange, or after the last one the new IKE SA.
void proceed(Session& session, Context& context, const Inbound& in, in_flight::RekeyIke& asked,
             std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    if (methods_left(*asked.pending).empty()) {
        Session& made =
            context.sessions.add(make_heir(session, context, *asked.pending, /*we_began=*/true));
        return settle_rekey(session, context, asked, made, writes);
    }
    if (sa.successor != IkeSpi{}) {
        return;  // The peer has used its own already.
    }
    // RFC 9370 2.2.4: "the initiator of this exchange just stops the rekeying process, and it MUST
    // NOT initiate the IKE_FOLLOWUP_KE exchange."
    if (ours_is_redundant(session, context, asked)) {
        return give_way(session, context, asked, writes);
    }
    if (asked.rival) {
        forget_awaited(sa, asked.rival->spi);
    }
    if (!followup_ke::ask(session, context, asked, in, writes)) {
        reject(session, context, "the answer has no link to the next key exchange");
    }
}

bool retry_with_group(Session& session, Context& context, in_flight::RekeyIke& asked,
                      const Notify& invalid_ke) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const crypto::KeMethod group = group_asked(invalid_ke);
    if (tunnel == nullptr || group == asked.ours.method ||
        asked.wish.restarts >= create_restarts_max) {
        return false;
    }
    const auto suites = suites_for(*tunnel, session.channel->suite());
    if (std::none_of(suites.begin(), suites.end(),
                     [group](const IkeSuite& suite) { return suite.ke == group; })) {
        return false;
    }
    asked.wish.ke = group;
    ++asked.wish.restarts;
    wish_first(session, std::move(asked.wish));
    return true;
}

void on_refusal(Session& session, Context& context, in_flight::RekeyIke& asked, const Notify* error,
                std::vector<Write>& writes) {
    if (session.in<Established>().successor != IkeSpi{}) {
        return;
    }
    if (Session* rival = asked.rival ? living(context, IkeSpi(asked.rival->spi)) : nullptr) {
        hand_over(session, *rival, context);
        writes.emplace_back(claim_of(*rival, context.config));
        return;
    }
    disinherit(context, asked, session.our_spi, writes);
    if (error != nullptr && error->type == NotifyType::invalid_ke_payload &&
        retry_with_group(session, context, asked, *error)) {
        return;
    }
    // RFC 9370 2.2.4 says with STATE_NOT_FOUND what create_child.cc quotes.
    if (error != nullptr && (error->type == NotifyType::temporary_failure ||
                             error->type == NotifyType::state_not_found)) {
        return put_off(session, context, std::move(asked.wish));
    }
    report(context, session, EventKind::peer_refused,
           (error != nullptr ? name(error->type) : std::string("nothing usable")) +
               " by the peer to our rekey of the IKE SA");
    refused(session, context, std::move(asked.wish));
}

}  // namespace

namespace rekey_ike {

void on_request(Session& session, Context& context, const Inbound& in) {
    if (const auto why = why_not_now(session)) {
        return send_refusal(session, context, in, {{}, {}, NotifyType::temporary_failure, {}},
                            *why);
    }
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const auto& offered = *Message::find_in<SecurityAssociation>(in.payloads);
    auto chosen = tunnel != nullptr ? choose(suites_for(*tunnel, session.channel->suite()), offered)
                                    : std::nullopt;
    const auto peer_spi = chosen ? ike_spi(chosen->proposal) : std::nullopt;
    if (!peer_spi) {
        return send_refusal(
            session, context, in, {{}, {}, NotifyType::no_proposal_chosen, {}},
            "offered " + describe(offered) +
                (tunnel != nullptr ? "; the tunnel accepts " + describe(sa::ike_suites_of(*tunnel))
                                   : "; the tunnel was removed"));
    }
    const auto* nonce = find_nonce(in.payloads);
    const auto* ke = Message::find_in<wire::ike::KeyExchange>(in.payloads);
    if (nonce == nullptr) {
        return refuse_syntax(session, context, in, "has no nonce of 16 to 256 octets");
    }
    if (ke == nullptr || ke->method != chosen->suite.ke) {
        Writer group;
        group.u16(static_cast<std::uint16_t>(chosen->suite.ke));
        return send_refusal(session, context, in,
                            {{}, {}, NotifyType::invalid_ke_payload, std::move(group).take()},
                            "we choose " + name(chosen->suite.ke));
    }
    auto response = make_response(context.random, chosen->suite.ke, ke);
    if (!response) {
        return refuse_syntax(session, context, in, "has an invalid KE value");
    }
    answer(session, context, in, std::move(chosen->proposal),
           {sa::IkeAgreement{chosen->suite, context.sessions.new_spi(), *peer_spi},
            {},
            nonce->data,
            response->nonce,
            std::move(response->shared)},
           std::move(response->payloads));
}

void complete(Session& session, Context& context, const sa::PendingSa& pending,
              std::vector<Write>& writes) {
    Session& heir = context.sessions.add(make_heir(session, context, pending, /*we_began=*/false));
    heir.heir_of = session.our_spi;
    Established& sa = *established(session);
    if (rekey_under_way(session) != nullptr) {
        // Ours may still win. The rival's claim names the Child SAs as well, for an adopter that
        // finds it alone.
        for (const sa::ChildSaRecord& child : sa.children) {
            heir.in<Established>().children.push_back(child.clone());
        }
    } else {
        hand_over(session, heir, context);
    }
    writes.emplace_back(claim_of(heir, context.config));
}

void heard(Session& session, Context& context) {
    if (session.heir_of != IkeSpi{} && undecided_predecessor(session, context) == nullptr) {
        session.heir_of = IkeSpi{};
    }
}

void accept_estate(Session& session, Context& context) {
    if (Session* old = undecided_predecessor(session, context)) {
        hand_over(*old, session, context);
        session.heir_of = IkeSpi{};
        std::vector<Write> writes;
        writes.emplace_back(claim_of(*old, context.config));
        act(*old, context, std::move(writes), {});
    }
}

bool undecided(const Session& session, Context& context) {
    return undecided_predecessor(session, context) != nullptr ||
           peer_rekeys_ike(*established(session));
}

void bequeath(Session& session, Context& context, std::vector<Write>& writes) {
    Session* heir = nullptr;
    if (const auto* rekey = rekey_under_way(session); rekey != nullptr && rekey->rival) {
        heir = living(context, IkeSpi(rekey->rival->spi));
        if (heir != nullptr && session.in<Established>().successor == IkeSpi{}) {
            hand_over(session, *heir, context);
        }
    } else {
        // Also one that has been told to go: it ends later, and the estate with it.
        const IkeSpi successor = established(session)->successor;
        heir = successor == IkeSpi{} ? nullptr : context.sessions.find(successor);
        if (heir != nullptr && established(*heir) == nullptr) {
            heir = nullptr;
        }
    }
    if (heir != nullptr && heir->heir_of == session.our_spi) {
        heir->heir_of = IkeSpi{};
        writes.emplace_back(claim_of(*heir, context.config));
    }
}

bool owns_estate(const Session& session, Context& context) {
    if (established(session)->successor != IkeSpi{}) {
        return false;
    }
    if (session.heir_of == IkeSpi{}) {
        return true;
    }
    const Session* old = context.sessions.find(session.heir_of);
    const Established* sa = old != nullptr ? established(*old) : nullptr;
    return sa != nullptr && sa->successor == session.our_spi;
}

}  // namespace rekey_ike

namespace tasks {

Started start(Session& session, Context& context, const task::RekeyIke&, Wish& wish,
              std::vector<Write>& writes) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const std::vector<IkeSuite> suites =
        tunnel != nullptr ? suites_for(*tunnel, session.channel->suite()) : std::vector<IkeSuite>{};
    if (suites.empty() || session.in<Established>().successor != IkeSpi{}) {
        return Started::moot;
    }
    in_flight::RekeyIke asked{std::move(wish), context.sessions.new_spi(), {}, std::nullopt};
    asked.ours = make_offer(context.random, asked.wish.ke.value_or(suites.front().ke));
    std::vector<Payload> payloads{{offer(suites, asked.our_spi)}};
    for (Payload& payload : payloads_of(asked.ours)) {
        payloads.push_back(std::move(payload));
    }
    session.in<Established>().asked = std::move(asked);
    request(session, context, ExchangeType::create_child_sa, payloads, std::move(writes),
            Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context& context, const Inbound& in, in_flight::RekeyIke& asked,
            std::vector<Write>& writes) {
    if (asked.pending) {
        if (const Notify* error = first_error(in.payloads)) {
            return on_refusal(session, context, asked, error, writes);
        }
        if (!followup_ke::take(asked.ours, *asked.pending, in)) {
            return reject(session, context, "the answer to IKE_FOLLOWUP_KE is none");
        }
        return proceed(session, context, in, asked, writes);
    }
    const auto* proposals = Message::find_in<SecurityAssociation>(in.payloads);
    if (proposals == nullptr) {
        return on_refusal(session, context, asked, first_error(in.payloads), writes);
    }
    auto pending = read_answer(session, context, asked, *proposals, in.payloads);
    if (!pending) {
        return reject(session, context, pending.error());
    }
    asked.pending = std::move(*pending);
    proceed(session, context, in, asked, writes);
}

}  // namespace tasks

}  // namespace anyswan::ike
