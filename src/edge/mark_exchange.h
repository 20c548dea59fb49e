// SPDX-License-Identifier: Apache-2.0
// Replay marks between edges (invariant N3): tells the others what this edge received, about ten
// times a second and in one message, and lifts our own windows by what they tell. An edge that
// starts, or that the bus did not reach for a while, asks others for all they know; a starting one
// gives its dataplane no SA before the answer, so that no window begins at zero.
#pragma once

#include <map>

#include "dataplane/driver.h"
#include "edge/fleet_view.h"
#include "edge/loop.h"
#include "edge/replay_marks.h"

namespace anyswan::edge {

/// A starting edge that heard no serving edge for so long is the first.
inline constexpr Duration first_after = 2 * heartbeat_period + dataplane::mark_interval;
/// A starting edge begins without an answer after this, and says so.
inline constexpr Duration answer_timeout = 2s;

class MarkExchange {
public:
    struct Parts {
        Loop& loop;
        const FleetView& fleet;
        /// Sends a bus message; lossy.
        std::function<void(const std::string& subject, const BusBody&)> tell;
        EdgeId self;
        /// To our dataplane.
        std::function<void(dataplane::LiftReplay)> lift;
        std::function<bool(EspSpi)> knows;
        /// A fleet of one: nobody to tell or to ask.
        bool alone = false;
    };
    explicit MarkExchange(Parts parts);

    /// From our own dataplane.
    void on_received(const dataplane::Received& received);
    // From the bus. `returned`: FleetView::on_heartbeat() says that we had missed it.
    void on_heartbeat(const Heartbeat& beat, Returned returned);
    void on_marks(const Marks& marks);
    void on_ask(const AskMarks& ask);
    /// What was told may have been lost: asks again.
    void on_connected();

    /// Runs `ready` once the marks of the others are here, or there is nobody to ask.
    void meet(std::function<void()> ready);
    [[nodiscard]] bool met() const { return met_; }
    [[nodiscard]] esp::FleetMark of(EspSpi spi) const { return marks_.of(spi); }
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    void tick();
    void tell_received();
    void ask_next();
    void decide();
    void lift(const std::vector<MarkRow>& rows);

    Parts parts_;
    Timer timer_;
    ReplayMarks marks_;
    Instant since_;
    std::uint64_t ticks_ = 0;
    struct Asked {
        unsigned times = 0;
        bool only_own = false;
    };
    std::map<EdgeId, Asked> to_ask_;
    bool answered_ = false;
    bool met_ = false;
    std::function<void()> ready_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
