// SPDX-License-Identifier: Apache-2.0
#include "store/memory/memory.h"

#include "store/conformance.h"

namespace anyswan::store {
namespace {

class MemoryUnderTest final : public StoreUnderTest {
public:
    std::unique_ptr<Store> connect(Executor executor) override {
        return hub_->connect(std::move(executor));
    }
    void cut(Store& client) override { hub_->cut(dynamic_cast<LocalStore&>(client)); }
    void heal(Store& client) override { hub_->heal(dynamic_cast<LocalStore&>(client)); }

private:
    std::shared_ptr<MemoryHub> hub_ = MemoryHub::create();
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Values(StoreMaker{
                             "memory", [] { return std::make_unique<MemoryUnderTest>(); }}));

class MemoryFaults : public testing::Test {
protected:
    TestLoop loop_;
    std::shared_ptr<MemoryHub> hub_ = MemoryHub::create();
    std::unique_ptr<LocalStore> a_ = hub_->connect(loop_.executor());
    std::unique_ptr<LocalStore> b_ = hub_->connect(loop_.executor());
    Watched watched_;
};

TEST_F(MemoryFaults, ASilentLeaderHoldsRequestsUntilItSpeaks) {
    b_->watch_facts(Revision{0}, watched_.sink());
    hub_->set_leader(Leader::silent);
    std::optional<StoreResult<Revision>> result;
    a_->put_fact("k", to_bytes("v"), [&](StoreResult<Revision> r) { result.emplace(r); });
    loop_.run_ready();
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(watched_.fast.size(), 1U) << "the fast path needs no leader";
    hub_->set_leader(Leader::present);
    loop_.run_ready();
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(**result, Revision{1});
    EXPECT_EQ(watched_.facts.size(), 1U);
}

TEST_F(MemoryFaults, AnUnansweredWriteMayOrMayNotHaveHappened) {
    for (const Fate fate : {Fate::lost, Fate::carried_out}) {
        hub_->set_leader(Leader::silent);
        int unavailable = 0;
        const auto count = [&](const auto& result) {
            unavailable += !result && result.error().failure == Failure::unavailable ? 1 : 0;
        };
        a_->swap_claim("c", to_bytes("v"), Revision{0}, count);
        a_->read_claim("c", count);
        a_->list_claims("", count);
        loop_.run_ready();
        EXPECT_EQ(unavailable, 0);
        hub_->expire_held(fate);
        hub_->set_leader(Leader::present);
        loop_.run_ready();
        EXPECT_EQ(unavailable, 3);
        EXPECT_EQ(read(loop_, *b_, "c").value().has_value(), fate == Fate::carried_out);
    }
}

TEST_F(MemoryFaults, WithoutALeaderRequestsFailButTheBusWorks) {
    b_->watch_facts(Revision{0}, watched_.sink());
    int heard = 0;
    b_->subscribe("x", [&](const BusMessage&) { ++heard; });
    hub_->set_leader(Leader::absent);
    EXPECT_EQ(a_->link_state(), LinkState::disconnected);
    EXPECT_FALSE(put(loop_, *a_, "k", "v").has_value());
    a_->publish("x", {});
    loop_.run_ready();
    EXPECT_EQ(heard, 1);
    EXPECT_EQ(watched_.fast.size(), 1U);
    EXPECT_TRUE(watched_.facts.empty());
    auto late = hub_->connect(loop_.executor());
    EXPECT_EQ(late->link_state(), LinkState::disconnected);
    hub_->set_leader(Leader::present);
    EXPECT_EQ(late->link_state(), LinkState::connected);
}

TEST_F(MemoryFaults, ADroppedFastPathLeavesTheWatch) {
    b_->watch_facts(Revision{0}, watched_.sink());
    hub_->drop_fast_path();
    ASSERT_TRUE(put(loop_, *a_, "k", "v").has_value());
    loop_.run_ready();
    EXPECT_EQ(watched_.facts.size(), 1U);
    EXPECT_TRUE(watched_.fast.empty());
    hub_->restore_fast_path();
    ASSERT_TRUE(put(loop_, *a_, "k", "v").has_value());
    loop_.run_ready();
    EXPECT_EQ(watched_.fast.size(), 1U);
}

TEST_F(MemoryFaults, AStoreThatLostItsTailResetsEvenWhoWasAwayWhileItGrewAgain) {
    b_->watch_facts(Revision{0}, watched_.sink());
    ASSERT_TRUE(put(loop_, *a_, "k/1", "1").has_value());
    const auto copy = hub_->take_copy();
    ASSERT_TRUE(put(loop_, *a_, "k/2", "2").has_value());
    loop_.run_ready();
    hub_->cut(*b_);
    hub_->go_back_to(copy);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(put(loop_, *a_, "k/3", std::to_string(i)).has_value());
    }
    hub_->heal(*b_);
    loop_.run_ready();
    ASSERT_EQ(watched_.resets.size(), 1U);
    EXPECT_EQ(watched_.snapshots.size(), 2U);
    EXPECT_EQ(watched_.facts[2].key, "k/1") << "a fresh snapshot follows the reset";
    EXPECT_EQ(watched_.state().at("k/3"), "4");
    hub_->lose_everything();
    loop_.run_ready();
    EXPECT_EQ(watched_.resets.size(), 2U);
    EXPECT_EQ(watched_.snapshots.back(), Revision{0});
}

TEST_F(MemoryFaults, AWatchThatBeginsWhileCutOffStartsWhenHealed) {
    ASSERT_TRUE(put(loop_, *a_, "k", "v").has_value());
    hub_->cut(*b_);
    b_->watch_facts(Revision{0}, watched_.sink());
    loop_.run_ready();
    EXPECT_TRUE(watched_.snapshots.empty());
    hub_->heal(*b_);
    loop_.run_ready();
    EXPECT_EQ(watched_.snapshots.size(), 1U);
    EXPECT_EQ(watched_.facts.size(), 1U);
}

}  // namespace
}  // namespace anyswan::store
