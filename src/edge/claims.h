// SPDX-License-Identifier: Apache-2.0
// IkeSa claims: every state change of an IKE SA is one compare-and-swap, made before the datagram
// that tells the peer leaves (N4). Writes of one claim go one after another; different claims don't
// wait for each other.
//
// While the store is away, an IKE SA that the store knows, or may know, waits: another edge may be
// taking it over just now, and each would tell the peer something else. One that the store has
// never had goes on: nobody else can. It is written when the store is back, after the facts that it
// names.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "core/sa/envelope.h"
#include "store/store.h"

namespace anyswan::edge {

enum class ClaimOutcome : std::uint8_t {
    held,      // written: we are the owner
    lost,      // another edge has taken the IKE SA over; say nothing more for it
    deferred,  // the store has never had it: go on, it is written when the store is back
};

class Claims {
public:
    using Done = std::function<void(ClaimOutcome)>;
    Claims(store::Store& store, const sa::FleetKeys& keys, Random& random);

    /// Writes the record (deletes the claim if it has ended). `facts_durable`: what it names is in
    /// the store; else the claim may not be there first.
    void put(const sa::IkeSaRecord& record, bool facts_durable, Done done);
    /// The claim of an IKE SA was won at this revision: later writes continue from there.
    void adopt(const sa::IkeSaRecord& record, Revision revision);
    /// The IKE SA doesn't run here any more: what was still to be written is not.
    void forget(IkeSpi spi) { states_.erase(spi); }
    /// The store may be back, and the facts are in it: writes what waits and what was deferred.
    /// `on_lost` hears of each deferred IKE SA that someone else took meanwhile.
    void flush(const std::function<void(IkeSpi)>& on_lost);
    /// The store lost what was written: flush() writes it again.
    void on_reset();
    /// Whether the store has, or may have, a claim that others can win.
    [[nodiscard]] bool stored(IkeSpi spi) const;
    /// Whether the store has the newest claim, and nothing of the IKE SA is on its way there.
    [[nodiscard]] bool settled(IkeSpi spi) const;
    /// Whether an exchange is under way, by the newest claim: a request of ours, or one of the
    /// peer's that has more parts to come.
    [[nodiscard]] bool in_exchange(IkeSpi spi) const;

private:
    struct Job {
        sa::IkeSaRecord record;
        bool facts_durable = false;
        bool flushed = false;  // by flush()
        Done done;
    };
    struct State {
        /// Tells answers for an earlier state of the same IKE SA.
        std::uint64_t serial = 0;
        /// 0: we have never seen a claim of ours in the store.
        Revision revision;
        bool stored = false;
        /// A write's fate is unknown: read the claim before the next swap.
        bool uncertain = false;
        bool busy = false;
        std::deque<Job> jobs;
        /// The newest record, and whether the store has yet to get it.
        std::optional<sa::IkeSaRecord> newest;
        bool deferred = false;
    };

    [[nodiscard]] State& state_of(IkeSpi spi);
    /// The state that asked; null if the IKE SA was given up since.
    [[nodiscard]] State* still(IkeSpi spi, std::uint64_t serial);
    void next(IkeSpi spi);
    void swap(IkeSpi spi);
    void on_swapped(IkeSpi spi, const store::StoreResult<store::Swap>& answer);
    void settle(IkeSpi spi, ClaimOutcome outcome);
    static void on_no_answer(State& state);
    void re_read(IkeSpi spi);
    void on_read(IkeSpi spi, const std::optional<store::Claim>& claim);

    store::Store& store_;
    const sa::FleetKeys& keys_;
    Random& random_;
    std::map<IkeSpi, State> states_;
    std::uint64_t serials_ = 0;
};

}  // namespace anyswan::edge
