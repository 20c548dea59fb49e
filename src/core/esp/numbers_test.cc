// SPDX-License-Identifier: Apache-2.0
// N1 (IVs) and N2 (sequence numbers).
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "core/esp/iv.h"
#include "core/esp/sequence.h"

namespace anyswan::esp {
namespace {

using crypto::SnId;
using Rule = SequenceAllocator::Rule;

SequenceNumber number(std::uint64_t value) {
    return SequenceNumber(value);
}

TEST(Sequence, NothingWithoutAGrant) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    EXPECT_FALSE(sequence.take().has_value());
    ASSERT_TRUE(sequence.grant(number(1), number(2)));
    EXPECT_EQ(sequence.take(), number(1));
    EXPECT_EQ(sequence.take(), number(2));
    EXPECT_FALSE(sequence.take().has_value());
    EXPECT_EQ(sequence.used_up_to(), number(2));
}

TEST(Sequence, AFollowingGrantExtends) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    ASSERT_TRUE(sequence.grant(number(1), number(10)));
    EXPECT_EQ(sequence.take(), number(1));
    ASSERT_TRUE(sequence.grant(number(11), number(20)));
    EXPECT_EQ(sequence.available(), 19U);
    EXPECT_EQ(sequence.take(), number(2));
}

TEST(Sequence, AHigherGrantSkips) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    ASSERT_TRUE(sequence.grant(number(1), number(10)));
    EXPECT_EQ(sequence.take(), number(1));
    ASSERT_TRUE(sequence.grant(number(100), number(110)));
    EXPECT_EQ(sequence.take(), number(100)) << "the peer's window has moved on";
    ASSERT_TRUE(sequence.grant(number(1), number(10)));
    EXPECT_EQ(sequence.take(), number(101)) << "an old grant seen late changes nothing";
}

TEST(Sequence, RevokedMeansNoMore) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    ASSERT_TRUE(sequence.grant(number(1), number(10)));
    EXPECT_EQ(sequence.take(), number(1));
    sequence.revoke();
    EXPECT_FALSE(sequence.take().has_value());
    EXPECT_EQ(sequence.used_up_to(), number(1));
    ASSERT_TRUE(sequence.grant(number(1), number(3)));
    EXPECT_EQ(sequence.take(), number(2)) << "1 is used for good";
}

TEST(Sequence, AsksForMoreAtHalf) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    ASSERT_TRUE(sequence.grant(number(1), number(8)));
    for (int i = 0; i < 3; ++i) {
        (void)sequence.take();
        EXPECT_FALSE(sequence.running_low());
    }
    (void)sequence.take();
    EXPECT_TRUE(sequence.running_low());
    ASSERT_TRUE(sequence.grant(number(9), number(24)));
    EXPECT_FALSE(sequence.running_low());
}

TEST(Sequence, ThirtyTwoBitsNeverWrap) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
    EXPECT_FALSE(sequence.grant(number(1), number(0x100000000)));
    EXPECT_FALSE(sequence.grant(number(0), number(5)));
    EXPECT_FALSE(sequence.grant(number(6), number(5)));
    ASSERT_TRUE(sequence.grant(number(0xfffffffe), number(0xffffffff)));
    EXPECT_EQ(sequence.take(), number(0xfffffffe));
    EXPECT_FALSE(sequence.running_low()) << "there is no more to ask for";
    EXPECT_EQ(sequence.take(), number(0xffffffff));
    EXPECT_FALSE(sequence.take().has_value());
    EXPECT_TRUE(sequence.exhausted());
    ASSERT_TRUE(sequence.grant(number(1), number(0xffffffff)));
    EXPECT_FALSE(sequence.take().has_value());
}

TEST(Sequence, SixtyFourBitsNeverWrap) {
    SequenceAllocator sequence(SnId::partially_transmitted_64, Rule::granted);
    const std::uint64_t last = ~std::uint64_t{0};
    ASSERT_TRUE(sequence.grant(number(last), number(last)));
    EXPECT_EQ(sequence.take(), number(last));
    EXPECT_FALSE(sequence.take().has_value());
    EXPECT_TRUE(sequence.exhausted());
    ASSERT_TRUE(sequence.grant(number(1), number(last)));
    EXPECT_FALSE(sequence.take().has_value());
}

TEST(Sequence, FreeRunningNeedsNoGrantAndCantBeRevoked) {
    SequenceAllocator sequence(SnId::sequential_32, Rule::free_running);
    EXPECT_EQ(sequence.take(), number(1));
    sequence.revoke();
    ASSERT_TRUE(sequence.grant(number(100), number(200)));
    EXPECT_EQ(sequence.take(), number(2));
    EXPECT_FALSE(sequence.running_low());
}

TEST(Sequence, NeverOutsideAGrantNorTwiceWhateverTheOrder) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        SequenceAllocator sequence(SnId::sequential_32, Rule::granted);
        std::set<std::uint64_t> granted;
        std::uint64_t highest = 0;
        for (int step = 0; step < 300; ++step) {
            switch (random.below(8)) {
                case 0: {
                    const std::uint64_t first = 1 + random.below(300);
                    const std::uint64_t last = first + random.below(30);
                    ASSERT_TRUE(sequence.grant(number(first), number(last)));
                    for (std::uint64_t one = first; one <= last; ++one) {
                        granted.insert(one);
                    }
                    break;
                }
                case 1:
                    sequence.revoke();
                    break;
                default:
                    if (const auto taken = sequence.take()) {
                        ASSERT_EQ(granted.count(taken->value()), 1U) << taken->value();
                        ASSERT_GT(taken->value(), highest) << "N2";
                        highest = taken->value();
                    }
            }
        }
    }
}

TEST(Iv, IncarnationLeadsTheCounter) {
    IvAllocator ivs(Incarnation(0xabcdef));
    EXPECT_EQ(ivs.take(), 0xabcdef0000000000U);
    EXPECT_EQ(ivs.take(), 0xabcdef0000000001U);
}

TEST(Iv, WorkersAndIncarnationsNeverMeet) {
    std::set<std::uint64_t> seen;
    for (const std::uint32_t incarnation : {1U, 2U, 0xffffffU}) {
        for (unsigned worker = 0; worker < 3; ++worker) {
            IvAllocator ivs(Incarnation(incarnation), worker, 3);
            for (int i = 0; i < 100; ++i) {
                EXPECT_TRUE(seen.insert(ivs.take()).second);
            }
        }
    }
}

TEST(IvDeathTest, RefusesBadIncarnationsAndExhaustion) {
    EXPECT_DEATH(IvAllocator(Incarnation(0)), "incarnation");
    EXPECT_DEATH(IvAllocator(Incarnation(0x1000000)), "incarnation");
    EXPECT_DEATH(IvAllocator(Incarnation(1), 1, 1), "worker");
    // So many workers that a slice holds two IVs.
    IvAllocator tiny(Incarnation(1), 0, 1U << 31U);
    for (int i = 0; i < 512; ++i) {
        (void)tiny.take();
    }
    EXPECT_DEATH((void)tiny.take(), "N1");
}

}  // namespace
}  // namespace anyswan::esp
