// SPDX-License-Identifier: Apache-2.0
// What the fleet has received on each SA (invariant N3): the highest number that any edge
// authenticated, and the highest of those that have settled, that is, are so old that nothing below
// is under way any more. Pure.
//
// A window that rose to another edge's highest number at once would drop packets that took a longer
// way while a route moved; one that stayed a window's width below for good would take a replay of
// the last packets any time later. So it follows at once, with its width, and closes after
// settle_time.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "edge/bus_messages.h"

namespace anyswan::edge {

/// Longer than packets differ in their ways to two edges, and than a mark takes to the fleet.
inline constexpr Duration settle_time = 400ms;
/// What is remembered of SPIs that this edge does not know: SAs whose records are on their way, or
/// that have ended.
inline constexpr Duration unknown_marks_kept = 60s;

class ReplayMarks {
public:
    /// Our own dataplane authenticated it.
    void received_here(Instant now, EspSpi spi, SequenceNumber highest);
    /// Other edges did. Returns those that are news, as our window is to follow them.
    [[nodiscard]] std::vector<MarkRow> heard(Instant now, std::span<const MarkRow> rows);
    /// Those of other edges that have settled since the last call.
    [[nodiscard]] std::vector<MarkRow> settle(Instant now);
    /// What was received here since the last call, for the other edges.
    [[nodiscard]] std::vector<MarkRow> take_received();

    [[nodiscard]] esp::FleetMark of(EspSpi spi) const;
    /// For an edge that has just come.
    [[nodiscard]] std::vector<MarkRow> all() const;
    /// For one that may have missed what was told from here.
    [[nodiscard]] std::vector<MarkRow> received() const;
    void forget_unless(Instant now, const std::function<bool(EspSpi)>& known);

private:
    struct Entry {
        esp::FleetMark mark;
        /// Without what was received here: our own window knows that better than a mark.
        SequenceNumber settled_elsewhere;
        Instant changed;
        bool to_tell = false;
        bool here = false;  // some of it was received here
    };
    struct Settling {
        Instant at;
        EspSpi spi;
        SequenceNumber highest;
        bool here = false;
    };
    std::unordered_map<EspSpi, Entry> marks_;
    std::deque<Settling> settling_;
    std::vector<EspSpi> to_tell_;
};

}  // namespace anyswan::edge
