// SPDX-License-Identifier: Apache-2.0
// Timers of a session, and its end.
#include <algorithm>

#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/pending.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

namespace {

void give_up(Session& session, Context& context) {
    const std::string tries =
        std::to_string(retransmit_policy(session, context.config).tries + 1) + " tries";
    if (session.is<InitSent>()) {
        const auto refusal = session.in<InitSent>().refusal;
        report(context, session, EventKind::peer_unreachable,
               "no usable answer to IKE_SA_INIT after " + tries +
                   (refusal ? "; the peer's last word was " + name(*refusal)
                            : "; check the address, and that UDP ports 500 and 4500 get through"));
    } else if (session.is<Deleting>()) {
        report(context, session, EventKind::ike_sa_ended,
               "IKE SA ended; the peer did not answer our DELETE after " + tries);
    } else {
        report(context, session, EventKind::peer_unreachable,
               "peer does not answer after " + tries + "; the IKE SA and its Child SAs end");
    }
    end_now(session, context);
}

}  // namespace

void on_timer(Session& session, Context& context) {
    const Instant now = context.now.instant;
    if (auto* half_open = std::get_if<HalfOpen>(&session.state)) {
        if (half_open->expires <= now) {
            report(context, session, EventKind::peer_unreachable,
                   "IKE_AUTH never came after our IKE_SA_INIT response; check that UDP port 4500 "
                   "and large datagrams get through in both directions");
            end_now(session, context);
        }
        return;
    }
    if (auto* sa = std::get_if<Established>(&session.state)) {
        if (sa->successor != IkeSpi{} && sa->retire_at <= now) {
            wish_next(session, task::DeleteIke{});
        }
        go_on(session, context, {}, forget_late(session, context));
    }
    const auto& outstanding = session.window.outstanding();
    if (session.is<Ended>() || !outstanding || outstanding->due > now) {
        return;
    }
    if (!session.window.retry(now, retransmit_policy(session, context.config))) {
        return give_up(session, context);
    }
    report(context, session, EventKind::retransmission,
           name(outstanding->exchange) + " request " + std::to_string(outstanding->id.value()) +
               " sent again, try " + std::to_string(outstanding->retransmissions + 1));
    // RFC 7296 2.1: "A retransmission from the initiator MUST be bitwise identical to the original
    // request."
    act(session, context, {}, outstanding->datagrams);
}

void terminate(Session& session, Context& context) {
    if (session.is<InitSent>() || session.is<InterSent>()) {
        report(context, session, EventKind::ike_sa_ended, "given up on request before IKE_AUTH");
        end_now(session, context);
    } else if (auto* waiting = std::get_if<AuthSent>(&session.state)) {
        waiting->terminate_wanted = true;
    } else {
        wish(session, context, task::DeleteIke{});
    }
}

void probe(Session& session, Context& context) {
    if (!session.window.outstanding()) {
        wish(session, context, task::Probe{});
    }
}

void replaced(Session& session, Context& context) {
    report(context, session, EventKind::ike_sa_ended,
           "IKE SA ended: the peer began a new one with INITIAL_CONTACT");
    end_now(session, context);
}

std::optional<Instant> deadline(const Session& session) {
    if (const auto* half_open = std::get_if<HalfOpen>(&session.state)) {
        return half_open->expires;
    }
    if (const auto* ended = std::get_if<Ended>(&session.state)) {
        return ended->forget_at;
    }
    const auto& outstanding = session.window.outstanding();
    std::optional<Instant> due = outstanding ? std::optional(outstanding->due) : next_wish(session);
    const auto also = [&due](Instant other) { due = due ? std::min(*due, other) : other; };
    const auto* sa = std::get_if<Established>(&session.state);
    if (sa != nullptr && sa->successor != IkeSpi{} && !wanted(session, task::DeleteIke{})) {
        also(sa->retire_at);
    }
    if (sa != nullptr) {
        for (const Awaited& awaited : sa->awaited) {
            also(awaited.expires);
        }
    }
    return due;
}

Ending end(Session& session, Context& context) {
    Ending ending;
    bool owns = false;
    if (const Established* known = established(session)) {
        ending.persist = Persist::claim;
        rekey_ike::bequeath(session, context, ending.writes);
        owns = rekey_ike::owns_estate(session, context);
        for (const sa::ChildSaRecord& child : known->children) {
            if (owns) {
                ending.writes.emplace_back(tombstone_of(child, Drain::no));
            }
        }
    }
    become(session, Ended{context.now.instant + linger});
    session.window.completed();
    if (owns) {
        ending.writes.emplace_back(endpoint_of(session));
    }
    return ending;
}

void end_now(Session& session, Context& context) {
    Ending ending = end(session, context);
    session.in<Ended>().forget_at = context.now.instant;
    if (ending.persist == Persist::claim) {
        ending.writes.emplace_back(claim_of(session, context.config));
        act(session, context, std::move(ending.writes), {});
    }
}

}  // namespace anyswan::ike
