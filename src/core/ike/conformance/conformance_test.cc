// SPDX-License-Identifier: Apache-2.0
// The table of refusals: each row sends one malformed or forbidden message to a real engine in a
// real situation, and checks three things: how it reacts (the exact answer, or silence), which
// counter or event tells the operator, and that nothing else changed: claims and facts byte for
// byte, and the true message, which comes next, still does its work.
#include <algorithm>

#include "core/ike/conformance/row.h"

namespace anyswan::ike::test {
namespace {

using Kind = Reaction::Kind;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::Payload;

struct Case {
    std::string name;
    Moment moment;
    Row row;
};

void PrintTo(const Case& played, std::ostream* out) {
    *out << played.name;
}

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const auto& tables :
         {init_tables(), key_exchange_tables(), auth_tables(), configuration_tables(),
          protection_tables(), established_tables(), response_tables()}) {
        for (const Table& table : tables) {
            for (const Row& row : table.rows) {
                cases.push_back({std::string(table.name) + ": " + row.what, table.moment, row});
            }
        }
    }
    return cases;
}

/// What the receiver did since it was made.
class Watch {
public:
    explicit Watch(Stage& stage)
        : stage_(stage),
          actions_(stage.receiver->actions.size()),
          drops_(stage.receiver->drops.size()),
          events_(stage.receiver->events.size()) {}

    [[nodiscard]] std::vector<Datagram> sent() const {
        std::vector<Datagram> all;
        const auto& actions = stage_.receiver->actions;
        for (std::size_t i = actions_; i < actions.size(); ++i) {
            all.insert(all.end(), actions[i].send.begin(), actions[i].send.end());
        }
        return all;
    }
    [[nodiscard]] std::size_t written() const {
        std::size_t count = 0;
        const auto& actions = stage_.receiver->actions;
        for (std::size_t i = actions_; i < actions.size(); ++i) {
            count += actions[i].writes.size();
        }
        return count;
    }
    [[nodiscard]] std::vector<DropReason> drops() const {
        std::vector<DropReason> reasons;
        const auto& drops = stage_.receiver->drops;
        for (std::size_t i = drops_; i < drops.size(); ++i) {
            reasons.push_back(drops[i].reason);
        }
        return reasons;
    }
    [[nodiscard]] bool told(EventKind kind) const {
        const auto& events = stage_.receiver->events;
        return std::any_of(events.begin() + static_cast<std::ptrdiff_t>(events_), events.end(),
                           [kind](const EngineEvent& event) { return event.kind == kind; });
    }

private:
    Stage& stage_;
    std::size_t actions_;
    std::size_t drops_;
    std::size_t events_;
};

class Conformance : public testing::TestWithParam<Case> {
protected:
    void SetUp() override {
        stage = std::make_unique<Stage>(GetParam().moment);
        before = stage->state(true);
        before_without_window = stage->state(false);
        watch = std::make_unique<Watch>(*stage);
        Draft draft = stage->sealer->open(stage->message).value();
        for (const Edit& edit : GetParam().row.edits) {
            edit(draft);
        }
        altered = stage->sealer->close(draft);
        for (const Bytes& datagram : altered) {
            stage->arrive(datagram);
        }
    }

    void expect_drop() {
        const auto& wanted = GetParam().row.reaction.drop;
        const auto drops = watch->drops();
        if (!wanted) {
            EXPECT_TRUE(drops.empty()) << "dropped: " << name(drops.front());
            return;
        }
        ASSERT_FALSE(drops.empty()) << "no counter tells of it";
        for (const DropReason reason : drops) {
            EXPECT_EQ(name(reason), std::string(name(*wanted)));
        }
    }
    void expect_notify(const Payload& payload) {
        const Reaction& reaction = GetParam().row.reaction;
        const auto* notify = std::get_if<Notify>(&payload.body);
        ASSERT_NE(notify, nullptr) << name(payload.type());
        EXPECT_EQ(wire::ike::name(notify->type), wire::ike::name(*reaction.notify));
        EXPECT_EQ(to_hex(notify->data), reaction.data);
    }
    void expect_unchanged() {
        EXPECT_EQ(watch->written(), 0U) << "it wrote to the store";
        EXPECT_EQ(stage->state(true), before);
    }
    /// The one protected answer.
    std::vector<Payload> answer() {
        const auto sent = watch->sent();
        EXPECT_EQ(sent.size(), 1U);
        if (sent.size() != 1) {
            return {};
        }
        const auto payloads = stage->sealer->read(sent[0].bytes);
        EXPECT_TRUE(payloads.has_value()) << "the answer isn't protected";
        return payloads.value_or(std::vector<Payload>{});
    }
    /// The true message comes, late but well.
    void expect_the_true_message_works() {
        stage->arrive(stage->message);
        stage->go_on();
        EXPECT_EQ(stage->unhealthy(), "");
    }

