// SPDX-License-Identifier: Apache-2.0
#include "edge/replay_marks.h"

#include <gtest/gtest.h>

namespace anyswan::edge {
namespace {

constexpr Instant start{100s};
constexpr EspSpi spi(0x1000);

MarkRow row(EspSpi of, std::uint64_t highest, std::uint64_t settled = 0) {
    return {of, {SequenceNumber(highest), SequenceNumber(settled)}};
}

TEST(ReplayMarks, WhatWasReceivedHereIsToldOnceAndNotLiftedHere) {
    ReplayMarks marks;
    marks.received_here(start, spi, SequenceNumber(5));
    marks.received_here(start, spi, SequenceNumber(9));
    EXPECT_EQ(marks.take_received(), std::vector{row(spi, 9)});
    EXPECT_TRUE(marks.take_received().empty());
    EXPECT_TRUE(marks.settle(start + settle_time).empty()) << "our own window knows better";
    EXPECT_EQ(marks.all(), std::vector{row(spi, 9, 9)}) << "a newcomer's may close at once";
}

TEST(ReplayMarks, WhatOthersReceivedLiftsAtOnceAndSettlesLater) {
    ReplayMarks marks;
    const std::vector heard{row(spi, 100)};
    EXPECT_EQ(marks.heard(start, heard), heard);
    EXPECT_TRUE(marks.heard(start + 1ms, heard).empty()) << "no news";
    EXPECT_TRUE(marks.heard(start + 2ms, std::vector{row(spi, 90)}).empty()) << "late";
    const std::vector more{row(spi, 150)};
    EXPECT_EQ(marks.heard(start + 100ms, more), more);
    EXPECT_TRUE(marks.settle(start + settle_time - 1ms).empty());
    EXPECT_EQ(marks.settle(start + settle_time), std::vector{row(spi, 150, 100)});
    EXPECT_EQ(marks.settle(start + settle_time + 100ms), std::vector{row(spi, 150, 150)});
    EXPECT_TRUE(marks.take_received().empty()) << "nobody tells what he only heard";
}

TEST(ReplayMarks, WhatCameHereDoesNotHideWhatOthersReceivedBefore) {
    ReplayMarks marks;
    marks.received_here(start, spi, SequenceNumber(144));  // the route has moved to us
    EXPECT_TRUE(marks.heard(start + 1ms, std::vector{row(spi, 143)}).empty());
    EXPECT_EQ(marks.settle(start + settle_time + 1ms), std::vector{row(spi, 144, 143)})
        << "143 could be replayed to us else";
}

TEST(ReplayMarks, AnAnswerMayBringWhatHasSettledElsewhere) {
    ReplayMarks marks;
    const std::vector heard{row(spi, 100, 80)};
    EXPECT_EQ(marks.heard(start, heard), heard);
    EXPECT_EQ(marks.of(spi), heard.front().mark);
    EXPECT_EQ(marks.heard(start, std::vector{row(spi, 95, 90)}), std::vector{row(spi, 100, 90)});
}

TEST(ReplayMarks, ForgetsUnknownSpisAfterAWhile) {
    ReplayMarks marks;
    (void)marks.heard(start, std::vector{row(spi, 1), row(EspSpi(0x2000), 1)});
    const auto known = [](EspSpi one) { return one == spi; };
    marks.forget_unless(start + unknown_marks_kept - 1ms, known);
    EXPECT_EQ(marks.all().size(), 2U) << "its record may be under way";
    marks.forget_unless(start + unknown_marks_kept, known);
    EXPECT_EQ(marks.all(), std::vector{row(spi, 1)});
}

}  // namespace
}  // namespace anyswan::edge
