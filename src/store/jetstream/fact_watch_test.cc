// SPDX-License-Identifier: Apache-2.0
// FactWatch against a server of the test's making, whose replicas lag and whose messages get lost.
#include "store/jetstream/fact_watch.h"

#include "store/conformance.h"

namespace anyswan::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace js {
namespace {

/// Keeps what is asked; the test answers.
class FakeLink final : public Link {
public:
    bool publish(Publication publication) override {
        sent.push_back(std::move(publication));
        return true;
    }
    SubscriptionId subscribe(std::string subject) override {
        subjects.push_back(std::move(subject));
        return SubscriptionId{static_cast<std::uint32_t>(subjects.size())};
    }
    void unsubscribe(SubscriptionId) override {}
    [[nodiscard]] const std::string& reply_prefix() const override { return prefix_; }

    std::vector<Publication> sent;
    std::vector<std::string> subjects;  // the index is the subscription less one

private:
    std::string prefix_ = "_INBOX.test";
};

JetStreamConfig three_replicas() {
    JetStreamConfig config;
    config.fleet = "f";
    config.replicas = 3;
    return config;
}

class FactWatchTest : public testing::Test {
protected:
    void start(std::uint64_t last) {
        watch_.start(Revision{0}, watched_.sink());
        watch_.on_ready(info(last));
    }
    StreamInfo info(std::uint64_t last, std::string created = "monday") const {
        StreamInfo made;
        made.created = std::move(created);
        made.last_sequence = last;
        made.replicas = 3;
        return made;
    }
    /// The question asked last, which must be about `call`.
    Publication question(const std::string& call) {
        Publication last = link_.sent.empty() ? Publication{} : link_.sent.back();
        EXPECT_EQ(last.subject, "$JS.API." + call);
        return last;
    }
    void answer(const Publication& question, const std::string& json) {
        LinkMessage message;
        message.subscription = requests_.subscription();
        message.subject = question.reply;
        message.payload = to_bytes(json);
        requests_.on_message(std::move(message));
    }
    void answer_stored(std::uint64_t sequence) {
        answer(question("STREAM.MSG.GET.KV_f_facts"),
               R"({"message":{"subject":"$KV.f_facts.k.)" + std::to_string(sequence) +
                   R"(","seq":)" + std::to_string(sequence) + R"(,"data":"dg=="}})");
    }
    void answer_not_found() {
        answer(question("STREAM.MSG.GET.KV_f_facts"),
               R"({"error":{"code":404,"err_code":10037,"description":"no message found"}})");
    }
    void answer_info(std::uint64_t last) {
        answer(question("STREAM.INFO.KV_f_facts"),
               R"({"config":{},"created":"monday","state":{"last_seq":)" + std::to_string(last) +
                   "}}");
    }
    void answer_consumer(std::uint64_t pending) {
        answer(question("CONSUMER.CREATE.KV_f_facts"),
               R"({"name":"c","delivered":{"consumer_seq":0},"num_pending":)" +
                   std::to_string(pending) + "}");
    }
    /// From the consumer opened last.
    void consume(std::uint64_t sequence, std::uint64_t count, std::uint64_t pending) {
        LinkMessage message;
        message.subscription = SubscriptionId{static_cast<std::uint32_t>(link_.subjects.size())};
        message.subject = "$KV.f_facts.k." + std::to_string(sequence);
        message.reply = "$JS.ACK.KV_f_facts.c.1." + std::to_string(sequence) + "." +
                        std::to_string(count) + ".0." + std::to_string(pending);
        message.payload = to_bytes("v");
        EXPECT_TRUE(watch_.on_message(message));
    }
    void republish(std::uint64_t sequence) {
        LinkMessage message;
        message.subscription = SubscriptionId{2};  // 1 is the replies'
        message.subject = "f.facts.k." + std::to_string(sequence);
        message.sequence = sequence;
        message.payload = to_bytes("v");
        EXPECT_TRUE(watch_.on_message(message));
    }
    std::vector<std::uint64_t> delivered() const {
        std::vector<std::uint64_t> revisions;
        for (const FactEvent& event : watched_.facts) {
            revisions.push_back(event.revision.value());
        }
        return revisions;
    }

    TestLoop loop_;
    const JetStreamConfig config_ = three_replicas();
    const Names names_{config_};
    const Outlet outlet_{loop_.executor()};
    FakeLink link_;
    Requests requests_{link_};
    const Context context_{config_, names_, outlet_, link_, requests_};
    FactWatch watch_{context_};
    Watched watched_;
};

using Revisions = std::vector<std::uint64_t>;

