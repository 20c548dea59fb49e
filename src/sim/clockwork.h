// SPDX-License-Identifier: Apache-2.0
// Virtual time: what is to happen, in order. Everything in a simulation runs from here, so one seed
// is one history.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/time.h"

namespace anyswan::sim {

/// Whose tasks end with it: a crashed node's never run.
using Life = std::weak_ptr<const void>;

class Clockwork {
public:
    [[nodiscard]] Instant now() const { return now_; }
    /// Tasks run so far.
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    /// Tasks of the same moment run in the order of the calls. `when` in the past is now.
    void at(Instant when, Life life, std::function<void()> task);
    void after(Duration delay, Life life, std::function<void()> task) {
        at(now_ + delay, std::move(life), std::move(task));
    }
    /// Runs the next task whose owner lives; false if there is none.
    bool step();

private:
    struct Entry {
        Instant when;
        std::uint64_t order = 0;
        Life life;
        std::function<void()> task;
    };
    struct Later {
        bool operator()(const Entry& a, const Entry& b) const {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };
    Instant now_;
    std::uint64_t steps_ = 0;
    std::uint64_t scheduled_ = 0;
    std::vector<Entry> heap_;
};

}  // namespace anyswan::sim
