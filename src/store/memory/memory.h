// SPDX-License-Identifier: Apache-2.0
// A store in memory, shared by several clients, with faults on demand: for tests, the simulation
// and `anyswan peer`. Deterministic: requests are carried out in the order of the calls, in the
// caller's thread, and everything is delivered through the clients' Executors. It reads no clock: a
// request that a silent leader keeps waiting ends when the test says so.
#pragma once

#include <deque>
#include <set>

#include "store/local/client.h"

namespace anyswan::store {

/// A copy of what a MemoryHub stores, to put it back later.
class MemoryTables;

enum class Leader : std::uint8_t {
    present,
    silent,  // takes requests, answers none: they are held
    absent,  // every request fails at once; clients see their link as disconnected
};

/// What became of requests that were never answered.
enum class Fate : std::uint8_t { lost, carried_out };

class MemoryHub final : public LocalHub, public std::enable_shared_from_this<MemoryHub> {
public:
    [[nodiscard]] static std::shared_ptr<MemoryHub> create();
    ~MemoryHub() override;

    /// A new client.
    [[nodiscard]] std::unique_ptr<LocalStore> connect(Executor executor);

    // Faults.
    /// The client's link goes down: its requests fail, it hears nothing; heal() ends it.
    void cut(const LocalStore& client);
    void heal(const LocalStore& client);
    /// The bus and the fast path work without a leader. `present` carries out what was held.
    void set_leader(Leader leader);
    /// Held requests end as unavailable.
    void expire_held(Fate fate);
    void drop_fast_path();
    void restore_fast_path();
    /// go_back_to(copy) loses everything written since, as a store restored from a backup does;
    /// every watcher is told.
    [[nodiscard]] std::shared_ptr<const MemoryTables> take_copy();
    /// What is stored at `key`, whatever faults there are just now. Empty: it was deleted.
    [[nodiscard]] std::optional<Bytes> stored_fact(const std::string& key);
    void go_back_to(const std::shared_ptr<const MemoryTables>& copy);
    /// The store comes back empty.
    void lose_everything();

    [[nodiscard]] std::string describe() const override { return "memory"; }

private:
    MemoryHub();
    void schedule(Request request) override;
    void refresh_link(ClientId client);
    void refresh_all();
    void replace_tables(std::unique_ptr<Tables> tables);

    mutable std::mutex faults_mutex_;  // locked before the base's
    Leader leader_ = Leader::present;
    std::set<ClientId> cut_;
    std::deque<Request> held_;
};

}  // namespace anyswan::store
