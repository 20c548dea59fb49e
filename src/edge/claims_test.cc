// SPDX-License-Identifier: Apache-2.0
// Claims hold N4: what loses the compare-and-swap is told so, and what the store has not answered
// is found out before the next swap.
#include "edge/claims.h"

#include <gtest/gtest.h>

#include "store/memory/memory.h"
#include "store/test_loop.h"

namespace anyswan::edge {
namespace {

constexpr IkeSpi spi(0x0001000000000007);

class ClaimsTest : public testing::Test {
protected:
    ClaimsTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
    }

    static sa::IkeSaRecord record(std::uint32_t expected_request, EdgeId owner = EdgeId(1)) {
        sa::IkeSaRecord record;
        record.our_spi = spi;
        record.peer_spi = IkeSpi(9);
        record.tunnel = *sa::TunnelId::parse("acme/hq");
        record.peer_id = wire::ike::Identification::from_text("hq.example");
        record.owner = owner;
        record.epoch = Epoch(1);
        record.expected_request = MessageId(expected_request);
        for (Secret* key : {&record.sk_ei, &record.sk_er}) {
            *key = Secret::copy_of(Bytes(crypto::encr_key_size(record.suite.cipher), 7));
        }
        for (Secret* key : {&record.sk_d, &record.sk_pi, &record.sk_pr}) {
            *key = Secret::copy_of(Bytes(crypto::prf_output_size(record.suite.prf), 7));
        }
        return record;
    }

    using Outcome = std::shared_ptr<std::optional<ClaimOutcome>>;
    Outcome begin_put(Claims& claims, const sa::IkeSaRecord& record, bool facts_durable = true) {
        auto outcome = std::make_shared<std::optional<ClaimOutcome>>();
        claims.put(record, facts_durable, [outcome](ClaimOutcome value) { *outcome = value; });
        return outcome;
    }
    ClaimOutcome put(Claims& claims, const sa::IkeSaRecord& record) {
        const Outcome outcome = begin_put(claims, record);
        loop_.run_until([&] { return outcome->has_value(); }, std::chrono::seconds(5));
        return outcome->value();
    }
    void flush() {
        ours_.flush([](IkeSpi) { FAIL() << "nobody took it"; });
        loop_.run_ready();
    }
    /// The other edge takes our claim, in epoch 2.
    void be_taken() {
        const auto claim = store::read(loop_, *other_store_, sa::ike_sa_key(spi));
        sa::IkeSaRecord taken = record(2, EdgeId(2));
        taken.epoch = Epoch(2);
        theirs_.adopt(taken, (**claim).revision);
        EXPECT_EQ(put(theirs_, taken), ClaimOutcome::held);
    }

    std::optional<sa::IkeSaRecord> stored() {
        auto claim = store::read(loop_, *store_, sa::ike_sa_key(spi));
        if (!claim || !*claim) {
            return std::nullopt;
        }
        auto opened = sa::open_record(keys_, sa::ike_sa_key(spi), (**claim).value);
        return std::get<sa::IkeSaRecord>(opened->record).clone();
    }

    SeededRandom random_{11};
    sa::FleetKeys keys_;
    store::TestLoop loop_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::LocalStore> store_ = hub_->connect(loop_.executor());
    std::unique_ptr<store::LocalStore> other_store_ = hub_->connect(loop_.executor());
    Claims ours_{*store_, keys_, random_};
    Claims theirs_{*other_store_, keys_, random_};
};

TEST_F(ClaimsTest, TheOwnerWritesOneStateAfterTheOther) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::held);
    EXPECT_EQ(stored()->expected_request, MessageId(3));
}

TEST_F(ClaimsTest, WhoseClaimWasTakenLoses) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    be_taken();
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::lost);
    EXPECT_EQ(stored()->owner, EdgeId(2));
}

TEST_F(ClaimsTest, WritesQueuedBehindALostOneAreLostToo) {
    EXPECT_EQ(put(theirs_, record(2, EdgeId(2))), ClaimOutcome::held);
    const Outcome first = begin_put(ours_, record(2));
    const Outcome second = begin_put(ours_, record(3));
    loop_.run_ready();
    EXPECT_EQ(*first, ClaimOutcome::lost);
    EXPECT_EQ(*second, ClaimOutcome::lost);
}

TEST_F(ClaimsTest, WhileTheStoreIsAwayWhatItKnowsWaits) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->set_leader(store::Leader::absent);
    const Outcome waiting = begin_put(ours_, record(3));
    flush();
    EXPECT_FALSE(waiting->has_value()) << "another edge may be taking it over";
    hub_->set_leader(store::Leader::present);
    EXPECT_EQ(stored()->expected_request, MessageId(2));
    flush();
    EXPECT_EQ(*waiting, ClaimOutcome::held);
    EXPECT_EQ(stored()->expected_request, MessageId(3));
}

TEST_F(ClaimsTest, WhileTheStoreIsAwayWhatItNeverHadGoesOnAndFollows) {
    hub_->set_leader(store::Leader::absent);
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::deferred);
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::deferred);
    hub_->set_leader(store::Leader::present);
    EXPECT_EQ(put(ours_, record(4)), ClaimOutcome::deferred) << "the facts have to be first";
    EXPECT_FALSE(stored().has_value());
    EXPECT_FALSE(ours_.stored(spi));
    flush();
    EXPECT_EQ(stored()->expected_request, MessageId(4));
    EXPECT_TRUE(ours_.stored(spi));
    EXPECT_EQ(put(ours_, record(5)), ClaimOutcome::held);
}

