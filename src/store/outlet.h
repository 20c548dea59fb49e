// SPDX-License-Identifier: Apache-2.0
// A store client's only way to call its owner: tasks for the owner's loop that turn into nothing
// once the client is closed. This is where "after close() no callback runs" is kept.
#pragma once

#include <atomic>
#include <memory>

#include "store/store.h"

namespace anyswan::store {

class Outlet {
public:
    explicit Outlet(Executor executor)
        : executor_(std::move(executor)), open_(std::make_shared<std::atomic<bool>>(true)) {}

    /// From any thread. `task` runs on the loop, unless the client is closed by then.
    void post(std::function<void()> task) const {
        if (is_open()) {
            executor_([open = open_, task = std::move(task)] {
                if (open->load()) {
                    task();
                }
            });
        }
    }
    /// For tasks that make several calls, any of which may close the client.
    [[nodiscard]] bool is_open() const { return open_->load(); }
    /// On the loop thread.
    void close() { open_->store(false); }

private:
    Executor executor_;
    std::shared_ptr<std::atomic<bool>> open_;
};

/// Posts a call of `done` with `result`.
template <class T>
void complete(const Outlet& outlet, const Completion<StoreResult<T>>& done, StoreResult<T> result) {
    // std::function wants copyable captures; results are moved out of a shared box.
    auto box = std::make_shared<StoreResult<T>>(std::move(result));
    outlet.post([done, box] { done(std::move(*box)); });
}

}  // namespace anyswan::store
