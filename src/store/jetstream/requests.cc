// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/requests.h"

#include <charconv>

namespace anyswan::store::js {

void Requests::ask(Publication question, Duration timeout, std::function<void(Answer)> done) {
    Pending pending{.subject = question.subject,
                    .deadline = Clock::now() + timeout,
                    .done = std::move(done),
                    .done_all = {},
                    .gathered = {}};
    send(std::move(question), std::move(pending));
}

void Requests::ask_all(Publication question, Duration wait,
                       std::function<void(std::vector<LinkMessage>)> done) {
    Pending pending{.subject = question.subject,
                    .deadline = Clock::now() + wait,
                    .done = {},
                    .done_all = std::move(done),
                    .gathered = {}};
    send(std::move(question), std::move(pending));
}

void Requests::send(Publication question, Pending pending) {
    const std::uint64_t token = ++last_token_;
    question.reply = link_.reply_prefix() + ".r." + std::to_string(token);
    if (!link_.publish(std::move(question))) {
        pending.deadline = Clock::now();  // answered by the next tick, never inside the call
    }
    pending_.emplace(token, std::move(pending));
}

void Requests::on_message(LinkMessage message) {
    const std::size_t dot = message.subject.rfind('.');
    const std::string_view digits = std::string_view(message.subject).substr(dot + 1);
    std::uint64_t token = 0;
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), token);
    const auto at = pending_.find(token);
    if (at == pending_.end()) {
        return;  // too late
    }
    if (at->second.done_all) {
        if (message.status.empty()) {
            at->second.gathered.push_back(std::move(message));
        }
        return;
    }
    Pending pending = std::move(at->second);
    pending_.erase(at);
    if (message.status == "503") {
        fail(std::move(pending), {Silence::no_responders, "nobody answers there (503)"});
    } else {
        pending.done(std::move(message));
    }
}

void Requests::on_tick(Clock::time_point now) {
    fail_those([now](const Pending& pending) { return pending.deadline <= now; },
               {Silence::timed_out, "no answer in time"});
}

void Requests::on_disconnected(const std::string& why) {
    fail_those([](const Pending&) { return true; }, {Silence::disconnected, why});
}

void Requests::on_trouble(const std::string& text) {
    // 'Permissions Violation for Publish to "$KV.f_facts.a"'
    fail_those(
        [&text](const Pending& pending) {
            return text.find('"' + pending.subject + '"') != std::string::npos;
        },
        {Silence::not_permitted, text});
}

template <class Which>
void Requests::fail_those(Which which, const NoAnswer& why) {
    std::vector<Pending> failed;
    for (auto at = pending_.begin(); at != pending_.end();) {
        if (which(at->second)) {
            failed.push_back(std::move(at->second));
            at = pending_.erase(at);
        } else {
            ++at;
        }
    }
    for (Pending& pending : failed) {
        fail(std::move(pending), why);
    }
}

void Requests::fail(Pending pending, const NoAnswer& why) {
    if (pending.done_all) {
        pending.done_all(std::move(pending.gathered));
    } else {
        pending.done(Unexpected{why});
    }
}

}  // namespace anyswan::store::js
