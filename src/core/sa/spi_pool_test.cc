// SPDX-License-Identifier: Apache-2.0
#include "core/sa/spi_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace anyswan::sa {
namespace {

class Pool : public testing::Test {
protected:
    SeededRandom random_{31};
    SpiPool pool_{random_, 1024};
};

TEST_F(Pool, WithoutABlockThereIsNothing) {
    EXPECT_EQ(pool_.allocate(), std::nullopt);
    EXPECT_TRUE(pool_.block_wanted());
}

TEST_F(Pool, HandsOutEverySpiOfItsBlocksOnce) {
    pool_.add_block(1);
    pool_.add_block(spi_block_last);
    std::set<std::uint32_t> seen;
    while (const std::optional<EspSpi> spi = pool_.allocate()) {
        EXPECT_TRUE(seen.insert(spi->value()).second);
        if (seen.size() % 2 == 0) {
            pool_.release(*spi);  // a released SPI doesn't come back
        }
    }
    EXPECT_EQ(seen.size(), 2U * 4096);
    EXPECT_EQ(*seen.begin(), 4096U);
    EXPECT_EQ(*seen.rbegin(), UINT32_MAX);
    EXPECT_EQ(pool_.free(), 0U);
    EXPECT_EQ(pool_.in_use(), 4096U);
}

TEST_F(Pool, NumbersAreSpreadOverTheBlock) {
    pool_.add_block(7);
    int ascending = 0;
    std::uint32_t last = 0;
    std::set<std::uint32_t> quarters;
    for (int i = 0; i < 200; ++i) {
        const std::uint32_t spi = pool_.allocate()->value();
        EXPECT_EQ(spi_block_of(EspSpi(spi)), 7U);
        ascending += spi > last ? 1 : 0;
        quarters.insert(spi % 4096 / 1024);
        last = spi;
    }
    EXPECT_EQ(quarters.size(), 4U);
    EXPECT_GT(ascending, 60);
    EXPECT_LT(ascending, 140);
}

TEST_F(Pool, WantsABlockBelowTheLowWaterMark) {
    pool_.add_block(2);
    for (int i = 0; i < 4096 - 1024; ++i) {
        EXPECT_FALSE(pool_.block_wanted()) << i;
        (void)pool_.allocate();
    }
    EXPECT_FALSE(pool_.block_wanted());
    (void)pool_.allocate();
    EXPECT_TRUE(pool_.block_wanted());
    pool_.add_block(3);
    EXPECT_FALSE(pool_.block_wanted());
}

TEST_F(Pool, SpisOfAnEarlierStartStayInUse) {
    pool_.add_block(5);
    const EspSpi old(5 * 4096 + 17);
    EXPECT_TRUE(pool_.mark_used(old));
    EXPECT_FALSE(pool_.mark_used(old));
    EXPECT_FALSE(pool_.mark_used(EspSpi(6 * 4096)));
    EXPECT_EQ(pool_.free(), 4095U);
    while (const std::optional<EspSpi> spi = pool_.allocate()) {
        EXPECT_NE(*spi, old);
    }
}

TEST_F(Pool, UsedUpAndEmptyBlocksAreGivenBack) {
    pool_.add_block(8);
    pool_.add_block(9);
    std::vector<EspSpi> spis;
    while (const std::optional<EspSpi> spi = pool_.allocate()) {
        spis.push_back(*spi);
    }
    for (const EspSpi spi : spis) {
        if (spi != EspSpi(8 * 4096 + 4095)) {
            pool_.release(spi);
            pool_.release(spi);
        }
    }
    EXPECT_EQ(pool_.take_spent_blocks(), std::vector<std::uint32_t>{9});
    EXPECT_TRUE(pool_.take_spent_blocks().empty());
    pool_.release(EspSpi(8 * 4096 + 4095));
    EXPECT_EQ(pool_.take_spent_blocks(), std::vector<std::uint32_t>{8});
    pool_.release(EspSpi(8 * 4096));  // heard late
    EXPECT_EQ(pool_.in_use(), 0U);
}

TEST(PoolDeathTest, BlockZeroAndDoublesAreOurBugs) {
    SeededRandom random(1);
    SpiPool pool(random, 1);
    pool.add_block(4);
    EXPECT_DEATH(pool.add_block(0), "no such SPI block");
    EXPECT_DEATH(pool.add_block(spi_block_last + 1), "no such SPI block");
    EXPECT_DEATH(pool.add_block(4), "held already");
}

}  // namespace
}  // namespace anyswan::sa