TEST_F(ClaimsTest, AClaimWhoseFactsAreNotInTheStoreIsNotThereBeforeThem) {
    const Outcome outcome = begin_put(ours_, record(2), false);
    loop_.run_ready();
    EXPECT_EQ(*outcome, ClaimOutcome::deferred);
    EXPECT_FALSE(stored().has_value());
    flush();
    EXPECT_TRUE(stored().has_value());
}

TEST_F(ClaimsTest, WhatBeganAndEndedWhileTheStoreWasAwayIsForgotten) {
    hub_->set_leader(store::Leader::absent);
    sa::IkeSaRecord ended = record(3);
    ended.ended = true;
    sa::IkeSaRecord other = record(2);
    other.our_spi = IkeSpi(0x0001000000000008);
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::deferred);
    EXPECT_EQ(put(ours_, other), ClaimOutcome::deferred);
    EXPECT_EQ(put(ours_, ended), ClaimOutcome::held);
    hub_->set_leader(store::Leader::present);
    flush();
    EXPECT_FALSE(stored().has_value());
    EXPECT_TRUE(*store::read(loop_, *store_, sa::ike_sa_key(other.our_spi)));
}

TEST_F(ClaimsTest, AFirstWriteThatMayHaveBeenCarriedOutWaits) {
    hub_->set_leader(store::Leader::silent);
    const Outcome outcome = begin_put(ours_, record(2));
    hub_->expire_held(store::Fate::carried_out);
    loop_.run_ready();
    EXPECT_FALSE(outcome->has_value()) << "others can take what may be in the store";
    hub_->set_leader(store::Leader::present);
    flush();
    EXPECT_EQ(*outcome, ClaimOutcome::held);
}

TEST_F(ClaimsTest, AFirstWriteThatWasNotCarriedOutIsWrittenAgain) {
    hub_->set_leader(store::Leader::silent);
    const Outcome outcome = begin_put(ours_, record(2));
    hub_->expire_held(store::Fate::lost);
    loop_.run_ready();
    hub_->set_leader(store::Leader::present);
    flush();
    EXPECT_EQ(*outcome, ClaimOutcome::held);
    EXPECT_TRUE(stored().has_value());
}

TEST_F(ClaimsTest, AnUnansweredWriteThatWasCarriedOutIsRecognisedAsOurs) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->set_leader(store::Leader::silent);
    const Outcome outcome = begin_put(ours_, record(3));
    hub_->expire_held(store::Fate::carried_out);
    loop_.run_ready();
    EXPECT_FALSE(outcome->has_value());
    hub_->set_leader(store::Leader::present);
    const Outcome next = begin_put(ours_, record(4));
    loop_.run_ready();
    EXPECT_EQ(*outcome, ClaimOutcome::held);
    EXPECT_EQ(*next, ClaimOutcome::held);
    EXPECT_EQ(stored()->expected_request, MessageId(4));
}

TEST_F(ClaimsTest, ATakeoverDuringAnOutageIsFoundOutBeforeAnythingIsSaid) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->cut(*store_);
    const Outcome outcome = begin_put(ours_, record(3));
    loop_.run_ready();
    be_taken();
    hub_->heal(*store_);
    flush();
    EXPECT_EQ(*outcome, ClaimOutcome::lost);
    EXPECT_EQ(stored()->owner, EdgeId(2));
}

TEST_F(ClaimsTest, AClaimThatIsGoneWasEndedByAnotherOwner) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->cut(*store_);
    const Outcome outcome = begin_put(ours_, record(3));
    loop_.run_ready();
    be_taken();
    sa::IkeSaRecord ended = record(3, EdgeId(2));
    ended.epoch = Epoch(2);
    ended.ended = true;
    EXPECT_EQ(put(theirs_, ended), ClaimOutcome::held);
    hub_->heal(*store_);
    flush();
    EXPECT_EQ(*outcome, ClaimOutcome::lost);
    EXPECT_FALSE(stored().has_value()) << "it must not come back";
}

TEST_F(ClaimsTest, WhatAStoreLostIsWrittenAgain) {
    const auto empty = hub_->take_copy();
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    const auto older = hub_->take_copy();
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::held);
    for (const auto& copy : {older, empty}) {
        hub_->go_back_to(copy);
        ours_.on_reset();
        flush();
        ASSERT_TRUE(stored().has_value());
        EXPECT_EQ(stored()->expected_request, MessageId(3));
    }
    EXPECT_EQ(put(ours_, record(4)), ClaimOutcome::held);
}

TEST_F(ClaimsTest, WhatWasForgottenIsNotWrittenAndHearsNothing) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->set_leader(store::Leader::silent);
    const Outcome outcome = begin_put(ours_, record(3));
    ours_.forget(spi);
    hub_->expire_held(store::Fate::lost);
    hub_->set_leader(store::Leader::present);
    flush();
    EXPECT_FALSE(outcome->has_value());
    EXPECT_EQ(stored()->expected_request, MessageId(2));
}

TEST_F(ClaimsTest, AnEndedIkeSaLeavesNoClaim) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    sa::IkeSaRecord ended = record(3);
    ended.ended = true;
    EXPECT_EQ(put(ours_, ended), ClaimOutcome::held);
    EXPECT_FALSE(stored().has_value());
}

}  // namespace
}  // namespace anyswan::edge
