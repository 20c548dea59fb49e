// SPDX-License-Identifier: Apache-2.0
// IkeSa claims: every state change of an IKE SA is one compare-and-swap, made before the datagram
// that tells the peer leaves (N4). Writes of one claim go one after another; different claims don't
// wait for each other.
//
// While the store is away, an IKE SA that the store knows waits: another edge may be taking it over
// just now, and each would tell the peer something else. One that the store has never had goes on:
// nobody else can.
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
    deferred,  // the store is away and has never had it: go on, it is written when the store is back
};

class Claims {
public:
    Claims(store::Store& store, const sa::FleetKeys& keys, Random& random);

    /// Writes the record (deletes the claim if it has ended).
    void put(const sa::IkeSaRecord& record, std::function<void(ClaimOutcome)> done);
    /// The claim of an IKE SA was read at this revision: later writes continue from there.
    void adopt(IkeSpi spi, Revision revision);
    /// The store may be back: writes what waits and what was deferred. `on_lost` hears of each
    /// deferred IKE SA that someone else took meanwhile.
    void flush(const std::function<void(IkeSpi)>& on_lost);

private:
    struct Job {
        sa::IkeSaRecord record;
        std::function<void(ClaimOutcome)> done;
    };
    struct State {
        Revision revision;
        /// The store has, or may have, a claim that others can win.
        bool stored = false;
        /// A write's fate is unknown, or one was skipped: read the claim before the next swap.
        bool uncertain = false;
        bool busy = false;
        std::deque<Job> jobs;
        /// The newest record that the store hasn't got yet.
        std::optional<sa::IkeSaRecord> deferred;
    };

    void next(IkeSpi spi);
    void swap(IkeSpi spi);
    void settle(IkeSpi spi, ClaimOutcome outcome);
    void on_no_answer(IkeSpi spi);
    void re_read(IkeSpi spi);

    store::Store& store_;
    const sa::FleetKeys& keys_;
    Random& random_;
    std::map<IkeSpi, State> states_;
};

}  // namespace anyswan::edge
