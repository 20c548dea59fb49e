// SPDX-License-Identifier: Apache-2.0
// The Store interface as a client of a LocalHub: memory and SQLite share it.
#pragma once

#include "store/local/hub.h"

namespace anyswan::store {

class LocalStore final : public Store {
public:
    LocalStore(std::shared_ptr<LocalHub> hub, Executor executor);
    ~LocalStore() override;

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

    /// For the hub's fault hooks.
    [[nodiscard]] ClientId id() const { return id_; }

private:
    std::shared_ptr<LocalHub> hub_;
    Outlet outlet_;
    ClientId id_;
};

}  // namespace anyswan::store
