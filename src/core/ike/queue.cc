// SPDX-License-Identifier: Apache-2.0
// The queue of our own wishes.
#include "core/ike/queue.h"

#include <algorithm>

#include "core/ike/exchange/exchange.h"
#include "core/ike/limits.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

namespace {

/// Ends come first: what is about to go needs nothing else any more.
bool ends(const Task& task) {
    return std::holds_alternative<task::DeleteIke>(task);
}

/// Then what the others' way depends on.
bool urgent(const Task& task) {
    return ends(task) || std::holds_alternative<task::UpdateAddresses>(task) ||
           std::holds_alternative<task::CheckPath>(task);
}

void enqueue(Session& session, Wish wish) {
    auto& wishes = session.in<Established>().wishes;
    auto at = wishes.end();
    if (urgent(wish.task)) {
        at = ends(wish.task) ? wishes.begin()
                             : std::find_if(wishes.begin(), wishes.end(),
                                            [](const Wish& w) { return !ends(w.task); });
    }
    wishes.insert(at, std::move(wish));
}

std::optional<Wish> take_due(Established& sa, Instant now) {
    const auto due = std::find_if(sa.wishes.begin(), sa.wishes.end(),
                                  [now](const Wish& wish) { return wish.not_before <= now; });
    if (due == sa.wishes.end()) {
        return std::nullopt;
    }
    Wish wish = std::move(*due);
    sa.wishes.erase(due);
    return wish;
}

Started start(Session& session, Context& context, Wish& wish, std::vector<Write>& writes) {
    return std::visit(
        [&](const auto& task) {
            // A copy: start() takes the wish, and the task with it, along.
            const auto copy = task;
            return tasks::start(session, context, copy, wish, writes);
        },
        wish.task);
}

/// The task that a request in flight serves.
Task task_of(const InFlight& asked) {
    struct {
        Task operator()(const in_flight::Probe&) const { return task::Probe{}; }
        Task operator()(const in_flight::CreateChild& create) const { return create.wish.task; }
        Task operator()(const in_flight::RekeyIke& rekey) const { return rekey.wish.task; }
        Task operator()(const in_flight::DeleteChildren& gone) const {
            return task::DeleteChildren{gone.inbound};
        }
        Task operator()(const in_flight::UpdateAddresses&) const { return task::UpdateAddresses{}; }
        Task operator()(const in_flight::CheckPath&) const { return task::CheckPath{}; }
        Task operator()(const in_flight::Redirect& away) const { return task::Redirect{away.to}; }
    } const visitor;
    return std::visit(visitor, asked);
}

/// From three quarters to five quarters of it, so that two sides that put each other off don't do
/// so in step for ever.
Duration jittered(Random& random, Duration base) {
    const auto half = static_cast<std::uint64_t>(base.count() / 2);
    return base * 3 / 4 + Duration(static_cast<std::int64_t>(random.below(half + 1)));
}

}  // namespace

bool wanted(const Session& session, const Task& task) {
    if (session.is<Deleting>()) {
        return ends(task);
    }
    const auto* sa = std::get_if<Established>(&session.state);
    if (sa == nullptr) {
        return false;
    }
    const auto same = [&task](const Wish& wish) { return wish.task == task; };
    return (sa->asked && task_of(*sa->asked) == task) ||
           std::any_of(sa->wishes.begin(), sa->wishes.end(), same);
}

void wish_next(Session& session, Task task) {
    if (task == Task{task::NewChild{}} || !wanted(session, task)) {
        enqueue(session, Wish{std::move(task)});
    }
}

void wish_later(Session& session, Task task, Instant not_before) {
    if (!wanted(session, task)) {
        enqueue(session, Wish{std::move(task), not_before});
    }
}

void wish_first(Session& session, Wish wish) {
    auto& wishes = session.in<Established>().wishes;
    wishes.insert(wishes.begin(), std::move(wish));
}

void wish(Session& session, Context& context, Task task) {
    if (session.is<Established>()) {
        wish_next(session, std::move(task));
        go_on(session, context, {}, Persist::nothing);
    }
}

void go_on(Session& session, Context& context, std::vector<Write> writes, Persist persist) {
    while (session.is<Established>() && !session.window.outstanding()) {
        auto wish = take_due(session.in<Established>(), context.now.instant);
        if (!wish) {
            break;
        }
        if (!urgent(wish->task) && rekey_ike::undecided(session, context)) {
            wait_a_moment(session, context, std::move(*wish));
            continue;
        }
        if (start(session, context, *wish, writes) == Started::yes) {
            return;
        }
    }
    if (persist == Persist::claim || !writes.empty()) {
        writes.emplace_back(claim_of(session, context.config));
        act(session, context, std::move(writes), {});
    }
}

void on_answer(Session& session, Context& context, const Inbound& in) {
    // RFC 7296 2.21.3: "this error notification is considered fatal in both peers, meaning that the
    // IKE SA is deleted without needing an explicit Delete payload."
    if (find_notify(in.payloads, wire::ike::NotifyType::invalid_syntax) != nullptr) {
        report(context, session, EventKind::peer_refused,
               "INVALID_SYNTAX by the peer to our " + name(in.header.exchange) +
                   " request; the IKE SA ends");
        return end_now(session, context);
    }
    std::vector<Write> writes = follow_peer(session, in.path);
    auto asked = std::exchange(session.in<Established>().asked, std::nullopt);
    if (asked) {
        std::visit([&](auto& answered) { tasks::finish(session, context, in, answered, writes); },
                   *asked);
    }
    if (session.window.outstanding()) {
        return;  // gone on already: its next IKE_FOLLOWUP_KE
    }
    // The claim must forget the request: a successor that sent it again much later might get no
    // answer, since "responders are allowed to forget the response after a timeout of several
    // minutes" (RFC 7296 2.1), and would take the peer for dead.
    go_on(session, context, std::move(writes), Persist::claim);
}

std::optional<Instant> next_wish(const Session& session) {
    const auto* sa = std::get_if<Established>(&session.state);
    if (sa == nullptr || session.window.outstanding() || sa->wishes.empty()) {
        return std::nullopt;
    }
    return std::min_element(
               sa->wishes.begin(), sa->wishes.end(),
               [](const Wish& a, const Wish& b) { return a.not_before < b.not_before; })
        ->not_before;
}

void put_off(Session& session, Context& context, Wish wish) {
    // RFC 9370 2.2.4: "If the initiator continues to receive STATE_NOT_FOUND notifications after
    // several retries, it MUST treat this situation as a fatal error and delete the IKE SA by
    // sending a DELETE payload."
    if (wish.tries >= put_off_max) {
        report(
            context, session, EventKind::peer_refused,
            "TEMPORARY_FAILURE or STATE_NOT_FOUND by the peer for minutes; our views of this IKE "
            "SA differ, so it ends");
        return wish_next(session, task::DeleteIke{});
    }
    const Duration wait = std::min(put_off_first * (1U << wish.tries), put_off_longest);
    ++wish.tries;
    wish.not_before = context.now.instant + jittered(context.random, wait);
    enqueue(session, std::move(wish));
}

void wait_a_moment(Session& session, Context& context, Wish wish) {
    wish.not_before = context.now.instant + undecided_pause;
    enqueue(session, std::move(wish));
}

void refused(Session& session, Context& context, Wish wish) {
    wish.tries = 0;
    wish.restarts = 0;
    wish.ke.reset();
    wish.not_before = context.now.instant + jittered(context.random, refused_pause);
    enqueue(session, std::move(wish));
}

}  // namespace anyswan::ike
