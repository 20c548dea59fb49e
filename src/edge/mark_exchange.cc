// SPDX-License-Identifier: Apache-2.0
#include "edge/mark_exchange.h"

#include <algorithm>

#include "edge/log.h"

namespace anyswan::edge {

namespace {

// In one message: about 100 kB, well below a store's limit.
constexpr std::size_t rows_max = 4096;
constexpr unsigned asks_max = 3;
/// Of a starting edge: one answer has all, the other what that one missed.
constexpr std::size_t asked_at_start = 2;
constexpr std::uint64_t ticks_per_ask = 3;
constexpr std::uint64_t ticks_per_tidy = 100;

}  // namespace

MarkExchange::MarkExchange(Parts parts)
    : parts_(std::move(parts)),
      timer_(parts_.loop),
      since_(parts_.loop.now().instant),
      met_(parts_.alone) {
    if (!parts_.alone) {
        timer_.every(dataplane::mark_interval, [this] { tick(); });
    }
}

void MarkExchange::on_received(const dataplane::Received& received) {
    if (!parts_.alone) {
        marks_.received_here(parts_.loop.now().instant, received.inbound_spi, received.highest);
    }
}

void MarkExchange::on_heartbeat(const Heartbeat& beat, Returned returned) {
    if (beat.id == parts_.self || !beat.in_step) {
        return;
    }
    const auto being_asked = static_cast<std::size_t>(std::ranges::count_if(
        to_ask_, [](const auto& one) { return one.second.times < asks_max; }));
    if (met_ ? returned == Returned::yes : being_asked < asked_at_start) {
        to_ask_.try_emplace(beat.id, Asked{0, met_});
    }
}

void MarkExchange::on_marks(const Marks& marks) {
    if (marks.from == parts_.self) {
        return;
    }
    counters_["replay_marks_heard"] += marks.rows.size();
    lift(marks_.heard(parts_.loop.now().instant, marks.rows));
    if (marks.answer_complete) {
        answered_ = true;
        to_ask_[marks.from].times = asks_max;  // at a start: not to be asked again
    }
}

void MarkExchange::on_ask(const AskMarks& ask) {
    const std::vector<MarkRow> rows = ask.only_own ? marks_.received() : marks_.all();
    std::size_t begin = 0;
    do {
        const std::size_t end = std::min(rows.size(), begin + rows_max);
        Marks answer;
        answer.from = parts_.self;
        answer.rows.assign(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                           rows.begin() + static_cast<std::ptrdiff_t>(end));
        // One that has just come itself can't speak for the fleet.
        answer.answer_complete = met_ && end == rows.size();
        parts_.tell(marks_subject(ask.asker), answer);
        begin = end;
    } while (begin < rows.size());
}

void MarkExchange::on_connected() {
    for (const FleetMember& member : parts_.fleet.members(parts_.loop.now().instant)) {
        if (member.last.id != parts_.self && member.last.in_step) {
            to_ask_[member.last.id] = {};
            return;
        }
    }
}

void MarkExchange::meet(std::function<void()> ready) {
    if (met_) {
        ready();
        return;
    }
    ready_ = std::move(ready);
    decide();
}

void MarkExchange::tick() {
    const Instant now = parts_.loop.now().instant;
    tell_received();
    lift(marks_.settle(now));
    if (++ticks_ % ticks_per_ask == 0) {
        ask_next();
    }
    if (ticks_ % ticks_per_tidy == 0) {
        marks_.forget_unless(now, parts_.knows);
    }
    if (!met_) {
        decide();
    }
}

void MarkExchange::tell_received() {
    const std::vector<MarkRow> rows = marks_.take_received();
    counters_["replay_marks_told"] += rows.size();
    for (std::size_t begin = 0; begin < rows.size(); begin += rows_max) {
        const std::size_t end = std::min(rows.size(), begin + rows_max);
        Marks marks;
        marks.from = parts_.self;
        marks.rows.assign(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                          rows.begin() + static_cast<std::ptrdiff_t>(end));
        parts_.tell("marks", marks);
    }
}

void MarkExchange::ask_next() {
    const Instant now = parts_.loop.now().instant;
    if (met_) {
        std::erase_if(to_ask_, [&](const auto& one) {
            return one.second.times >= asks_max || !parts_.fleet.alive(now, one.first);
        });
    }
    for (auto& [edge, asked] : to_ask_) {
        if (asked.times < asks_max) {
            ++asked.times;
            ++counters_["replay_marks_asked"];
            parts_.tell(ask_marks_subject(edge), AskMarks{parts_.self, asked.only_own});
            return;
        }
    }
}

void MarkExchange::decide() {
    if (!ready_) {
        return;
    }
    const Duration waited = parts_.loop.now().instant - since_;
    const bool nobody = to_ask_.empty() && waited >= first_after;
    const bool no_answer = !answered_ && !nobody && waited >= answer_timeout;
    if (!answered_ && !nobody && !no_answer) {
        return;
    }
    if (no_answer) {
        log::warn("replay",
                  "no edge told what the fleet has received; packets of the past can be "
                  "replayed here until their SAs are used or rekeyed");
    }
    met_ = true;
    std::exchange(ready_, nullptr)();
}

void MarkExchange::lift(const std::vector<MarkRow>& rows) {
    for (const MarkRow& row : rows) {
        parts_.lift({row.inbound_spi, row.mark});
    }
}

}  // namespace anyswan::edge
