// SPDX-License-Identifier: Apache-2.0
// The heart of the embedded stores: one set of tables in this process, several clients. Requests
// become table operations; what they change goes out to every watching client; the bus is a list of
// subscriptions.
//
//   client.put_fact ─▶ submit ─▶ [admit: faults] ─▶ run_batch: tables, commit ─▶ completion,
//   watchers
//
// MemoryHub runs batches in the caller's thread (all delivery is through the Executors, so a test
// that owns the Executor owns the order of events); SqliteHub in a worker thread.
#pragma once

#include <map>
#include <mutex>
#include <variant>

#include "store/local/tables.h"
#include "store/outlet.h"

namespace anyswan::store {

/// A client of a hub; numbers are not reused.
using ClientId = Strong<struct ClientIdTag, std::uint64_t>;

// Requests that reach the tables.
struct PutFact {
    std::string key;
    Bytes value;  // empty: delete
    Completion<StoreResult<Revision>> done;
};
struct WatchFacts {};  // from the revision given to set_sink
struct ReadClaim {
    std::string key;
    Completion<StoreResult<std::optional<Claim>>> done;
};
struct SwapClaim {
    std::string key;
    Bytes value;  // empty: delete
    Revision expected;
    Completion<StoreResult<Swap>> done;
};
struct ListClaims {
    std::string prefix;
    Completion<StoreResult<std::vector<std::string>>> done;
};
using Operation = std::variant<PutFact, WatchFacts, ReadClaim, SwapClaim, ListClaims>;
struct Request {
    ClientId client;
    Outlet outlet;
    Operation operation;
};

/// Thread-safe.
class LocalHub {
public:
    explicit LocalHub(std::unique_ptr<Tables> tables) : tables_(std::move(tables)) {}
    virtual ~LocalHub() = default;
    LocalHub(const LocalHub&) = delete;
    LocalHub& operator=(const LocalHub&) = delete;

    [[nodiscard]] virtual std::string describe() const = 0;

    ClientId attach(Outlet outlet);
    void detach(ClientId client);
    void submit(ClientId client, Operation operation);
    /// To be followed by WatchFacts{after}.
    void set_sink(ClientId client, Revision after, FactSink sink);
    void set_link_handler(ClientId client, std::function<void(LinkState, std::string)> handler);
    [[nodiscard]] LinkState link_state(ClientId client) const;
    void publish(ClientId from, const std::string& subject, const Bytes& payload);
    void subscribe(ClientId client, std::string pattern, std::function<void(BusMessage)> handler);

protected:
    struct Subscription {
        std::string pattern;
        std::shared_ptr<std::function<void(BusMessage)>> handler;
    };
    struct Client {
        Outlet outlet;
        LinkState link = LinkState::connected;
        /// The bus works for a client whose store has lost its leader.
        bool bus_works = true;
        std::string link_why;
        std::shared_ptr<std::function<void(LinkState, std::string)>> link_handler;
        std::shared_ptr<FactSink> sink;
        bool watching = false;
        /// The last revision handed to the outlet, in the tables' history of that number.
        Revision seen;
        std::uint64_t history = 0;
        std::vector<Subscription> subscriptions;
    };

    /// Decides what becomes of a request: carry it out now, later, or fail it.
    virtual void schedule(Request request) = 0;
    /// Carries out requests in one transaction, tells clients and watchers.
    void run_batch(std::vector<Request> requests);
    static void fail_request(const Request& request, const StoreError& error);

    /// Delivers facts after the client's last one. For watchers that come (back) or after a reset;
    /// with tables_mutex_ held.
    void catch_up(ClientId client);
    void set_link(ClientId client, LinkState state, bool bus_works, std::string why);
    void send_fast(ClientId from, const PutFact& put);

    // Order of locking: tables, then clients.
    std::mutex tables_mutex_;
    std::unique_ptr<Tables> tables_;
    /// Grows when the tables are replaced by others.
    std::uint64_t history_ = 0;
    mutable std::mutex clients_mutex_;
    std::map<ClientId, Client> clients_;
    bool fast_path_works_ = true;  // guarded by clients_mutex_

private:
    /// Tells the outcome once it is known whether the batch was committed.
    using Settle = std::function<void(const std::optional<StoreError>& commit_failure)>;
    Settle execute(Request& request);
    Settle execute_put(const Request& request, PutFact& put);
    void tell_watchers(const FactEvent& event);

    std::uint64_t last_client_ = 0;
};

}  // namespace anyswan::store
