// SPDX-License-Identifier: Apache-2.0
#include "core/esp/replay_window.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace anyswan::esp {
namespace {

using Verdict = ReplayWindow::Verdict;

constexpr std::uint16_t window_size = 1024;
constexpr std::uint64_t w = window_size;

struct Step {
    int number;  // of the line, to be found when it fails
    std::uint64_t sequence;
    Verdict expected;
};

void run(ReplayWindow& window, std::initializer_list<Step> steps) {
    for (const Step& step : steps) {
        const SequenceNumber sequence(step.sequence);
        EXPECT_EQ(window.check(sequence), step.expected) << "step " << step.number;
        EXPECT_EQ(window.commit(sequence), step.expected) << "step " << step.number;
    }
}

TEST(ReplayWindow, NumberedTable) {
    using enum ReplayWindow::Verdict;
    ReplayWindow window(window_size);
    run(window, {
                    {1, 0, too_old},
                    {2, 1, fresh},
                    {3, 1, seen},
                    {4, 10, fresh},
                    {5, 9, fresh},
                    {6, 8, fresh},
                    {7, 8, seen},
                    {8, 9, seen},
                    {9, 10, seen},
                    // the window's far end
                    {10, w + 1, fresh},
                    {11, 1, too_old},
                    {12, 2, fresh},
                    {13, 2, seen},
                    {14, w, fresh},
                    {15, w, seen},
                    {16, w + 16, fresh},
                    {17, 3, too_old},
                    {18, 16, too_old},
                    {19, 17, fresh},
                    {20, 17, seen},
                    // a jump of several windows forgets nothing that counts
                    {21, 4 * w, fresh},
                    {22, 3 * w, too_old},
                    {23, 3 * w + 1, fresh},
                    {24, 3 * w + 1, seen},
                    {25, 4 * w - 1, fresh},
                    {26, 4 * w, seen},
                    // one more than the whole ring of words
                    {27, 4 * w + w + 64, fresh},
                    {28, 4 * w + 64, too_old},
                    {29, 4 * w + 65, fresh},
                    {30, 4 * w + 65, seen},
                });
}

TEST(ReplayWindow, WalksBothWaysThroughAWindow) {
    ReplayWindow forward(window_size);
    for (std::uint64_t i = 1; i <= 3 * w; ++i) {
        ASSERT_EQ(forward.commit(SequenceNumber(i)), Verdict::fresh) << i;
        ASSERT_EQ(forward.commit(SequenceNumber(i)), Verdict::seen) << i;
    }
    ReplayWindow backward(window_size);
    for (std::uint64_t i = w + 7; i > 7; --i) {
        ASSERT_EQ(backward.commit(SequenceNumber(i)), Verdict::fresh) << i;
    }
    EXPECT_EQ(backward.commit(SequenceNumber(7)), Verdict::too_old);
    for (std::uint64_t i = 8; i <= w + 7; ++i) {
        ASSERT_EQ(backward.commit(SequenceNumber(i)), Verdict::seen) << i;
    }
}

TEST(ReplayWindow, AgreesWithASetOfNumbers) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        constexpr std::uint16_t sizes[] = {1, 2, 32, 63, 64, 65, 128, 1000};
        for (const std::uint16_t size : sizes) {
            SCOPED_TRACE("seed " + std::to_string(seed) + " size " + std::to_string(size));
            SeededRandom random(seed);
            ReplayWindow window(size);
            std::set<std::uint64_t> received;
            std::uint64_t top = 0;
            for (int step = 0; step < 1500; ++step) {
                const std::uint64_t reach = random.below(20) == 0 ? 20U * size : size / 4U + 2U;
                const std::uint64_t back = random.below(2U * size + 1U);
                const std::uint64_t number =
                    std::max<std::uint64_t>(1, top + random.below(reach) - std::min(top, back));
                const bool expected = received.count(number) == 0 && number + size > top;
                ASSERT_EQ(window.commit(SequenceNumber(number)) == Verdict::fresh, expected)
                    << number << " top " << top;
                if (expected) {
                    received.insert(number);
                    top = std::max(top, number);
                }
            }
        }
    }
}

TEST(ReplayWindow, SizeZeroChecksNothingButFollows) {
    ReplayWindow window(0);
    EXPECT_EQ(window.commit(SequenceNumber(5)), Verdict::fresh);
    EXPECT_EQ(window.commit(SequenceNumber(5)), Verdict::fresh);
    EXPECT_EQ(window.commit(SequenceNumber(0)), Verdict::fresh);
    EXPECT_EQ(window.highest(), SequenceNumber(5));
}

TEST(ReplayWindow, CheckAloneChangesNothing) {
    ReplayWindow window(64);
    EXPECT_EQ(window.check(SequenceNumber(1000)), Verdict::fresh);
    EXPECT_EQ(window.highest(), SequenceNumber(0));
    EXPECT_EQ(window.commit(SequenceNumber(1)), Verdict::fresh);
}

