// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/jetstream.h"

#include <algorithm>
#include <map>

#include "store/jetstream/claims.h"
#include "store/jetstream/fact_watch.h"
#include "store/jetstream/setup.h"

namespace anyswan::store {

using namespace js;  // NOLINT: this file is js's face

namespace {

/// A leader that doesn't answer a poll for so long is away.
constexpr Duration poll_timeout = 2s;
constexpr Duration setup_again_after = 250ms;
/// Claims need a look less often than facts: nobody watches them.
constexpr int claims_poll_every = 4;

}  // namespace

/// Kept alive by the events under way: a callback may destroy the store that calls it.
class JetStreamStore::Core : public std::enable_shared_from_this<Core> {
public:
    Core(JetStreamConfig config, Executor executor)
        : config_(std::move(config)), names_(config_), outlet_(std::move(executor)) {}

    void start();
    void close();

    void put(const std::string& key, Bytes value, Completion<StoreResult<Revision>> done);
    void watch(Revision after, FactSink sink);
    void publish(const std::string& subject, Bytes payload);
    void subscribe(const std::string& pattern, std::function<void(BusMessage)> handler);
    void set_state_handler(std::function<void(LinkState, std::string)> handler);
    [[nodiscard]] LinkState state() const { return state_; }
    [[nodiscard]] std::string describe() const;

    /// Fails `done` and returns false unless requests can be made.
    template <class T>
    bool may_ask(const Completion<StoreResult<T>>& done) const {
        if (verified_) {
            return true;
        }
        complete<T>(outlet_, done, Unexpected{StoreError{Failure::unavailable, "store: " + why_}});
        return false;
    }
    template <class T>
    bool accept(const std::optional<StoreError>& refusal,
                const Completion<StoreResult<T>>& done) const {
        if (!refusal) {
            return may_ask(done);
        }
        complete<T>(outlet_, done, Unexpected{*refusal});
        return false;
    }
    Claims& claims() { return *claims_; }

private:
    void on_event(LinkEvent event);
    void on_message(LinkMessage message);
    void on_up(const LinkUp& up);
    void on_down(const std::string& why);
    void on_tick();
    void run_setup();
    void on_setup(const Expected<Ready, std::string>& result);
    void poll_facts();
    void poll_claims();
    void on_poll(Bucket bucket, const Answer& answer);
    /// Why the claims are not all there any more, or nothing.
    std::optional<std::string> find_loss(const StreamInfo& claims);
    void lost_leader(const std::string& why);
    void set_state(LinkState state, std::string why);

    const JetStreamConfig config_;
    const Names names_;
    Outlet outlet_;
    std::optional<NatsLink> link_;
    std::optional<Requests> requests_;
    std::optional<Context> context_;
    std::optional<Setup> setup_;
    std::optional<FactWatch> watch_;
    std::optional<Claims> claims_;

    LinkState state_ = LinkState::connecting;
    std::string why_ = "not connected yet";
    std::function<void(LinkState, std::string)> state_handler_;
    std::map<SubscriptionId, std::shared_ptr<std::function<void(BusMessage)>>> handlers_;

