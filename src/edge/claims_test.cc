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

    ClaimOutcome put(Claims& claims, const sa::IkeSaRecord& record) {
        std::optional<ClaimOutcome> outcome;
        claims.put(record, [&](ClaimOutcome value) { outcome = value; });
        loop_.run_until([&] { return outcome.has_value(); }, std::chrono::seconds(5));
        return outcome.value();
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
    const auto claim = store::read(loop_, *other_store_, sa::ike_sa_key(spi));
    theirs_.adopt(spi, (**claim).revision);
    EXPECT_EQ(put(theirs_, record(2, EdgeId(2))), ClaimOutcome::held);
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::lost);
    EXPECT_EQ(stored()->owner, EdgeId(2));
}

TEST_F(ClaimsTest, WritesQueuedBehindALostOneAreLostToo) {
    EXPECT_EQ(put(theirs_, record(2, EdgeId(2))), ClaimOutcome::held);
    std::vector<ClaimOutcome> outcomes;
    ours_.put(record(2), [&](ClaimOutcome value) { outcomes.push_back(value); });
    ours_.put(record(3), [&](ClaimOutcome value) { outcomes.push_back(value); });
    loop_.run_until([&] { return outcomes.size() == 2; }, std::chrono::seconds(5));
    EXPECT_EQ(outcomes, (std::vector{ClaimOutcome::lost, ClaimOutcome::lost}));
}

TEST_F(ClaimsTest, WhileTheStoreIsAwayWritesAreDeferredAndFollow) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->set_leader(store::Leader::absent);
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::deferred);
    hub_->set_leader(store::Leader::present);
    EXPECT_EQ(stored()->expected_request, MessageId(2));
    ours_.flush([](IkeSpi) { FAIL() << "nobody took it"; });
    loop_.run_ready();
    EXPECT_EQ(stored()->expected_request, MessageId(3));
}

TEST_F(ClaimsTest, WhatBeganAndEndedWhileTheStoreWasAwayIsForgotten) {
    hub_->set_leader(store::Leader::absent);
    sa::IkeSaRecord ended = record(3);
    ended.ended = true;
    sa::IkeSaRecord other = record(2);
    other.our_spi = IkeSpi(0x0001000000000008);
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::deferred);
    EXPECT_EQ(put(ours_, other), ClaimOutcome::deferred);
    EXPECT_EQ(put(ours_, ended), ClaimOutcome::deferred);
    hub_->set_leader(store::Leader::present);
    ours_.flush([](IkeSpi) { FAIL() << "nobody took it"; });
    loop_.run_ready();
    EXPECT_FALSE(stored().has_value());
    EXPECT_TRUE(*store::read(loop_, *store_, sa::ike_sa_key(other.our_spi)));
}

TEST_F(ClaimsTest, AnUnansweredWriteThatWasCarriedOutIsRecognisedAsOurs) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->set_leader(store::Leader::silent);
    std::optional<ClaimOutcome> outcome;
    ours_.put(record(3), [&](ClaimOutcome value) { outcome = value; });
    hub_->expire_held(store::Fate::carried_out);
    loop_.run_until([&] { return outcome.has_value(); }, std::chrono::seconds(5));
    EXPECT_EQ(outcome, ClaimOutcome::deferred);
    hub_->set_leader(store::Leader::present);
    EXPECT_EQ(put(ours_, record(4)), ClaimOutcome::held);
    EXPECT_EQ(stored()->expected_request, MessageId(4));
}

TEST_F(ClaimsTest, ATakeoverDuringAnOutageIsFoundOutBeforeTheNextWrite) {
    EXPECT_EQ(put(ours_, record(2)), ClaimOutcome::held);
    hub_->cut(*store_);
    EXPECT_EQ(put(ours_, record(3)), ClaimOutcome::deferred);
    const auto claim = store::read(loop_, *other_store_, sa::ike_sa_key(spi));
    theirs_.adopt(spi, (**claim).revision);
    sa::IkeSaRecord taken = record(2, EdgeId(2));
    taken.epoch = Epoch(2);
    EXPECT_EQ(put(theirs_, taken), ClaimOutcome::held);
    hub_->heal(*store_);
    std::vector<IkeSpi> lost;
    ours_.flush([&](IkeSpi which) { lost.push_back(which); });
    loop_.run_ready();
    EXPECT_EQ(lost, std::vector{spi});
    EXPECT_EQ(stored()->owner, EdgeId(2));
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
