// SPDX-License-Identifier: Apache-2.0
#include "sim/faulty_store.h"

#include <set>

#include "edge/bus_messages.h"

namespace anyswan::sim {

namespace {

using store::Claim;
using store::Completion;
using store::StoreResult;
using store::Swap;

class FaultyStore final : public store::Store {
public:
    FaultyStore(std::unique_ptr<store::Store> client, const bool& bus_silent, const Bugs& bugs,
                const sa::FleetKeys& keys, Oracle& oracle)
        : client_(std::move(client)),
          bus_silent_(bus_silent),
          bugs_(bugs),
          keys_(keys),
          oracle_(oracle) {}

    void put_fact(const std::string& key, Bytes value,
                  Completion<StoreResult<Revision>> done) override {
        oracle_.seen(value, "in the store, at " + key);
        const auto child = child_in(key, value);
        if (bugs_.tombstones_forgotten && child && child->ended) {
            return seem_to_put(key, std::move(value), std::move(done));
        }
        if (bugs_.early_answers && child && !child->ended) {
            late_.emplace_back(key, value);
            return seem_to_put(key, std::move(value), std::move(done));
        }
        if (bugs_.keys_told && child && !child->ended) {
            told_ = to_bytes(child->inbound.encr.reveal());
        }
        client_->put_fact(key, std::move(value), std::move(done));
    }
    void swap_claim(const std::string& key, Bytes value, Revision expected,
                    Completion<StoreResult<Swap>> done) override {
        oracle_.seen(value, "in the store, at " + key);
        given_.erase(key);
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
        on_fact_ = sink.on_fact;
        client_->watch_facts(after, std::move(sink));
    }
    void read_claim(const std::string& key,
                    Completion<StoreResult<std::optional<Claim>>> done) override {
        if (!bugs_.drain_drops_queue || !given_.contains(key)) {
            return client_->read_claim(key, std::move(done));
        }
        client_->read_claim(key, [this, key, done](StoreResult<std::optional<Claim>> answer) {
            if (answer && *answer) {
                (**answer).value = one_before(key, (**answer).value);
            }
            done(std::move(answer));
        });
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
        const bool forgotten = (bugs_.marks_forgotten && subject.starts_with("marks")) ||
                               (bugs_.drain_never_ends && subject.starts_with("handover"));
        for (auto& [key, value] : std::exchange(late_, {})) {
            client_->put_fact(key, std::move(value), [](const auto&) {});
        }
        payload.insert(payload.end(), told_.begin(), told_.end());
        oracle_.seen(payload, "on the bus, at " + subject);
        if (!bus_silent_ && !forgotten) {
            client_->publish(subject, std::move(payload));
        }
    }
    void subscribe(const std::string& pattern,
                   std::function<void(store::BusMessage)> handler) override {
        client_->subscribe(pattern,
                           [this, handler = std::move(handler)](store::BusMessage message) {
                               if (!bus_silent_) {
                                   note_gift(message);
                                   handler(std::move(message));
                               }
                           });
    }
    void on_link_state(std::function<void(store::LinkState, std::string)> handler) override {
        client_->on_link_state(std::move(handler));
    }
    [[nodiscard]] store::LinkState link_state() const override { return client_->link_state(); }
    [[nodiscard]] std::string describe() const override { return client_->describe(); }
    void close() override { client_->close(); }

private:
    /// The Child SA in a fact, if a bug asks for it.
    [[nodiscard]] std::optional<sa::ChildSaRecord> child_in(const std::string& key,
                                                            ByteView value) const {
        if (!bugs_.tombstones_forgotten && !bugs_.early_answers && !bugs_.keys_told) {
            return std::nullopt;
        }
        auto opened = sa::open_record(keys_, key, value);
        auto* child = opened ? std::get_if<sa::ChildSaRecord>(&opened->record) : nullptr;
        return child != nullptr ? std::optional(std::move(*child)) : std::nullopt;
    }

    /// Written, it says: the fact is there for its writer, and for nobody else.
    void seem_to_put(const std::string& key, Bytes value, Completion<StoreResult<Revision>> done) {
        client_->read_claim("none", [this, key, value = std::move(value), done](const auto&) {
            on_fact_({key, value, Revision{}, store::FactPath::fast});
            done(Revision(1));
        });
    }

    void note_gift(const store::BusMessage& message) {
        const auto plain = sa::open_message(keys_, message.subject, message.payload);
        const auto body = plain ? edge::decode(*plain) : std::nullopt;
        const auto* gift = body ? std::get_if<edge::HandOver>(&*body) : nullptr;
        for (const IkeSpi spi : gift != nullptr ? gift->spis : std::vector<IkeSpi>{}) {
            given_.insert(sa::ike_sa_key(spi));
        }
    }
    /// The claim without what the last exchange did to it.
    [[nodiscard]] Bytes one_before(const std::string& key, Bytes value) {
        auto opened = sa::open_record(keys_, key, value);
        auto* record = opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr;
        if (record == nullptr || record->next_request.value() == 0) {
            return value;
        }
        record->next_request = MessageId(record->next_request.value() - 1);
        return sa::seal_record(keys_, random_, key, opened->header.version, std::move(*record));
    }

    std::vector<std::pair<std::string, Bytes>> late_;  // facts that are written a little later
    Bytes told_;                                       // the key that messages have in them
    std::set<std::string> given_;  // claims of IKE SAs that were given to this node
    SeededRandom random_{1};
    std::unique_ptr<store::Store> client_;
    const bool& bus_silent_;
    Bugs bugs_;
    std::function<void(store::FactEvent)> on_fact_;
    const sa::FleetKeys& keys_;
    Oracle& oracle_;
};

}  // namespace

std::unique_ptr<store::Store> spoil(std::unique_ptr<store::Store> client, const bool& bus_silent,
                                    const Bugs& bugs, const sa::FleetKeys& keys, Oracle& oracle) {
    return std::make_unique<FaultyStore>(std::move(client), bus_silent, bugs, keys, oracle);
}

}  // namespace anyswan::sim
