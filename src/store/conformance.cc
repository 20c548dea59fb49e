// SPDX-License-Identifier: Apache-2.0
#include "store/conformance.h"

namespace anyswan::store {

FactSink Watched::sink() {
    return {.on_fact =
                [this](FactEvent event) {
                    (event.path == FactPath::fast ? fast : facts).push_back(std::move(event));
                },
            .on_snapshot_complete =
                [this](Revision revision) {
                    snapshots.push_back(revision);
                    facts_before_snapshot = facts.size();
                },
            .on_store_reset = [this](std::string reason) { resets.push_back(std::move(reason)); }};
}

std::map<std::string, std::string> Watched::state() const {
    std::map<std::string, std::string> state;
    for (const FactEvent& event : facts) {
        if (event.value.empty()) {
            state.erase(event.key);
        } else {
            state[event.key] = to_string(event.value);
        }
    }
    return state;
}

Revision Watched::last() const {
    return facts.empty() ? Revision{0} : facts.back().revision;
}

bool Watched::revisions_increase() const {
    Revision last;
    for (const FactEvent& event : facts) {
        if (event.revision <= last) {
            return false;
        }
        last = event.revision;
    }
    return true;
}

bool wait_connected(TestLoop& loop, const Store& store) {
    // The state changes in a task of the store's own, which the loop runs.
    return loop.run_until([&] { return store.link_state() == LinkState::connected; });
}

void StoreConformance::SetUp() {
    store_ = GetParam().make();
}

std::unique_ptr<Store> StoreConformance::client() {
    auto client = store_->connect(loop_.executor());
    EXPECT_TRUE(wait_connected(loop_, *client)) << client->describe();
    return client;
}

std::unique_ptr<Store> StoreConformance::watcher(Watched& watched, Revision after) {
    auto store = client();
    store->watch_facts(after, watched.sink());
    EXPECT_TRUE(loop_.run_until([&] { return !watched.snapshots.empty(); }));
    return store;
}

}  // namespace anyswan::store
