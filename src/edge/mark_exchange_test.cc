// SPDX-License-Identifier: Apache-2.0
#include "edge/mark_exchange.h"

#include <gtest/gtest.h>

namespace anyswan::edge {
namespace {

/// Time stands still until the test moves it.
class ManualLoop final : public Loop {
public:
    [[nodiscard]] Now now() const override { return {now_, {}}; }
    void post(std::function<void()> task) override { task(); }
    void pass(Duration time) {
        for (const Instant end = now_ + time; now_ < end; now_ = now_ + Duration(10ms)) {
            for (auto& [alarm, set] : alarms_) {
                if (set && set->first <= now_) {
                    std::exchange(set, std::nullopt)->second();
                }
            }
        }
    }

private:
    using Set = std::optional<std::pair<Instant, std::function<void()>>>;
    struct ManualAlarm final : Alarm {
        explicit ManualAlarm(ManualLoop& on) : loop(on) {}
        void set(Instant when, std::function<void()> task) override {
            loop.alarms_[this] = std::pair(when, std::move(task));
        }
        void cancel() override { loop.alarms_[this].reset(); }
        ManualLoop& loop;
    };
    [[nodiscard]] std::unique_ptr<Alarm> make_alarm() override {
        return std::make_unique<ManualAlarm>(*this);
    }
    Instant now_{100s};
    std::map<Alarm*, Set> alarms_;
};

constexpr EdgeId self(1);
constexpr EspSpi spi(0x1000);

MarkRow row(std::uint64_t highest, std::uint64_t settled = 0) {
    return {spi, {SequenceNumber(highest), SequenceNumber(settled)}};
}

class MarkExchangeTest : public testing::Test {
protected:
    void beat(EdgeId id, bool serves) {
        Heartbeat beat;
        beat.edge = std::to_string(id.value());
        beat.id = id;
        beat.in_step = serves;
        beat.incarnation = Incarnation(7);
        const Heartbeat heard = beat;
        marks_.on_heartbeat(heard, fleet_.on_heartbeat(loop_.now().instant, std::move(beat)));
    }
    template <class Message>
    [[nodiscard]] std::vector<Message> told(const std::string& subject) const {
        std::vector<Message> found;
        for (const auto& [where, body] : told_) {
            if (where == subject) {
                found.push_back(std::get<Message>(body));
            }
        }
        return found;
    }
    void begin_alone() {
        marks_.meet([this] { ready_ = true; });
        loop_.pass(first_after + 100ms);
    }
    void answer(EdgeId from, std::vector<MarkRow> rows) {
        marks_.on_marks({from, std::move(rows), true});
    }