    bool up_ = false;        // a server is connected
    bool verified_ = false;  // and it is fit and has the streams
    std::string server_id_;
    std::string trouble_;  // what the server complained about last
    Clock::time_point setup_at_;
    Clock::time_point poll_at_;
    int polls_ = 0;
    std::map<Bucket, bool> polling_;
    StreamInfo claims_info_;
    std::optional<Clock::time_point> claims_suspected_since_;
};

void JetStreamStore::Core::start() {
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

void JetStreamStore::Core::close() {
    outlet_.close();
    link_->close();
    state_ = LinkState::closed;
    verified_ = false;
    why_ = "closed";
}

void JetStreamStore::Core::on_event(LinkEvent event) {
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

void JetStreamStore::Core::on_message(LinkMessage message) {
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

void JetStreamStore::Core::on_up(const LinkUp& up) {
    if (up_) {
        on_down("connected to another server");
    }
    up_ = true;
    server_id_ = up.server_id;
    run_setup();
}

void JetStreamStore::Core::on_down(const std::string& why) {
    up_ = false;
    verified_ = false;
    polling_.clear();
    watch_->on_not_ready();
    set_state(LinkState::disconnected, why);
    requests_->on_disconnected(why);
}

void JetStreamStore::Core::run_setup() {
    setup_->run(server_id_,
                [this](const Expected<Ready, std::string>& result) { on_setup(result); });
}

void JetStreamStore::Core::on_setup(const Expected<Ready, std::string>& result) {
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

void JetStreamStore::Core::lost_leader(const std::string& why) {
    verified_ = false;
    watch_->on_not_ready();
    set_state(LinkState::disconnected, why);
}

void JetStreamStore::Core::on_tick() {
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

void JetStreamStore::Core::poll_facts() {
    if (!std::exchange(polling_[Bucket::facts], true)) {
        context_->ask_api("STREAM.INFO." + names_.facts_stream, "", poll_timeout,
                          [this](const Answer& answer) { on_poll(Bucket::facts, answer); });
    }
}

void JetStreamStore::Core::poll_claims() {
    if (!std::exchange(polling_[Bucket::claims], true)) {
        context_->ask_api("STREAM.INFO." + names_.claims_stream, "", poll_timeout,
                          [this](const Answer& answer) { on_poll(Bucket::claims, answer); });
    }
}

void JetStreamStore::Core::on_poll(Bucket bucket, const Answer& answer) {
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

std::optional<std::string> JetStreamStore::Core::find_loss(const StreamInfo& claims) {
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

void JetStreamStore::Core::set_state(LinkState state, std::string why) {
    why_ = std::move(why);
    if (state_ == state) {
        return;
    }
    state_ = state;
    if (state_handler_) {
        const auto handler = state_handler_;
        handler(state_, why_);
    }
}

void JetStreamStore::Core::set_state_handler(std::function<void(LinkState, std::string)> handler) {
    state_handler_ = std::move(handler);
    outlet_.post([self = shared_from_this()] { self->state_handler_(self->state_, self->why_); });
}

void JetStreamStore::Core::put(const std::string& key, Bytes value,
                               Completion<StoreResult<Revision>> done) {
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

void JetStreamStore::Core::watch(Revision after, FactSink sink) {
    watch_->start(after, std::move(sink));
}

void JetStreamStore::Core::publish(const std::string& subject, Bytes payload) {
    if (up_) {
        link_->publish({.subject = names_.bus + subject,
                        .reply = {},
                        .payload = std::move(payload),
                        .header = {},
                        .header_value = {}});
    }
}

void JetStreamStore::Core::subscribe(const std::string& pattern,
                                     std::function<void(BusMessage)> handler) {
    if (outlet_.is_open()) {
        handlers_[link_->subscribe(names_.bus + pattern)] =
            std::make_shared<std::function<void(BusMessage)>>(std::move(handler));
    }
}

std::string JetStreamStore::Core::describe() const {
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

// The face: checks arguments, then Core.

Result<std::unique_ptr<JetStreamStore>> JetStreamStore::open(JetStreamConfig config,
                                                             Executor executor) {
    if (config.urls.empty()) {
        return fail("open the JetStream store: no server given; name at least one nats:// URL");
    }
    if (!valid_subject(config.fleet) || config.fleet.find('.') != std::string::npos) {
        return fail("open the JetStream store: fleet name \"" + config.fleet +
                    "\" must be of [a-z0-9-]");
    }
    if (config.replicas < 1 || config.replicas > 5) {
        return fail("open the JetStream store: replicas must be 1 to 5, not " +
                    std::to_string(config.replicas));
    }
    if (config.certificate_file.empty() != config.key_file.empty()) {
        return fail(
            "open the JetStream store: a certificate needs its key and a key its "
            "certificate");
    }
    auto core = std::make_shared<Core>(std::move(config), std::move(executor));
    core->start();
    return std::unique_ptr<JetStreamStore>(new JetStreamStore(std::move(core)));
}

JetStreamStore::JetStreamStore(std::shared_ptr<Core> core) : core_(std::move(core)) {}

JetStreamStore::~JetStreamStore() {
    core_->close();
}

void JetStreamStore::put_fact(const std::string& key, Bytes value,
                              Completion<StoreResult<Revision>> done) {
    const auto refusal = refuse_write(key, ByteView(value));
    if (!refusal || core_->accept(refusal, done)) {
        core_->put(key, std::move(value), std::move(done));
    }
}

void JetStreamStore::delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) {
    const auto refusal = refuse_write(key, std::nullopt);
    if (!refusal || core_->accept(refusal, done)) {
        core_->put(key, {}, std::move(done));
    }
}

void JetStreamStore::watch_facts(Revision after, FactSink sink) {
    core_->watch(after, std::move(sink));
}

void JetStreamStore::read_claim(const std::string& key,
                                Completion<StoreResult<std::optional<Claim>>> done) {
    if (core_->accept(refuse_read(key), done)) {
        core_->claims().read(key, std::move(done));
    }
}

void JetStreamStore::swap_claim(const std::string& key, Bytes value, Revision expected,
                                Completion<StoreResult<Swap>> done) {
    if (core_->accept(refuse_write(key, ByteView(value)), done)) {
        core_->claims().swap(key, std::move(value), expected, std::move(done));
    }
}

void JetStreamStore::delete_claim(const std::string& key, Revision expected,
                                  Completion<StoreResult<Swap>> done) {
    if (!core_->accept(refuse_write(key, std::nullopt), done)) {
        return;
    }
    if (expected == Revision{0}) {
        core_->claims().refuse_erase(std::move(done));
    } else {
        core_->claims().erase(key, expected, std::move(done));
    }
}

void JetStreamStore::list_claims(const std::string& prefix,
                                 Completion<StoreResult<std::vector<std::string>>> done) {
    if (core_->accept(refuse_list(prefix), done)) {
        core_->claims().list(prefix, std::move(done));
    }
}

void JetStreamStore::publish(const std::string& subject, Bytes payload) {
    check(valid_subject(subject), "publish: bad subject");
    core_->publish(subject, std::move(payload));
}

void JetStreamStore::subscribe(const std::string& pattern,
                               std::function<void(BusMessage)> handler) {
    check(valid_pattern(pattern), "subscribe: bad pattern");
    core_->subscribe(pattern, std::move(handler));
}

void JetStreamStore::on_link_state(std::function<void(LinkState, std::string why)> handler) {
    core_->set_state_handler(std::move(handler));
}

LinkState JetStreamStore::link_state() const {
    return core_->state();
}

std::string JetStreamStore::describe() const {
    return core_->describe();
}

void JetStreamStore::close() {
    core_->close();
}

}  // namespace anyswan::store
