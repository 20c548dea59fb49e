// SPDX-License-Identifier: Apache-2.0
// The replicated store, as the rest of the daemon sees it. Values are sealed envelopes: opaque
// here.
//
// It promises no more than both an embedded database and a JetStream cluster can keep:
//  - facts: last put wins in the store (readers merge by (epoch, counter)), watched in revision
//    order without gaps, from any revision on, with a mark where the snapshot ends;
//  - claims: compare-and-swap on a revision, read through the leader;
//  - a lossy bus;
//  - a connection state.
// src/store/conformance.h is this contract as tests; every implementation passes the same ones.
//
// Threading: every method is called from, and every callback runs on, the owner's loop thread. A
// store that has threads of its own hands results over through the Executor it was made with. No
// method blocks; no callback runs inside the call that asked for it; each completion runs exactly
// once, within the store's timeout (default 5 s), also when the store is gone. After close() none
// runs. Destroy a store before the loop behind its Executor.
//
// Keys: tokens of [A-Za-z0-9_=-] joined by '/', at most 200 bytes. Values: 1 byte to 512 KiB. What
// breaks these rules is `refused`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace anyswan::store {

/// Runs a task on the loop thread soon, in the order given. Callable from any thread.
using Executor = std::function<void(std::function<void()>)>;

template <class T>
using Completion = std::function<void(T)>;

enum class Failure : std::uint8_t {
    unavailable,  // not connected, no leader, or no answer in time: the write may or may not have
                  // happened
    refused,      // the store said no (permission, size, full disk)
};
struct StoreError {
    Failure failure{};
    std::string message;  // for operators: what was attempted, what happened
};
template <class T>
using StoreResult = Expected<T, StoreError>;

enum class FactPath : std::uint8_t {
    watch,  // from the store, in order; `revision` is its place
    fast,   // the publisher's copy over the bus, ahead of the store; `revision` is 0
};

struct FactEvent {
    std::string key;
    Bytes value;  // empty: deleted
    Revision revision;
    FactPath path = FactPath::watch;
};

/// What a watcher is told. Order of calls: facts..., snapshot_complete, facts... A writer hears of
/// its own facts too, both ways. Between two deliveries of a key older values may be skipped, and a
/// snapshot may tell deletions of keys never seen.
struct FactSink {
    std::function<void(FactEvent)> on_fact;
    /// All facts that existed when the watch began have been delivered; `revision` is the last of
    /// them.
    std::function<void(Revision)> on_snapshot_complete;
    /// The store is not the one it was (restored backup, lost tail, re-created): its revisions
    /// restart or went backwards. Writers must put again what they own. A snapshot of the new state
    /// follows, with its own on_snapshot_complete.
    std::function<void(std::string reason)> on_store_reset;
};

struct Claim {
    Bytes value;
    Revision revision;
};

/// Outcome of a compare-and-swap.
struct Swap {
    bool won = false;
    Revision revision;  // of our write if won; else unspecified: read the claim to learn more
};

enum class LinkState : std::uint8_t { connecting, connected, disconnected, closed };
[[nodiscard]] const char* name(LinkState state);

struct BusMessage {
    std::string subject;
    Bytes payload;
};

class Store {
public:
    virtual ~Store() = default;

    /// Writes a fact; the completion's revision means durable as the store defines it. Also sends
    /// the copy on the fast path at once, connected to a leader or not. Puts of one client are
    /// applied in the order of the calls.
    virtual void put_fact(const std::string& key, Bytes value,
                          Completion<StoreResult<Revision>> done) = 0;
    virtual void delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) = 0;
    /// Delivers every fact written after `after` (0: all current facts first), for as long as the
    /// store is open, across reconnects. One watch per store. A revision the store hasn't reached
    /// is a store reset.
    virtual void watch_facts(Revision after, FactSink sink) = 0;

    virtual void read_claim(const std::string& key,
                            Completion<StoreResult<std::optional<Claim>>> done) = 0;
    /// Writes if the claim's revision is `expected` (0: if there is none).
    virtual void swap_claim(const std::string& key, Bytes value, Revision expected,
                            Completion<StoreResult<Swap>> done) = 0;
    /// Deletes if the claim's revision is `expected`; 0 never wins.
    virtual void delete_claim(const std::string& key, Revision expected,
                              Completion<StoreResult<Swap>> done) = 0;
    /// Keys of all claims that begin with `prefix`, sorted, read through the leader. A key deleted
    /// by a client that died in the act may still be named: read_claim tells.
    virtual void list_claims(const std::string& prefix,
                             Completion<StoreResult<std::vector<std::string>>> done) = 0;

    /// Lossy, unordered between senders, not stored. Subjects: dot-separated tokens of [a-z0-9-].
    virtual void publish(const std::string& subject, Bytes payload) = 0;
    /// `pattern` may end in ".*" (one token). A publisher gets its own messages too.
    virtual void subscribe(const std::string& pattern, std::function<void(BusMessage)> handler) = 0;

    /// Tells the present state soon, then each change of it or of its reason. Connected: facts and
    /// claims can be written.
    virtual void on_link_state(std::function<void(LinkState, std::string why)> handler) = 0;
    [[nodiscard]] virtual LinkState link_state() const = 0;
    /// "sqlite /var/lib/...", "nats 2.9.10, 1 server, replicas 1".
    [[nodiscard]] virtual std::string describe() const = 0;
    /// Doesn't block; the destructor waits for the store's own threads.
    virtual void close() = 0;
};

inline constexpr std::size_t key_bytes_max = 200;
inline constexpr std::size_t value_bytes_max = std::size_t{512} * 1024;

// The naming rules above, for implementations.
[[nodiscard]] bool valid_key(std::string_view key);
/// Why a write of `value` under `key` breaks the rules, or nothing. Deletions pass no value.
[[nodiscard]] std::optional<StoreError> refuse_write(std::string_view key,
                                                     const std::optional<ByteView>& value);
/// Why a key can't be read, or nothing. Of a prefix, only the beginning of a key is wanted.
[[nodiscard]] std::optional<StoreError> refuse_read(std::string_view key);
[[nodiscard]] std::optional<StoreError> refuse_list(std::string_view prefix);
[[nodiscard]] bool valid_subject(std::string_view subject);
[[nodiscard]] bool valid_pattern(std::string_view pattern);
/// `pattern` as in Store::subscribe.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view subject);

}  // namespace anyswan::store
