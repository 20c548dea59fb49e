// SPDX-License-Identifier: Apache-2.0
// The fleet's store: NATS JetStream. See api.h for what lies where, fact_watch.h for watching,
// claims.h for compare-and-swap, nats_link.h for the threads.
//
//   start ─▶ link ─up─▶ setup: versions, streams ─▶ connected: watch, claims, polls
//              ▲                │ not fit, no answer       │ link lost, polls unanswered
//              └────────────────┴──────────────────────────┘
//
// Everything here runs on the owner's loop thread.
#pragma once

#include "store/jetstream/config.h"
#include "store/store.h"

namespace anyswan::store {
namespace js {
class Core;
}

class JetStreamStore final : public Store {
public:
    /// Begins to connect; the servers may be away. Fails on a configuration that can't work.
    [[nodiscard]] static Result<std::unique_ptr<JetStreamStore>> open(JetStreamConfig config,
                                                                      Executor executor);
    ~JetStreamStore() override;

    void put_fact(const std::string& key, Bytes value,
                  Completion<StoreResult<Revision>> done) override;
    void delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) override;
    void watch_facts(Revision after, FactSink sink) override;
    void read_claim(const std::string& key,
                    Completion<StoreResult<std::optional<Claim>>> done) override;
    void swap_claim(const std::string& key, Bytes value, Revision expected,
                    Completion<StoreResult<Swap>> done) override;
    void delete_claim(const std::string& key, Revision expected,
                      Completion<StoreResult<Swap>> done) override;
    void list_claims(const std::string& prefix,
                     Completion<StoreResult<std::vector<std::string>>> done) override;
    void publish(const std::string& subject, Bytes payload) override;
    void subscribe(const std::string& pattern, std::function<void(BusMessage)> handler) override;
    void on_link_state(std::function<void(LinkState, std::string why)> handler) override;
    [[nodiscard]] LinkState link_state() const override;
    [[nodiscard]] std::string describe() const override;
    void close() override;

private:
    explicit JetStreamStore(std::shared_ptr<js::Core> core);
    std::shared_ptr<js::Core> core_;
};

}  // namespace anyswan::store
