// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/replay_lift.h"

#include <algorithm>

namespace anyswan::dataplane::xfrm {

namespace {

constexpr std::size_t word_bits = 32;

/// Where the kernel keeps the bit of `number`: counted back from that of the highest.
std::size_t bit_of(const Replay& replay, std::uint64_t number) {
    const std::uint64_t highest = replay.received.value();
    const std::uint64_t top = (static_cast<std::uint32_t>(highest) - 1U) % replay.window;
    return static_cast<std::size_t>((top + replay.window - (highest - number)) % replay.window);
}

bool seen(const Replay& replay, std::uint64_t number) {
    if (number > replay.received.value() || replay.received.value() - number >= replay.window) {
        return false;
    }
    const std::size_t bit = bit_of(replay, number);
    return bit / word_bits < replay.bitmap.size() &&
           (replay.bitmap[bit / word_bits] >> (bit % word_bits) & 1U) != 0;
}

}  // namespace

Replay lifted(const Replay& replay, const esp::FleetMark& mark) {
    if (replay.window == 0) {
        return replay;
    }
    Replay next = replay;
    next.received = std::max({replay.received, mark.highest, mark.settled});
    next.bitmap.assign((replay.window + word_bits - 1) / word_bits, 0);
    const std::uint64_t top = next.received.value();
    const std::uint64_t lowest = top - std::min<std::uint64_t>(top, replay.window) + 1;
    bool changed = next.received != replay.received;
    for (std::uint64_t number = lowest; number <= top; ++number) {
        const bool before = seen(replay, number);
        if (before || number <= mark.settled.value()) {
            const std::size_t bit = bit_of(next, number);
            next.bitmap[bit / word_bits] |= 1U << (bit % word_bits);
            changed = changed || !before;
        }
    }
    return changed ? next : replay;
}

}  // namespace anyswan::dataplane::xfrm
