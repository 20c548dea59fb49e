// SPDX-License-Identifier: Apache-2.0
#include "edge/replay_marks.h"

#include <algorithm>
#include <utility>

namespace anyswan::edge {

void ReplayMarks::received_here(Instant now, EspSpi spi, SequenceNumber highest) {
    Entry& entry = marks_[spi];
    entry.mark.highest = std::max(entry.mark.highest, highest);
    entry.changed = now;
    entry.here = true;
    settling_.push_back({now + settle_time, spi, highest, true});
    if (!std::exchange(entry.to_tell, true)) {
        to_tell_.push_back(spi);
    }
}

std::vector<MarkRow> ReplayMarks::heard(Instant now, std::span<const MarkRow> rows) {
    std::vector<MarkRow> news;
    for (const MarkRow& row : rows) {
        Entry& entry = marks_[row.inbound_spi];
        if (row.mark.highest > entry.settled_elsewhere) {
            // Also if we have received more ourselves since: it may be a number that we lack.
            settling_.push_back({now + settle_time, row.inbound_spi, row.mark.highest, false});
        }
        if (row.mark.highest <= entry.mark.highest && row.mark.settled <= entry.settled_elsewhere) {
            continue;
        }
        entry.mark.highest = std::max(entry.mark.highest, row.mark.highest);
        entry.mark.settled = std::max(entry.mark.settled, row.mark.settled);
        entry.settled_elsewhere = std::max(entry.settled_elsewhere, row.mark.settled);
        entry.changed = now;
        news.push_back({row.inbound_spi, {entry.mark.highest, entry.settled_elsewhere}});
    }
    return news;
}

std::vector<MarkRow> ReplayMarks::settle(Instant now) {
    std::vector<MarkRow> settled;
    while (!settling_.empty() && settling_.front().at <= now) {
        const Settling one = settling_.front();
        settling_.pop_front();
        const auto entry = marks_.find(one.spi);
        if (entry == marks_.end()) {
            continue;
        }
        esp::FleetMark& mark = entry->second.mark;
        mark.settled = std::max(mark.settled, one.highest);
        if (!one.here && one.highest > entry->second.settled_elsewhere) {
            entry->second.settled_elsewhere = one.highest;
            settled.push_back({one.spi, {mark.highest, one.highest}});
        }
    }
    return settled;
}

std::vector<MarkRow> ReplayMarks::take_received() {
    std::vector<MarkRow> rows;
    for (const EspSpi spi : std::exchange(to_tell_, {})) {
        if (const auto entry = marks_.find(spi); entry != marks_.end()) {
            entry->second.to_tell = false;
            rows.push_back({spi, {entry->second.mark.highest, SequenceNumber(0)}});
        }
    }
    return rows;
}

esp::FleetMark ReplayMarks::of(EspSpi spi) const {
    const auto entry = marks_.find(spi);
    return entry == marks_.end() ? esp::FleetMark{} : entry->second.mark;
}

std::vector<MarkRow> ReplayMarks::all() const {
    std::vector<MarkRow> rows;
    rows.reserve(marks_.size());
    for (const auto& [spi, entry] : marks_) {
        rows.push_back({spi, entry.mark});
    }
    return rows;
}

std::vector<MarkRow> ReplayMarks::received() const {
    std::vector<MarkRow> rows;
    for (const auto& [spi, entry] : marks_) {
        if (entry.here) {
            rows.push_back({spi, entry.mark});
        }
    }
    return rows;
}

void ReplayMarks::forget_unless(Instant now, const std::function<bool(EspSpi)>& known) {
    std::erase_if(marks_, [&](const auto& one) {
        return now - one.second.changed >= unknown_marks_kept && !known(one.first);
    });
}

}  // namespace anyswan::edge
