// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/replay_lift.h"

#include <gtest/gtest.h>

namespace anyswan::dataplane::xfrm {
namespace {

/// What the kernel does with a packet (net/xfrm/xfrm_replay.c, check and advance), for numbers of
/// one 2^32 block. False: dropped.
bool kernel_takes(Replay& replay, std::uint32_t number) {
    replay.bitmap.resize((replay.window + 31) / 32);
    const auto top = static_cast<std::uint32_t>(replay.received.value());
    const std::uint32_t position = (top - 1) % replay.window;
    const auto bit = [&](std::uint32_t at) { return 1U << (at & 31U); };
    std::uint32_t at = 0;
    if (number > top) {
        const std::uint32_t ahead = number - top;
        for (std::uint32_t i = 1; i < std::min(ahead, replay.window); ++i) {
            const std::uint32_t cleared = (position + i) % replay.window;
            replay.bitmap[cleared >> 5U] &= ~bit(cleared);
        }
        if (ahead >= replay.window) {
            std::ranges::fill(replay.bitmap, 0);
        }
        at = (position + ahead) % replay.window;
        replay.received = SequenceNumber((replay.received.value() >> 32U << 32U) | number);
    } else {
        const std::uint32_t behind = top - number;
        if (behind >= replay.window) {
            return false;
        }
        at = position >= behind ? position - behind : replay.window - (behind - position);
        if ((replay.bitmap[at >> 5U] & bit(at)) != 0) {
            return false;
        }
    }
    replay.bitmap[at >> 5U] |= bit(at);
    return true;
}

esp::FleetMark mark(std::uint64_t highest, std::uint64_t settled) {
    return {SequenceNumber(highest), SequenceNumber(settled)};
}

TEST(ReplayLift, WhatCameHereIsRememberedAndWhatSettledIsRefused) {
    for (const std::uint32_t window : {32U, 64U, 100U, 4096U}) {
        Replay replay;
        replay.window = window;
        for (std::uint32_t number = 1; number <= 1000; number += 2) {
            EXPECT_TRUE(kernel_takes(replay, number));
        }
        Replay next = lifted(replay, mark(1010, 0));
        EXPECT_EQ(next.received, SequenceNumber(1010));
        EXPECT_FALSE(kernel_takes(next, 999)) << window;
        EXPECT_TRUE(kernel_takes(next, 1000)) << window;
        EXPECT_TRUE(kernel_takes(next, 1010)) << window;
        EXPECT_TRUE(kernel_takes(next, 1011)) << window;
        next = lifted(next, mark(1010, 1005));
        EXPECT_EQ(next.received, SequenceNumber(1011));
        EXPECT_FALSE(kernel_takes(next, 1004)) << window;
        EXPECT_TRUE(kernel_takes(next, 1006)) << window;
        EXPECT_FALSE(kernel_takes(next, 1010)) << window;
    }
}

TEST(ReplayLift, AFreshWindowStartsAtTheMarkWithItsHighHalf) {
    Replay replay;
    replay.window = 64;
    const std::uint64_t high = std::uint64_t{3} << 32U;
    Replay next = lifted(replay, mark(high + 500, high + 490));
    EXPECT_EQ(next.received, SequenceNumber(high + 500));
    EXPECT_FALSE(kernel_takes(next, 490));
    EXPECT_TRUE(kernel_takes(next, 491));
    EXPECT_TRUE(kernel_takes(next, 501));
}

TEST(ReplayLift, AnOldMarkAndNoWindowChangeNothing) {
    Replay replay;
    replay.window = 64;
    replay.received = SequenceNumber(100);
    replay.bitmap = {0, 8};
    EXPECT_EQ(lifted(replay, mark(90, 20)), replay);
    EXPECT_EQ(lifted(Replay{}, mark(90, 20)), Replay{});
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
