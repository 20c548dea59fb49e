// SPDX-License-Identifier: Apache-2.0
// A JetStream client's state: the link, what has been verified about the servers, and the parts
// that do the work. jetstream.h shows the states.
#pragma once

#include <map>

#include "store/jetstream/claims.h"
#include "store/jetstream/fact_watch.h"
#include "store/jetstream/nats_link.h"
#include "store/jetstream/setup.h"

namespace anyswan::store::js {

/// Kept alive by the events under way: a callback may destroy the store that calls it.
class Core : public std::enable_shared_from_this<Core> {
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
    Clock::time_point recheck_at_;
    int polls_ = 0;
    std::map<Bucket, bool> polling_;
    StreamInfo claims_info_;
    std::optional<Clock::time_point> claims_suspected_since_;
};

}  // namespace anyswan::store::js
