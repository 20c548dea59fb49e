// SPDX-License-Identifier: Apache-2.0
// `edge.announce_hook`: the operator's command that tells the routers of this edge. It runs off the
// loop with the argument "up" or "down", one run at a time, again and again until it succeeds.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "edge/loop.h"

namespace anyswan::edge {

class AnnounceHook {
public:
    /// Runs the command with this argument; `done` is called on the loop.
    using Run = std::function<void(const std::string& word, std::function<void(Status)> done)>;
    /// An empty `run`: there is no command, and whatever is wanted is done at once.
    AnnounceHook(Loop& loop, Run run) : run_(std::move(run)), retry_(loop) {}

    /// What the routers are to be told. While a run is under way, the newest wish waits for its
    /// end.
    void want(bool up);
    /// Told so, and nothing else wanted since.
    [[nodiscard]] bool told(bool up) const { return told_ == up && wanted_ == up && !running_; }
    /// Why the last run failed; empty: it did not.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }
    /// The daemon ends: nothing more is run. True if "down" is still to be told, once.
    [[nodiscard]] bool end();
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    void go_on();
    void on_done(bool up, const Status& status);

    Run run_;
    Timer retry_;
    std::optional<bool> wanted_;
    std::optional<bool> told_;
    bool running_ = false;
    bool ever_up_ = false;   // it may have been told so, and half-way counts
    unsigned failures_ = 0;  // in a row
    std::string trouble_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