TEST_F(FactWatchTest, AGapIsFilledBeforeWhatWaitsBehindIt) {
    start(0);
    EXPECT_EQ(watched_.snapshots.size(), 1U);
    republish(1);
    republish(4);
    republish(5);
    EXPECT_EQ(delivered(), (Revisions{1}));
    answer_stored(2);
    answer_stored(3);
    EXPECT_EQ(delivered(), (Revisions{1, 2, 3, 4, 5}));
    republish(5);
    EXPECT_EQ(watched_.facts.size(), 5U);
    EXPECT_TRUE(watch_.wants_poll()) << "an old number may be a stream that starts over";
}

TEST_F(FactWatchTest, FactsThatWereOverwrittenAreNoGap) {
    start(5);
    answer_stored(3);
    answer_not_found();
    answer_info(5);
    EXPECT_TRUE(watched_.snapshots.empty()) << "asked once more, of a leader known to be at 5";
    answer_not_found();
    EXPECT_EQ(watched_.snapshots, std::vector<Revision>{Revision{5}});
    republish(6);
    EXPECT_EQ(delivered(), (Revisions{3, 6}));
}

TEST_F(FactWatchTest, ALeaderThatIsBehindDoesNotMakeUsSkipWhatItLacks) {
    start(3);
    answer_stored(1);
    answer_not_found();
    answer_info(1);
    EXPECT_TRUE(watched_.snapshots.empty());
    watch_.on_info(info(3));  // the next poll
    answer_stored(2);
    answer_stored(3);
    EXPECT_EQ(delivered(), (Revisions{1, 2, 3}));
    EXPECT_EQ(watched_.snapshots.size(), 1U);
}

TEST_F(FactWatchTest, AConsumerOnAReplicaThatLagsIsNotTheEndOfTheSnapshot) {
    start(100);
    answer_consumer(98);
    for (std::uint64_t i = 1; i <= 98; ++i) {
        consume(i, i, 98 - i);
    }
    EXPECT_TRUE(watched_.snapshots.empty());
    answer_stored(99);
    answer_stored(100);
    EXPECT_EQ(watched_.facts.size(), 100U);
    EXPECT_EQ(watched_.snapshots, std::vector<Revision>{Revision{100}});
}

TEST_F(FactWatchTest, AnEmptyConsumerOnAReplicaThatLagsFarIsFollowedByAnother) {
    start(100);
    answer_consumer(0);
    for (std::uint64_t i = 1; i <= 32; ++i) {
        answer_stored(i);
    }
    answer_consumer(68);
    for (std::uint64_t i = 33; i <= 100; ++i) {
        consume(i, i - 32, 100 - i);
    }
    EXPECT_EQ(watched_.facts.size(), 100U);
    EXPECT_TRUE(watched_.revisions_increase());
    EXPECT_EQ(watched_.snapshots.size(), 1U);
}

TEST_F(FactWatchTest, AConsumerThatLosesAMessageIsReplacedFromWhatWasSeen) {
    start(100);
    answer_consumer(100);
    consume(1, 1, 99);
    consume(3, 3, 97);
    const Publication again = question("CONSUMER.CREATE.KV_f_facts");
    EXPECT_NE(to_string(again.payload).find(R"("opt_start_seq":2)"), std::string::npos);
    EXPECT_EQ(delivered(), (Revisions{1}));
}

TEST_F(FactWatchTest, WhatIsRepublishedDuringASnapshotComesAfterItOnce) {
    start(100);
    answer_consumer(100);
    republish(101);
    republish(102);
    for (std::uint64_t i = 1; i <= 101; ++i) {
        consume(i, i, 101 - i);
    }
    EXPECT_EQ(watched_.facts.size(), 102U);
    EXPECT_TRUE(watched_.revisions_increase());
    EXPECT_EQ(watched_.snapshots, std::vector<Revision>{Revision{102}});
}

TEST_F(FactWatchTest, ALostAnswerIsTriedAgainByTheNextPoll) {
    start(2);
    requests_.on_tick(Clock::now() + 10s);
    EXPECT_TRUE(watched_.facts.empty());
    watch_.on_info(info(2));
    answer_stored(1);
    answer_stored(2);
    EXPECT_EQ(watched_.snapshots.size(), 1U);
}

TEST_F(FactWatchTest, ANewLeaderThatIsBehindIsNoResetButAStreamMadeAnewIs) {
    start(0);
    republish(1);
    republish(2);
    watch_.on_info(info(1));
    EXPECT_TRUE(watched_.resets.empty()) << "it may be catching up";
    republish(3);
    EXPECT_EQ(watched_.facts.size(), 2U) << "nothing is believed until that is clear";
    watch_.on_info(info(3));
    // Both facts seen are looked for.
    answer_stored(1);
    answer_stored(2);
    EXPECT_EQ(delivered(), (Revisions{1, 2, 3}));
    watch_.on_info(info(3, "tuesday"));
    EXPECT_EQ(watched_.resets.size(), 1U);
}

}  // namespace
}  // namespace js
}  // namespace anyswan::store
