// SPDX-License-Identifier: Apache-2.0
#include "sim/faulty_store.h"

namespace anyswan::sim {

namespace {

using store::Claim;
using store::Completion;
using store::StoreResult;
using store::Swap;

class FaultyStore final : public store::Store {
public:
    FaultyStore(std::unique_ptr<store::Store> client, const Bugs& bugs, const sa::FleetKeys& keys)
        : client_(std::move(client)), bugs_(bugs), keys_(keys) {}

    void put_fact(const std::string& key, Bytes value,
                  Completion<StoreResult<Revision>> done) override {
        const auto opened = sa::open_record(keys_, key, value);
        const auto* child = opened ? std::get_if<sa::ChildSaRecord>(&opened->record) : nullptr;
        if (bugs_.tombstones_forgotten && child != nullptr && child->ended) {
            // Written, it says: the tombstone is there for its writer, and for nobody else.
            client_->read_claim("none", [done](const auto&) { done(Revision(1)); });
            return;
        }
        client_->put_fact(key, std::move(value), std::move(done));
    }
    void swap_claim(const std::string& key, Bytes value, Revision expected,
                    Completion<StoreResult<Swap>> done) override {
        const bool all_win = (bugs_.leases_for_all && key.starts_with("sequence/")) ||
                             (bugs_.claims_for_all && key.starts_with("ike/"));
        if (!all_win) {
            return client_->swap_claim(key, std::move(value), expected, std::move(done));
        }
        client_->read_claim(key, [this, key, value = std::move(value),
                                  done](const StoreResult<std::optional<Claim>>& claim) {
            const Revision present = claim && *claim ? (**claim).revision : Revision{};
            client_->swap_claim(key, value, present, done);
        });
    }

    void delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) override {
        client_->delete_fact(key, std::move(done));
    }
    void watch_facts(Revision after, store::FactSink sink) override {
        client_->watch_facts(after, std::move(sink));
    }
    void read_claim(const std::string& key,
                    Completion<StoreResult<std::optional<Claim>>> done) override {
        client_->read_claim(key, std::move(done));
    }
    void delete_claim(const std::string& key, Revision expected,
                      Completion<StoreResult<Swap>> done) override {
        client_->delete_claim(key, expected, std::move(done));
    }
    void list_claims(const std::string& prefix,
                     Completion<StoreResult<std::vector<std::string>>> done) override {
        client_->list_claims(prefix, std::move(done));
    }
    void publish(const std::string& subject, Bytes payload) override {
        client_->publish(subject, std::move(payload));
    }
    void subscribe(const std::string& pattern,
                   std::function<void(store::BusMessage)> handler) override {
        client_->subscribe(pattern, std::move(handler));
    }
    void on_link_state(std::function<void(store::LinkState, std::string)> handler) override {
        client_->on_link_state(std::move(handler));
    }
    [[nodiscard]] store::LinkState link_state() const override { return client_->link_state(); }
    [[nodiscard]] std::string describe() const override { return client_->describe(); }
    void close() override { client_->close(); }

private:
    std::unique_ptr<store::Store> client_;
    Bugs bugs_;
    const sa::FleetKeys& keys_;
};

}  // namespace

std::unique_ptr<store::Store> with_bugs(std::unique_ptr<store::Store> client, const Bugs& bugs,
                                        const sa::FleetKeys& keys) {
    if (!bugs.leases_for_all && !bugs.claims_for_all && !bugs.tombstones_forgotten) {
        return client;
    }
    return std::make_unique<FaultyStore>(std::move(client), bugs, keys);
}

}  // namespace anyswan::sim
