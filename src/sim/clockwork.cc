// SPDX-License-Identifier: Apache-2.0
#include "sim/clockwork.h"

#include <algorithm>

namespace anyswan::sim {

void Clockwork::at(Instant when, Life life, std::function<void()> task) {
    heap_.push_back({std::max(when, now_), scheduled_++, std::move(life), std::move(task)});
    std::push_heap(heap_.begin(), heap_.end(), Later{});
}

bool Clockwork::step() {
    while (!heap_.empty()) {
        std::pop_heap(heap_.begin(), heap_.end(), Later{});
        Entry entry = std::move(heap_.back());
        heap_.pop_back();
        now_ = entry.when;
        if (const auto alive = entry.life.lock()) {
            ++steps_;
            entry.task();
            return true;
        }
    }
    return false;
}

}  // namespace anyswan::sim
