// SPDX-License-Identifier: Apache-2.0
#include "edge/claims.h"

namespace anyswan::edge {

Claims::Claims(store::Store& store, const sa::FleetKeys& keys, Random& random)
    : store_(store), keys_(keys), random_(random) {}

void Claims::adopt(IkeSpi spi, Revision revision) {
    states_[spi].revision = revision;
    states_[spi].stored = true;
}

void Claims::put(const sa::IkeSaRecord& record, std::function<void(ClaimOutcome)> done) {
    State& state = states_[record.our_spi];
    state.jobs.push_back({record.clone(), std::move(done)});
    next(record.our_spi);
}

void Claims::next(IkeSpi spi) {
    State& state = states_[spi];
    if (state.busy || state.jobs.empty()) {
        return;
    }
    state.busy = true;
    if (state.uncertain) {
        re_read(spi);
    } else {
        swap(spi);
    }
}

void Claims::swap(IkeSpi spi) {
    State& state = states_[spi];
    const sa::IkeSaRecord& record = state.jobs.front().record;
    const std::string key = sa::ike_sa_key(spi);
    const auto on_answer = [this, spi](store::StoreResult<store::Swap> answer) {
        State& now = states_[spi];
        if (!answer) {
            now.uncertain = true;
            on_no_answer(spi);
            return;
        }
        now.stored = true;
        if (answer->won) {
            now.revision = answer->revision;
        }
        settle(spi, answer->won ? ClaimOutcome::held : ClaimOutcome::lost);
    };
    if (record.ended) {
        if (state.revision == Revision{}) {
            settle(spi, ClaimOutcome::held);
            return;
        }
        store_.delete_claim(key, state.revision, on_answer);
        return;
    }
    const sa::Version version{record.epoch,
                              record.next_request.value() + record.expected_request.value() + 1ULL};
    store_.swap_claim(key, sa::seal_record(keys_, random_, key, version, record.clone()),
                      state.revision, on_answer);
}

void Claims::settle(IkeSpi spi, ClaimOutcome outcome) {
    State& state = states_[spi];
    Job job = std::move(state.jobs.front());
    state.jobs.pop_front();
    state.busy = false;
    const bool ended = job.record.ended;
    if (outcome == ClaimOutcome::deferred) {
        state.deferred = std::move(job.record);
    } else {
        state.deferred.reset();
    }
    if (outcome == ClaimOutcome::lost || (ended && outcome == ClaimOutcome::held)) {
        // Nothing more may be written for it; jobs that waited behind have the same fate.
        std::deque<Job> rest = std::move(state.jobs);
        states_.erase(spi);
        job.done(outcome);
        for (Job& later : rest) {
            later.done(ClaimOutcome::lost);
        }
        return;
    }
    if (job.done) {
        job.done(outcome);
    }
    next(spi);
}

void Claims::on_no_answer(IkeSpi spi) {
    State& state = states_[spi];
    if (state.stored) {
        state.busy = false;  // flush() tries again
    } else {
        settle(spi, ClaimOutcome::deferred);
    }
}

void Claims::re_read(IkeSpi spi) {
    store_.read_claim(
        sa::ike_sa_key(spi), [this, spi](store::StoreResult<std::optional<store::Claim>> answer) {
            State& state = states_[spi];
            if (!answer) {
                on_no_answer(spi);
                return;
            }
            const sa::IkeSaRecord& mine = state.jobs.front().record;
            if (!*answer && state.stored) {
                settle(spi, ClaimOutcome::lost);  // another edge took it and ended it
                return;
            }
            if (!*answer) {
                state.revision = Revision{};
            } else {
                const auto opened = sa::open_record(keys_, sa::ike_sa_key(spi), (**answer).value);
                const auto* theirs =
                    opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr;
                if (theirs == nullptr || theirs->epoch != mine.epoch ||
                    theirs->owner != mine.owner) {
                    settle(spi, ClaimOutcome::lost);
                    return;
                }
                state.revision = (**answer).revision;
                state.stored = true;
            }
            state.uncertain = false;
            swap(spi);
        });
}

void Claims::flush(const std::function<void(IkeSpi)>& on_lost) {
    std::vector<IkeSpi> waiting;  // put() may end a state at once
    for (const auto& [spi, state] : states_) {
        if (!state.busy && (state.deferred || !state.jobs.empty())) {
            waiting.push_back(spi);
        }
    }
    for (const IkeSpi spi : waiting) {
        if (const auto found = states_.find(spi); found == states_.end()) {
            continue;
        } else if (!found->second.jobs.empty()) {
            next(spi);
            continue;
        }
        put(*states_.at(spi).deferred, [on_lost, spi](ClaimOutcome outcome) {
            if (outcome == ClaimOutcome::lost) {
                on_lost(spi);
            }
        });
    }
}

}  // namespace anyswan::edge
