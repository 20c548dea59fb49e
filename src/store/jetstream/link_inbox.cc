// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/link_inbox.h"

#include <algorithm>

namespace anyswan::store::js {
namespace {

/// Messages waiting for the loop; more is dropped: watchers notice and fetch, the bus is lossy.
constexpr std::size_t waiting_max = 200'000;
/// Events handled in one go, before the loop's other work has its turn.
constexpr std::size_t drain_max = 256;

}  // namespace

void LinkInbox::push(LinkEvent event) {
    const std::lock_guard lock(mutex_);
    const bool is_tick = std::holds_alternative<LinkTick>(event);
    const bool is_message = std::holds_alternative<LinkMessage>(event);
    if (!outlet_.is_open() || (is_tick && tick_waits_) ||
        (is_message && events_.size() >= waiting_max)) {
        return;
    }
    tick_waits_ = tick_waits_ || is_tick;
    events_.push_back(std::move(event));
    if (!drain_posted_) {
        post_drain();
    }
}

/// With mutex_ held.
void LinkInbox::post_drain() {
    drain_posted_ = true;
    outlet_.post([self = shared_from_this()] { self->drain(); });
}

void LinkInbox::drain() {
    std::vector<LinkEvent> events;
    {
        const std::lock_guard lock(mutex_);
        const auto count = static_cast<std::ptrdiff_t>(std::min(events_.size(), drain_max));
        events.assign(std::make_move_iterator(events_.begin()),
                      std::make_move_iterator(events_.begin() + count));
        events_.erase(events_.begin(), events_.begin() + count);
        drain_posted_ = false;
        if (!events_.empty()) {
            post_drain();
        }
    }
    for (LinkEvent& event : events) {
        if (!outlet_.is_open()) {
            return;
        }
        if (std::holds_alternative<LinkTick>(event)) {
            const std::lock_guard lock(mutex_);
            tick_waits_ = false;
        }
        handler_(std::move(event));
    }
}

}  // namespace anyswan::store::js
