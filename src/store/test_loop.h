// SPDX-License-Identifier: Apache-2.0
// A loop for tests of stores: the test's thread runs the tasks, other threads may post them. And
// helpers that turn the Store's completions into plain calls.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "store/store.h"

namespace anyswan::store {

class TestLoop {
public:
    [[nodiscard]] Executor executor() {
        return [this](std::function<void()> task) {
            const std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
            arrived_.notify_one();
        };
    }

    /// Runs tasks until `done` holds; false when it doesn't within `limit`.
    template <class Predicate>
    bool run_until(Predicate done, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        while (!done()) {
            std::unique_lock lock(mutex_);
            if (!arrived_.wait_until(lock, deadline, [&] { return !tasks_.empty(); })) {
                return false;
            }
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
        }
        return true;
    }

    /// Runs what is there and what comes within `time`: to show that something does not happen.
    void run_for(std::chrono::milliseconds time) {
        (void)run_until([] { return false; }, time);
    }

    /// Runs what is there, and what that posts.
    void run_ready() { run_for(std::chrono::milliseconds(0)); }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> tasks_;
};

/// Waits for the completion that `start` is given; a completion that never comes is an error.
template <class T, class Start>
StoreResult<T> await(TestLoop& loop, Start start,
                     std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    auto result = std::make_shared<std::optional<StoreResult<T>>>();
    start([result](StoreResult<T> value) { result->emplace(std::move(value)); });
    if (!loop.run_until([&] { return result->has_value(); }, limit)) {
        return Unexpected{StoreError{Failure::unavailable, "the completion never ran"}};
    }
    return std::move(**result);
}

inline StoreResult<Revision> put(TestLoop& loop, Store& store, const std::string& key,
                                 std::string_view value) {
    return await<Revision>(
        loop, [&](auto done) { store.put_fact(key, to_bytes(value), std::move(done)); });
}
inline StoreResult<Revision> erase(TestLoop& loop, Store& store, const std::string& key) {
    return await<Revision>(loop, [&](auto done) { store.delete_fact(key, std::move(done)); });
}
inline StoreResult<Swap> swap(TestLoop& loop, Store& store, const std::string& key,
                              std::string_view value, Revision expected) {
    return await<Swap>(loop, [&](auto done) {
        store.swap_claim(key, to_bytes(value), expected, std::move(done));
    });
}
inline StoreResult<Swap> release(TestLoop& loop, Store& store, const std::string& key,
                                 Revision expected) {
    return await<Swap>(loop,
                       [&](auto done) { store.delete_claim(key, expected, std::move(done)); });
}
inline StoreResult<std::optional<Claim>> read(TestLoop& loop, Store& store,
                                              const std::string& key) {
    return await<std::optional<Claim>>(loop,
                                       [&](auto done) { store.read_claim(key, std::move(done)); });
}
inline StoreResult<std::vector<std::string>> list(TestLoop& loop, Store& store,
                                                  const std::string& prefix) {
    return await<std::vector<std::string>>(
        loop, [&](auto done) { store.list_claims(prefix, std::move(done)); });
}

}  // namespace anyswan::store
