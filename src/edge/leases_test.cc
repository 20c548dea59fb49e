// SPDX-License-Identifier: Apache-2.0
// Leases hold N2: numbers are reserved before they are granted, and an ended SA's lease stays, so
// that nobody starts over.
#include "edge/leases.h"

#include <gtest/gtest.h>

#include "store/memory/memory.h"
#include "store/test_loop.h"

namespace anyswan::edge {
namespace {

constexpr EspSpi spi(0x1001);
constexpr auto sn = crypto::SnId::sequential_32;

class LeasesTest : public testing::Test {
protected:
    LeasesTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
    }

    Leases make(store::Store& store, std::uint16_t number) {
        return Leases({store, keys_, random_,
                       [this](const std::string&, const BusBody& body) {
                           told_.push_back(std::get<LeaseTaken>(body));
                       },
                       EdgeId(number), Incarnation(number)});
    }
    std::optional<dataplane::GrantSequence> want(Leases& leases) {
        std::optional<dataplane::GrantSequence> granted;
        leases.want({spi, SequenceNumber(0), 0}, sn,
                    [&](dataplane::GrantSequence grant) { granted = grant; });
        loop_.run_ready();
        return granted;
    }

    SeededRandom random_{12};
    sa::FleetKeys keys_;
    std::vector<LeaseTaken> told_;
    store::TestLoop loop_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::LocalStore> store_ = hub_->connect(loop_.executor());
    std::unique_ptr<store::LocalStore> other_store_ = hub_->connect(loop_.executor());
    Leases ours_ = make(*store_, 1);
    Leases theirs_ = make(*other_store_, 2);
};

TEST_F(LeasesTest, ANewSenderStartsAboveTheReservation) {
    const auto first = want(ours_);
    const auto second = want(theirs_);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->first, SequenceNumber(1));
    EXPECT_GT(second->first, first->last);
    EXPECT_EQ(told_.size(), 2U);
    EXPECT_TRUE(ours_.taken_by_other(told_.back()));
    EXPECT_FALSE(ours_.held(spi));
}

TEST_F(LeasesTest, WhoHearsOfTheEndLateStillStartsAboveWhatWasUsed) {
    const auto first = want(ours_);
    ours_.forget(spi);
    loop_.run_ready();
    const auto late = want(theirs_);
    ASSERT_TRUE(first && late);
    EXPECT_GT(late->first, first->last);
}

TEST_F(LeasesTest, AnAnswerForAnEndedSaGrantsNothing) {
    bool granted = false;
    ours_.want({spi, SequenceNumber(0), 0}, sn, [&](dataplane::GrantSequence) { granted = true; });
    ours_.forget(spi);
    loop_.run_ready();
    EXPECT_FALSE(granted);
    EXPECT_FALSE(ours_.held(spi));
}

}  // namespace
}  // namespace anyswan::edge
