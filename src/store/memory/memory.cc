// SPDX-License-Identifier: Apache-2.0
#include "store/memory/memory.h"

#include "store/memory/tables.h"

namespace anyswan::store {

MemoryHub::MemoryHub() : LocalHub(std::make_unique<MemoryTables>()) {}

MemoryHub::~MemoryHub() = default;

std::shared_ptr<MemoryHub> MemoryHub::create() {
    return std::shared_ptr<MemoryHub>(new MemoryHub);
}

std::unique_ptr<LocalStore> MemoryHub::connect(Executor executor) {
    auto client = std::make_unique<LocalStore>(shared_from_this(), std::move(executor));
    refresh_link(client->id());
    return client;
}

void MemoryHub::schedule(Request request) {
    {
        const std::lock_guard lock(faults_mutex_);
        if (cut_.contains(request.client)) {
            fail_request(request, {Failure::unavailable, "memory store: this client is cut off"});
            return;
        }
        if (leader_ == Leader::absent) {
            fail_request(request, {Failure::unavailable, "memory store: no leader"});
            return;
        }
        if (leader_ == Leader::silent) {
            held_.push_back(std::move(request));
            return;
        }
    }
    std::vector<Request> batch;
    batch.push_back(std::move(request));
    run_batch(std::move(batch));
}

void MemoryHub::cut(const LocalStore& client) {
    {
        const std::lock_guard lock(faults_mutex_);
        cut_.insert(client.id());
    }
    refresh_link(client.id());
}

void MemoryHub::heal(const LocalStore& client) {
    {
        const std::lock_guard lock(faults_mutex_);
        cut_.erase(client.id());
    }
    refresh_link(client.id());
}

void MemoryHub::set_leader(Leader leader) {
    std::deque<Request> held;
    {
        const std::lock_guard lock(faults_mutex_);
        leader_ = leader;
        if (leader != Leader::silent) {
            held.swap(held_);
        }
    }
    refresh_all();
    for (Request& request : held) {
        schedule(std::move(request));
    }
}

void MemoryHub::expire_held(Fate fate) {
    std::deque<Request> held;
    {
        const std::lock_guard lock(faults_mutex_);
        held.swap(held_);
    }
    for (Request& request : held) {
        fail_request(request, {Failure::unavailable, "memory store: no answer in time"});
        auto* const put = std::get_if<PutFact>(&request.operation);
        auto* const swap = std::get_if<SwapClaim>(&request.operation);
        if (fate == Fate::lost || (put == nullptr && swap == nullptr)) {
            continue;
        }
        // Completed above: the late answer goes nowhere.
        if (put != nullptr) {
            put->done = [](const auto&) {};
        } else {
            swap->done = [](const auto&) {};
        }
        std::vector<Request> batch;
        batch.push_back(std::move(request));
        run_batch(std::move(batch));
    }
}

void MemoryHub::drop_fast_path() {
    const std::lock_guard lock(clients_mutex_);
    fast_path_works_ = false;
}

void MemoryHub::restore_fast_path() {
    const std::lock_guard lock(clients_mutex_);
    fast_path_works_ = true;
}

std::shared_ptr<const MemoryTables> MemoryHub::take_copy() {
    const std::lock_guard lock(tables_mutex_);
    return std::make_shared<const MemoryTables>(static_cast<const MemoryTables&>(*tables_));
}

std::optional<Bytes> MemoryHub::stored_fact(const std::string& key) {
    const std::lock_guard lock(tables_mutex_);
    return static_cast<const MemoryTables&>(*tables_).fact(key);
}

void MemoryHub::go_back_to(const std::shared_ptr<const MemoryTables>& copy) {
    replace_tables(std::make_unique<MemoryTables>(*copy));
}

void MemoryHub::lose_everything() {
    replace_tables(std::make_unique<MemoryTables>());
}

void MemoryHub::replace_tables(std::unique_ptr<Tables> tables) {
    {
        const std::lock_guard lock(tables_mutex_);
        tables_ = std::move(tables);
        ++history_;
    }
    refresh_all();
}

void MemoryHub::refresh_link(ClientId client) {
    Leader leader{};
    bool cut = false;
    {
        const std::lock_guard lock(faults_mutex_);
        leader = leader_;
        cut = cut_.contains(client);
    }
    if (cut) {
        set_link(client, LinkState::disconnected, false, "cut off");
    } else if (leader == Leader::absent) {
        set_link(client, LinkState::disconnected, true, "no leader");
    } else {
        const std::lock_guard lock(tables_mutex_);
        set_link(client, LinkState::connected, true, "");
        catch_up(client);
    }
}

void MemoryHub::refresh_all() {
    std::vector<ClientId> clients;
    {
        const std::lock_guard lock(clients_mutex_);
        for (const auto& [id, client] : clients_) {
            clients.push_back(id);
        }
    }
    for (const ClientId client : clients) {
        refresh_link(client);
    }
}

}  // namespace anyswan::store
