// SPDX-License-Identifier: Apache-2.0
#include "edge/claims.h"

namespace anyswan::edge {

Claims::Claims(store::Store& store, const sa::FleetKeys& keys, Random& random)
    : store_(store), keys_(keys), random_(random) {}

Claims::State& Claims::state_of(IkeSpi spi) {
    const auto [found, added] = states_.try_emplace(spi);
    if (added) {
        found->second.serial = ++serials_;
    }
    return found->second;
}

Claims::State* Claims::still(IkeSpi spi, std::uint64_t serial) {
    const auto found = states_.find(spi);
    return found != states_.end() && found->second.serial == serial ? &found->second : nullptr;
}

bool Claims::stored(IkeSpi spi) const {
    const auto found = states_.find(spi);
    return found != states_.end() && found->second.stored;
}

bool Claims::settled(IkeSpi spi) const {
    const auto found = states_.find(spi);
    if (found == states_.end()) {
        return false;
    }
    const State& state = found->second;
    return state.stored && !state.uncertain && !state.busy && !state.deferred && state.jobs.empty();
}

bool Claims::in_exchange(IkeSpi spi) const {
    const auto found = states_.find(spi);
    return found != states_.end() && found->second.newest &&
           (found->second.newest->request || !found->second.newest->pending.empty());
}

void Claims::adopt(const sa::IkeSaRecord& record, Revision revision) {
    states_.erase(record.our_spi);
    State& state = state_of(record.our_spi);
    state.revision = revision;
    state.stored = true;
    state.newest = record.clone();
}

void Claims::put(const sa::IkeSaRecord& record, bool facts_durable, Done done) {
    state_of(record.our_spi)
        .jobs.push_back({record.clone(), facts_durable, false, std::move(done)});
    next(record.our_spi);
}

void Claims::next(IkeSpi spi) {
    State& state = states_.at(spi);
    if (state.busy || state.jobs.empty()) {
        return;
    }
    const Job& job = state.jobs.front();
    if (!state.stored && !job.flushed) {
        // A request that was sent and not answered may have been carried out. What is not sent has
        // not: only so we know that nobody else has the claim.
        const bool sendable = job.facts_durable && !state.deferred &&
                              store_.link_state() == store::LinkState::connected;
        if (job.record.ended || !sendable) {
            settle(spi, job.record.ended ? ClaimOutcome::held : ClaimOutcome::deferred);
            return;
        }
    }
    state.busy = true;
    if (state.uncertain) {
        re_read(spi);
    } else {
        swap(spi);
    }
}

void Claims::swap(IkeSpi spi) {
    const State& state = states_.at(spi);
    const sa::IkeSaRecord& record = state.jobs.front().record;
    if (record.ended && state.revision == Revision{}) {
        settle(spi, ClaimOutcome::held);
        return;
    }
    const std::string key = sa::ike_sa_key(spi);
    const auto on_answer = [this, spi,
                            serial = state.serial](const store::StoreResult<store::Swap>& answer) {
        if (still(spi, serial) != nullptr) {
            on_swapped(spi, answer);
        }
    };
    if (record.ended) {
        store_.delete_claim(key, state.revision, on_answer);
        return;
    }
    const sa::Version version{record.epoch,
                              record.next_request.value() + record.expected_request.value() + 1ULL};
    store_.swap_claim(key, sa::seal_record(keys_, random_, key, version, record.clone()),
                      state.revision, on_answer);
}

void Claims::on_swapped(IkeSpi spi, const store::StoreResult<store::Swap>& answer) {
    State& state = states_.at(spi);
    if (!answer) {
        on_no_answer(state);
        return;
    }
    state.stored = true;
    if (answer->won) {
        state.revision = answer->revision;
    }
    settle(spi, answer->won ? ClaimOutcome::held : ClaimOutcome::lost);
}

// `done` may end or adopt IKE SAs: nothing of the state is touched after it but by name.
void Claims::settle(IkeSpi spi, ClaimOutcome outcome) {
    State& state = states_.at(spi);
    Job job = std::move(state.jobs.front());
    state.jobs.pop_front();
    state.busy = false;
    state.deferred = outcome == ClaimOutcome::deferred;
    const bool over =
        outcome == ClaimOutcome::lost || (job.record.ended && outcome == ClaimOutcome::held);
    if (!over) {
        state.newest = std::move(job.record);
        const std::uint64_t serial = state.serial;
        job.done(outcome);
        if (still(spi, serial) != nullptr) {
            next(spi);
        }
        return;
    }
    // Nothing more may be written for it; jobs that waited behind have the same fate.
    std::deque<Job> rest = std::move(state.jobs);
    states_.erase(spi);
    job.done(outcome);
    for (Job& later : rest) {
        later.done(ClaimOutcome::lost);
    }
}

void Claims::on_no_answer(State& state) {
    state.stored = true;  // it may be
    state.uncertain = true;
    state.busy = false;  // flush() tries again
}

void Claims::re_read(IkeSpi spi) {
    store_.read_claim(sa::ike_sa_key(spi),
                      [this, spi, serial = states_.at(spi).serial](
                          const store::StoreResult<std::optional<store::Claim>>& answer) {
                          State* state = still(spi, serial);
                          if (state == nullptr) {
                              return;
                          }
                          if (!answer) {
                              on_no_answer(*state);
                              return;
                          }
                          on_read(spi, *answer);
                      });
}

void Claims::on_read(IkeSpi spi, const std::optional<store::Claim>& claim) {
    State& state = states_.at(spi);
    const sa::IkeSaRecord& mine = state.jobs.front().record;
    if (!claim && state.revision != Revision{}) {
        settle(spi, ClaimOutcome::lost);  // another edge took it and ended it
        return;
    }
    if (claim) {
        const auto opened = sa::open_record(keys_, sa::ike_sa_key(spi), claim->value);
        const auto* theirs = opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr;
        // A lower epoch than ours: the store was put back to what it had before.
        if (theirs == nullptr || theirs->epoch > mine.epoch ||
            (theirs->epoch == mine.epoch && theirs->owner != mine.owner)) {
            settle(spi, ClaimOutcome::lost);
            return;
        }
        state.revision = claim->revision;
    }
    state.uncertain = false;
    swap(spi);
}

void Claims::flush(const std::function<void(IkeSpi)>& on_lost) {
    std::vector<IkeSpi> waiting;  // done() may end a state at once
    for (const auto& [spi, state] : states_) {
        if (!state.busy && (state.deferred || !state.jobs.empty())) {
            waiting.push_back(spi);
        }
    }
    for (const IkeSpi spi : waiting) {
        const auto found = states_.find(spi);
        if (found == states_.end()) {
            continue;
        }
        State& state = found->second;
        if (state.jobs.empty() && state.newest) {
            state.jobs.push_back(
                {state.newest->clone(), true, true, [on_lost, spi](ClaimOutcome outcome) {
                     if (outcome == ClaimOutcome::lost) {
                         on_lost(spi);
                     }
                 }});
        }
        next(spi);
    }
}

void Claims::on_reset() {
    for (auto& [spi, state] : states_) {
        state.serial = ++serials_;  // answers that are under way are the old store's
        state.busy = false;
        state.revision = Revision{};
        state.uncertain = true;
        state.deferred = state.newest.has_value();
    }
}

}  // namespace anyswan::edge