    /// Who wasn't told notices at the next liveness check.
    void ask_who_lives() {
        for (Side* side : {&stage->world.customer, &stage->world.fleet}) {
            for (const IkeSaSummary& row : side->established()) {
                stage->world.tell(*side, ProbeLiveness{row.our_spi});
            }
        }
        stage->world.deliver();
        stage->world.wait(300s);
    }

    void check_silent() {
        EXPECT_TRUE(watch->sent().empty()) << "it answered";
        expect_drop();
        expect_unchanged();
        expect_the_true_message_works();
    }
    void check_refuses() {
        const auto sent = watch->sent();
        ASSERT_EQ(sent.size(), 1U);
        const auto message = Message::parse(sent[0].bytes);
        ASSERT_TRUE(message && message->payloads.size() == 1);
        EXPECT_TRUE(message->header.response);
        // RFC 7296 2.21.4: "with the same IKE SPIs and the Message ID copied".
        EXPECT_TRUE(equal(ByteView(sent[0].bytes).first(16), ByteView(altered[0]).first(16)));
        EXPECT_TRUE(
            equal(ByteView(sent[0].bytes).subspan(20, 4), ByteView(altered[0]).subspan(20, 4)));
        expect_notify(message->payloads[0]);
        expect_drop();
        expect_unchanged();
        stage->world.lose_from(*stage->receiver);
        expect_the_true_message_works();
    }
    void check_repeats() {
        EXPECT_EQ(watch->sent().size(), 1U);
        expect_drop();
        expect_unchanged();
        stage->world.lose_from(*stage->receiver);
        expect_the_true_message_works();
    }
    void expect_notify_or_nothing() {
        const auto payloads = answer();
        ASSERT_EQ(payloads.size(), GetParam().row.reaction.notify ? 1U : 0U);
        if (!payloads.empty()) {
            expect_notify(payloads[0]);
        }
        if (const auto& event = GetParam().row.reaction.event) {
            EXPECT_TRUE(watch->told(*event)) << "no event tells of it";
        }
    }
    void check_answers() {
        expect_notify_or_nothing();
        EXPECT_EQ(stage->state(false), before_without_window);
        if (GetParam().row.reaction.misleads) {
            return;
        }
        stage->go_on();
        expect_the_true_message_works();
    }
    void check_ends() {
        expect_notify_or_nothing();
        EXPECT_EQ(stage->receiver->state(), "none");
        EXPECT_EQ(stage->receiver->live_children(), 0U);
        EXPECT_EQ(stage->receiver->ike_sa(), nullptr);
        // RFC 7296 2.21.3: INVALID_SYNTAX ends it on both sides without another word.
        stage->world.wait(300s);
        if (!GetParam().row.reaction.notify) {
            ask_who_lives();
        }
        EXPECT_EQ(stage->world.disagreement(), "");
    }
    void check_takes() {
        for (const DropReason reason : watch->drops()) {
            ADD_FAILURE() << "dropped: " << name(reason);
        }
        if (GetParam().moment.about == About::init) {
            // AUTH covers every octet of IKE_SA_INIT, so that this handshake can't succeed.
            ASSERT_EQ(watch->sent().size(), 1U);
            EXPECT_EQ(refusal(watch->sent()[0]), std::nullopt);
            return;
        }
        stage->go_on();
        EXPECT_EQ(stage->unhealthy(), "");
    }
    void check_comes_to_nothing() {
        EXPECT_TRUE(watch->told(*GetParam().row.reaction.event));
        stage->go_on();
        ask_who_lives();
        EXPECT_EQ(stage->world.disagreement(), "");
        EXPECT_EQ(stage->world.customer.state(), "none");
        EXPECT_EQ(stage->world.fleet.state(), "none");
    }
    void check_recovers() {
        EXPECT_TRUE(watch->told(*GetParam().row.reaction.event));
        stage->go_on();
        EXPECT_EQ(stage->unhealthy(), "");
    }

    std::unique_ptr<Stage> stage;
    std::unique_ptr<Watch> watch;
    std::vector<Bytes> altered;
    std::string before;
    std::string before_without_window;
};

TEST_P(Conformance, Row) {
    SCOPED_TRACE(GetParam().name + " (" + GetParam().row.rfc + ")");
    switch (GetParam().row.reaction.kind) {
        case Kind::silent:
            return check_silent();
        case Kind::refuses:
            return check_refuses();
        case Kind::repeats:
            return check_repeats();
        case Kind::answers:
            return check_answers();
        case Kind::ends:
            return check_ends();
        case Kind::takes:
            return check_takes();
        case Kind::comes_to_nothing:
            return check_comes_to_nothing();
        case Kind::recovers:
            return check_recovers();
    }
}

/// Letters, digits and underscores only, as test names must.
std::string test_name(const testing::TestParamInfo<Case>& info) {
    std::string text = std::to_string(info.index) + "_";
    for (const char c : info.param.name) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (plain) {
            text += c;
        } else if (text.back() != '_') {
            text += '_';
        }
    }
    return text;
}

INSTANTIATE_TEST_SUITE_P(Refusals, Conformance, testing::ValuesIn(all_cases()), test_name);

}  // namespace
}  // namespace anyswan::ike::test