TEST(ReplayWindow, AMarkLiftsTheLowerEdge) {
    ReplayWindow window(window_size);
    EXPECT_EQ(window.commit(SequenceNumber(50)), Verdict::fresh);
    window.lift({SequenceNumber(100), SequenceNumber(100)});
    EXPECT_EQ(window.commit(SequenceNumber(49)), Verdict::too_old)
        << "another edge may have had it";
    EXPECT_EQ(window.commit(SequenceNumber(100)), Verdict::too_old);
    EXPECT_EQ(window.commit(SequenceNumber(101)), Verdict::fresh);
    EXPECT_EQ(window.commit(SequenceNumber(101)), Verdict::seen);
    window.lift({SequenceNumber(60), SequenceNumber(60)});
    EXPECT_EQ(window.commit(SequenceNumber(99)), Verdict::too_old) << "a late mark lowers nothing";
    EXPECT_EQ(window.highest(), SequenceNumber(101));
}

TEST(ReplayWindow, AMarkThatHasNotSettledRefusesNoMoreThanAWindowWould) {
    ReplayWindow window(64);
    EXPECT_EQ(window.commit(SequenceNumber(90)), Verdict::fresh);
    window.lift({SequenceNumber(100), SequenceNumber(40)});
    EXPECT_EQ(window.highest(), SequenceNumber(100));
    EXPECT_EQ(window.commit(SequenceNumber(90)), Verdict::seen) << "what came here is remembered";
    EXPECT_EQ(window.commit(SequenceNumber(99)), Verdict::fresh) << "it took a longer way to us";
    EXPECT_EQ(window.commit(SequenceNumber(41)), Verdict::fresh);
    EXPECT_EQ(window.commit(SequenceNumber(40)), Verdict::too_old);
    window.lift({SequenceNumber(200), SequenceNumber(100)});
    EXPECT_EQ(window.commit(SequenceNumber(136)), Verdict::too_old) << "below the window";
    EXPECT_EQ(window.commit(SequenceNumber(137)), Verdict::fresh);
    window.lift({SequenceNumber(200), SequenceNumber(200)});
    EXPECT_EQ(window.commit(SequenceNumber(138)), Verdict::too_old);
}

TEST(ReplayWindow, AFreshWindowStartsAtTheMark) {
    ReplayWindow window(64);
    const std::uint64_t mark = (std::uint64_t{5} << 32U) + 7;
    window.lift({SequenceNumber(mark), SequenceNumber(mark)});
    EXPECT_EQ(window.infer_extended(8), SequenceNumber(mark + 1));
    EXPECT_EQ(window.commit(SequenceNumber(mark + 1)), Verdict::fresh);
}

// RFC 4303 appendix A2: T is the top, W the window.
TEST(ExtendedNumbers, CaseAWindowInsideOneBlock) {
    ReplayWindow window(64);
    const std::uint64_t block = std::uint64_t{3} << 32U;
    ASSERT_EQ(window.commit(SequenceNumber(block + 1000)), Verdict::fresh);
    EXPECT_EQ(window.infer_extended(1001), SequenceNumber(block + 1001)) << "ahead";
    EXPECT_EQ(window.infer_extended(937), SequenceNumber(block + 937)) << "lowest in the window";
    EXPECT_EQ(window.infer_extended(936), SequenceNumber(block + (std::uint64_t{1} << 32U) + 936))
        << "below the window means the next block";
    EXPECT_EQ(window.infer_extended(0xffffffff), SequenceNumber(block + 0xffffffff));
}

TEST(ExtendedNumbers, CaseBWindowSpansTwoBlocks) {
    ReplayWindow window(64);
    const std::uint64_t block = std::uint64_t{3} << 32U;
    ASSERT_EQ(window.commit(SequenceNumber(block + 10)), Verdict::fresh);
    EXPECT_EQ(window.infer_extended(11), SequenceNumber(block + 11));
    EXPECT_EQ(window.infer_extended(0xfffffff0), SequenceNumber(block - 16)) << "just before";
    EXPECT_EQ(window.infer_extended(0xffffffcb), SequenceNumber(block - 53)) << "lowest";
    EXPECT_EQ(window.infer_extended(0xffffffca), SequenceNumber(block + 0xffffffca))
        << "below the window: far ahead in this block";
}

TEST(ExtendedNumbers, FirstBlockHasNoneBeforeIt) {
    ReplayWindow window(64);
    EXPECT_EQ(window.infer_extended(1), SequenceNumber(1));
    EXPECT_EQ(window.infer_extended(0xffffffff), SequenceNumber(0xffffffff));
}

TEST(ExtendedNumbers, FollowsASenderAcrossTheBoundary) {
    constexpr std::uint16_t sizes[] = {0, 32, 1024};
    for (const std::uint16_t size : sizes) {
        ReplayWindow window(size);
        const std::uint64_t start = (std::uint64_t{1} << 32U) - 100;
        for (std::uint64_t number = start; number < start + 200; ++number) {
            ASSERT_EQ(window.infer_extended(static_cast<std::uint32_t>(number)),
                      SequenceNumber(number))
                << "size " << size;
            ASSERT_EQ(window.commit(SequenceNumber(number)), Verdict::fresh);
        }
    }
}

}  // namespace
}  // namespace anyswan::esp