    ManualLoop loop_;
    FleetView fleet_;
    std::vector<std::pair<std::string, BusBody>> told_;
    std::vector<dataplane::LiftReplay> lifted_;
    MarkExchange marks_{{loop_, fleet_,
                         [this](const std::string& subject, const BusBody& body) {
                             told_.emplace_back(subject, body);
                         },
                         self,
                         [this](const dataplane::LiftReplay& lift) { lifted_.push_back(lift); },
                         [](EspSpi) { return true; }}};
    bool ready_ = false;
};

TEST_F(MarkExchangeTest, TellsWhatWasReceivedInOneMessage) {
    marks_.on_received({spi, SequenceNumber(5)});
    marks_.on_received({EspSpi(0x2000), SequenceNumber(6)});
    loop_.pass(500ms);
    const auto messages = told<Marks>("marks");
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_EQ(messages[0].from, self);
    EXPECT_EQ(messages[0].rows.size(), 2U);
    EXPECT_TRUE(lifted_.empty());
}

TEST_F(MarkExchangeTest, LiftsByWhatOthersTellNowAndOnceItHasSettled) {
    marks_.on_marks({EdgeId(2), {row(50)}});
    ASSERT_EQ(lifted_.size(), 1U);
    EXPECT_EQ(lifted_[0].mark, row(50).mark);
    loop_.pass(settle_time + 200ms);
    ASSERT_EQ(lifted_.size(), 2U);
    EXPECT_EQ(lifted_[1].mark, row(50, 50).mark);
    marks_.on_marks({self, {row(60)}});
    EXPECT_EQ(lifted_.size(), 2U) << "our own word, come back";
}

TEST_F(MarkExchangeTest, TheFirstOfAFleetBeginsAloneAfterAMoment) {
    marks_.meet([this] { ready_ = true; });
    beat(EdgeId(2), false);  // starting like us
    loop_.pass(first_after - 100ms);
    EXPECT_FALSE(ready_);
    loop_.pass(200ms);
    EXPECT_TRUE(ready_);
    EXPECT_TRUE(told<AskMarks>(ask_marks_subject(EdgeId(2))).empty());
}

TEST_F(MarkExchangeTest, ANewcomerWaitsForAnAnswer) {
    marks_.meet([this] { ready_ = true; });
    beat(EdgeId(2), true);
    loop_.pass(first_after + 300ms);
    EXPECT_FALSE(ready_);
    ASSERT_FALSE(told<AskMarks>(ask_marks_subject(EdgeId(2))).empty());
    EXPECT_EQ(told<AskMarks>(ask_marks_subject(EdgeId(2)))[0].asker, self);
    answer(EdgeId(2), {row(70, 60)});
    loop_.pass(100ms);
    EXPECT_TRUE(ready_);
    EXPECT_EQ(marks_.of(spi), row(70, 60).mark);
}

TEST_F(MarkExchangeTest, ANewcomerWithoutAnAnswerBeginsAtLast) {
    marks_.meet([this] { ready_ = true; });
    for (int i = 0; i < 6; ++i) {
        beat(EdgeId(2), true);
        EXPECT_FALSE(ready_);
        loop_.pass(300ms);
    }
    loop_.pass(300ms);
    EXPECT_TRUE(ready_);
    EXPECT_EQ(told<AskMarks>(ask_marks_subject(EdgeId(2))).size(), 3U) << "it is asked again";
}

TEST_F(MarkExchangeTest, AnswersAllThatItKnows) {
    begin_alone();
    marks_.on_marks({EdgeId(2), {row(50)}});
    loop_.pass(settle_time + 100ms);
    marks_.on_ask({EdgeId(3)});
    const auto messages = told<Marks>(marks_subject(EdgeId(3)));
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_TRUE(messages[0].answer_complete);
    EXPECT_EQ(messages[0].rows, std::vector{row(50, 50)});
}

TEST_F(MarkExchangeTest, ANewcomerDoesNotSpeakForTheFleet) {
    marks_.on_ask({EdgeId(3)});
    EXPECT_FALSE(told<Marks>(marks_subject(EdgeId(3))).at(0).answer_complete);
}

TEST_F(MarkExchangeTest, TellsOneThatMissedItWhatWasReceivedHere) {
    marks_.on_marks({EdgeId(2), {row(50)}});
    marks_.on_ask({EdgeId(3), true});
    EXPECT_TRUE(told<Marks>(marks_subject(EdgeId(3))).back().rows.empty());
    marks_.on_received({spi, SequenceNumber(51)});
    marks_.on_ask({EdgeId(3), true});
    EXPECT_EQ(told<Marks>(marks_subject(EdgeId(3))).back().rows, std::vector{row(51)});
}

TEST_F(MarkExchangeTest, AnEmptyAnswerIsAnAnswer) {
    begin_alone();
    marks_.on_ask({EdgeId(3)});
    EXPECT_TRUE(told<Marks>(marks_subject(EdgeId(3))).at(0).answer_complete);
}

TEST_F(MarkExchangeTest, AsksAnEdgeThatItMissedForAWhile) {
    marks_.meet([this] { ready_ = true; });
    loop_.pass(first_after + 100ms);
    ASSERT_TRUE(ready_);
    beat(EdgeId(2), true);
    loop_.pass(1s);
    answer(EdgeId(2), {});
    const std::size_t at_first = told<AskMarks>(ask_marks_subject(EdgeId(2))).size();
    EXPECT_GE(at_first, 1U) << "what it told before we heard it is lost";
    beat(EdgeId(2), true);
    loop_.pass(1s);
    EXPECT_EQ(told<AskMarks>(ask_marks_subject(EdgeId(2))).size(), at_first) << "it told all along";
    loop_.pass(alive_timeout);
    beat(EdgeId(2), true);
    loop_.pass(300ms);
    ASSERT_EQ(told<AskMarks>(ask_marks_subject(EdgeId(2))).size(), at_first + 1);
    EXPECT_TRUE(told<AskMarks>(ask_marks_subject(EdgeId(2))).back().only_own);
    answer(EdgeId(2), {row(9, 9)});
    loop_.pass(1s);
    EXPECT_EQ(told<AskMarks>(ask_marks_subject(EdgeId(2))).size(), at_first + 1);
    EXPECT_EQ(lifted_.at(0).mark, row(9, 9).mark);
}

}  // namespace
}  // namespace anyswan::edge
