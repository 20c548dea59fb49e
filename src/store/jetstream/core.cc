// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/core.h"

#include <algorithm>

namespace anyswan::store::js {
namespace {

/// A leader that doesn't answer a poll for so long is away.
constexpr Duration poll_timeout = 2s;
constexpr Duration setup_again_after = 250ms;
constexpr Duration recheck_every = 60s;
/// Claims need a look less often than facts: nobody watches them.
constexpr int claims_poll_every = 4;

}  // namespace

void Core::start() {
    link_.emplace(config_.clone(), outlet_, [weak = weak_from_this()](LinkEvent event) {
        if (const auto self = weak.lock()) {
            self->on_event(std::move(event));
        }
    });
    requests_.emplace(*link_);
    context_.emplace(Context{config_, names_, outlet_, *link_, *requests_});
    setup_.emplace(*context_);
    watch_.emplace(*context_);
    claims_.emplace(*context_);
}

void Core::close() {
    outlet_.close();
    link_->close();
    state_ = LinkState::closed;
    verified_ = false;
    why_ = "closed";
}

void Core::on_event(LinkEvent event) {
    if (auto* const message = std::get_if<LinkMessage>(&event)) {
        on_message(std::move(*message));
    } else if (const auto* const up = std::get_if<LinkUp>(&event)) {
        on_up(*up);
    } else if (const auto* const down = std::get_if<LinkDown>(&event)) {
        on_down(down->why);
    } else if (const auto* const trouble = std::get_if<LinkTrouble>(&event)) {
        trouble_ = trouble->text;
        requests_->on_trouble(trouble->text);
    } else {
        on_tick();
    }
}

void Core::on_message(LinkMessage message) {
    if (message.subscription == requests_->subscription()) {
        requests_->on_message(std::move(message));
        return;
    }
    if (watch_->on_message(message)) {
        return;
    }
    if (const auto at = handlers_.find(message.subscription); at != handlers_.end()) {
        const auto handler = at->second;
        (*handler)({message.subject.substr(names_.bus.size()), std::move(message.payload)});
    }
}

void Core::on_up(const LinkUp& up) {
    if (up_) {
        on_down("connected to another server");
    }
    up_ = true;
    server_id_ = up.server_id;
    run_setup();
}

void Core::on_down(const std::string& why) {
    up_ = false;
    verified_ = false;
    polling_.clear();
    watch_->on_not_ready();
    set_state(LinkState::disconnected, why);
    requests_->on_disconnected(why);
}

void Core::run_setup() {
    setup_->run(server_id_,
                [this](const Expected<Ready, std::string>& result) { on_setup(result); });
}

void Core::on_setup(const Expected<Ready, std::string>& result) {
    if (!outlet_.is_open()) {
        return;
    }
    setup_at_ = Clock::now() + setup_again_after;
    if (!result) {
        if (up_) {
            lost_leader(result.error() + (trouble_.empty() ? "" : "; server: " + trouble_));
        }
        return;
    }
    trouble_.clear();
    verified_ = true;
    poll_at_ = Clock::now() + config_.poll;
    recheck_at_ = Clock::now() + recheck_every;
    set_state(LinkState::connected, "");
    if (!outlet_.is_open()) {
        return;
    }
    const auto loss = find_loss(result->claims);
    const int resets = watch_->resets();
    watch_->on_ready(result->facts);
    if (loss && resets == watch_->resets() && outlet_.is_open()) {
        watch_->reset(*loss);
    }
}

void Core::lost_leader(const std::string& why) {
    verified_ = false;
    watch_->on_not_ready();
    set_state(LinkState::disconnected, why);
}

void Core::on_tick() {
    const auto now = Clock::now();
    requests_->on_tick(now);
    if (!outlet_.is_open()) {
        return;
    }
    watch_->on_tick(now);
    if (!up_) {
        return;
    }
    if (!verified_) {
        if (!setup_->running() && now >= setup_at_) {
            run_setup();
        }
        return;
    }
    if (now >= recheck_at_) {
        recheck_at_ = now + recheck_every;
        setup_->recheck([this](const std::string& why) {
            if (verified_ && outlet_.is_open()) {
                lost_leader(why);
            }
        });
    }
    if (watch_->wants_poll()) {
        poll_facts();
    }
    if (now >= poll_at_) {
        poll_at_ = now + config_.poll;
        if (!watch_->is_fresh(now)) {
            poll_facts();
        }
        if (++polls_ % claims_poll_every == 0) {
            poll_claims();
        }
    }
}

void Core::poll_facts() {
    if (!std::exchange(polling_[Bucket::facts], true)) {
        context_->ask_api("STREAM.INFO." + names_.facts_stream, "", poll_timeout,
                          [this](const Answer& answer) { on_poll(Bucket::facts, answer); });
    }
}

void Core::poll_claims() {
    if (!std::exchange(polling_[Bucket::claims], true)) {
        context_->ask_api("STREAM.INFO." + names_.claims_stream, "", poll_timeout,
                          [this](const Answer& answer) { on_poll(Bucket::claims, answer); });
    }
}

void Core::on_poll(Bucket bucket, const Answer& answer) {
    polling_[bucket] = false;
    if (!verified_ || !outlet_.is_open()) {
        return;
    }
    if (!answer) {
        lost_leader("JetStream doesn't answer: " + answer.error().text);
        return;
    }
    const auto info = parse_stream_info(answer->payload, names_, bucket, config_.replicas);
    if (!info) {
        // Deleted, or its leader is away: setup creates it again, or says what is wrong.
        lost_leader("stream " + context_->stream(bucket) + ": " + info.error().text);
    } else if (bucket == Bucket::facts) {
        watch_->on_info(*info);
    } else {
        if (const auto loss = find_loss(*info)) {
            watch_->reset(*loss);
        }
    }
}

std::optional<std::string> Core::find_loss(const StreamInfo& claims) {
    const std::string created = std::exchange(claims_info_, claims).created;
    if (!created.empty() && created != claims.created) {
        claims_->forget_seen();
        return "the stream of claims was made anew at " + claims.created;
    }
    if (claims.last_sequence >= claims_->seen().value()) {
        claims_suspected_since_.reset();
        return std::nullopt;
    }
    // A new leader may be behind for a moment.
    const auto now = Clock::now();
    if (claims.replicas > 1 && !claims_suspected_since_) {
        claims_suspected_since_ = now;
        return std::nullopt;
    }
    if (claims.replicas > 1 && now - *claims_suspected_since_ < Duration(1s)) {
        return std::nullopt;
    }
    claims_suspected_since_.reset();
    claims_->forget_seen();
    return "the stream of claims is at " + std::to_string(claims.last_sequence) +
           ", further on before";
}

void Core::set_state(LinkState state, std::string why) {
    if (state_ == state && why_ == why) {
        return;
    }
    why_ = std::move(why);
    state_ = state;
    if (state_handler_) {
        const auto handler = state_handler_;
        handler(state_, why_);
    }
}

void Core::set_state_handler(std::function<void(LinkState, std::string)> handler) {
    state_handler_ = std::move(handler);
    outlet_.post([self = shared_from_this()] { self->state_handler_(self->state_, self->why_); });
}

void Core::put(const std::string& key, Bytes value, Completion<StoreResult<Revision>> done) {
    const std::string tokens = to_tokens(key);
    if (up_) {
        link_->publish({.subject = names_.fast + tokens,
                        .reply = {},
                        .payload = value,
                        .header = {},
                        .header_value = {}});
    }
    if (!may_ask(done)) {
        return;
    }
    // Tools that read key-value buckets know a deletion by this header.
    const bool deletion = value.empty();
    requests_->ask({.subject = names_.publish_prefix + names_.facts_subjects + tokens,
                    .reply = {},
                    .payload = std::move(value),
                    .header = deletion ? "KV-Operation" : "",
                    .header_value = "DEL"},
                   config_.timeout, [this, key, done = std::move(done)](const Answer& answer) {
                       if (!outlet_.is_open()) {
                           return;
                       }
                       if (!answer) {
                           done(Unexpected{to_store_error("put " + key, answer.error())});
                           return;
                       }
                       const auto revision = parse_publish_ack(answer->payload);
                       if (!revision) {
                           done(Unexpected{to_store_error("put " + key, revision.error())});
                       } else {
                           done(*revision);
                       }
                   });
}

void Core::watch(Revision after, FactSink sink) {
    watch_->start(after, std::move(sink));
}

void Core::publish(const std::string& subject, Bytes payload) {
    if (up_) {
        link_->publish({.subject = names_.bus + subject,
                        .reply = {},
                        .payload = std::move(payload),
                        .header = {},
                        .header_value = {}});
    }
}

void Core::subscribe(const std::string& pattern, std::function<void(BusMessage)> handler) {
    if (outlet_.is_open()) {
        handlers_[link_->subscribe(names_.bus + pattern)] =
            std::make_shared<std::function<void(BusMessage)>>(std::move(handler));
    }
}

std::string Core::describe() const {
    const auto& servers = setup_->servers();
    std::string text = "nats";
    if (!servers.empty()) {
        const auto oldest = std::min_element(
            servers.begin(), servers.end(),
            [](const ServerSeen& a, const ServerSeen& b) { return a.version < b.version; });
        text += " " + oldest->version.to_string() + ", " + std::to_string(servers.size()) +
                (servers.size() == 1 ? " server" : " servers");
    }
    text += ", replicas " + std::to_string(config_.replicas);
    if (state_ != LinkState::connected) {
        text += std::string(", ") + name(state_) + ": " + why_;
    }
    return text;
}

}  // namespace anyswan::store::js
