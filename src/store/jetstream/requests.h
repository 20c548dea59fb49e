// SPDX-License-Identifier: Apache-2.0
// Questions to the server whose answers come on a reply subject of our own: each is answered
// exactly once, by a message, by its timeout or by the loss of the link. On the loop thread.
#pragma once

#include <chrono>
#include <map>

#include "store/jetstream/link.h"

namespace anyswan::store::js {

using Clock = std::chrono::steady_clock;

/// Why there is no answer.
enum class Silence : std::uint8_t {
    timed_out,
    no_responders,  // nobody listens: no leader, no stream, or JetStream is not there
    disconnected,
    not_permitted,
};
struct NoAnswer {
    Silence silence{};
    std::string text;
};
using Answer = Expected<LinkMessage, NoAnswer>;

class Requests {
public:
    explicit Requests(Link& link)
        : link_(link), subscription_(link.subscribe(link.reply_prefix() + ".r.*")) {}

    /// `question.reply` is filled in.
    void ask(Publication question, Duration timeout, std::function<void(Answer)> done);
    /// All answers that come within `wait`.
    void ask_all(Publication question, Duration wait,
                 std::function<void(std::vector<LinkMessage>)> done);

    [[nodiscard]] SubscriptionId subscription() const { return subscription_; }
    void on_message(LinkMessage message);
    void on_tick(Clock::time_point now);
    /// Everything asked so far gets no answer any more.
    void on_disconnected(const std::string& why);
    /// Fails the questions whose subject the server names in its complaint.
    void on_trouble(const std::string& text);

private:
    struct Pending {
        std::string subject;
        Clock::time_point deadline;
        std::function<void(Answer)> done;
        // Instead of `done`, when all answers are gathered.
        std::function<void(std::vector<LinkMessage>)> done_all;
        std::vector<LinkMessage> gathered;
    };
    void send(Publication question, Pending pending);
    static void fail(Pending pending, const NoAnswer& why);
    /// Takes out what `which` holds for, then fails it: callbacks may ask again.
    template <class Which>
    void fail_those(Which which, const NoAnswer& why);

    Link& link_;
    SubscriptionId subscription_;
    std::uint64_t last_token_ = 0;
    std::map<std::uint64_t, Pending> pending_;
};

}  // namespace anyswan::store::js
