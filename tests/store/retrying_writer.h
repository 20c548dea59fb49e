// SPDX-License-Identifier: Apache-2.0
// Writes facts through outages as the edge does: what was not acknowledged is put again.
#pragma once

#include "store/conformance.h"

namespace anyswan::store {

class RetryingWriter {
public:
    /// Keys are "<prefix>/0", "<prefix>/1", ...; at most `in_flight` at a time are unanswered.
    RetryingWriter(Store& store, std::string prefix, int count, int in_flight = 8)
        : store_(store), prefix_(std::move(prefix)), count_(count) {
        store_.on_link_state([this](LinkState state, const std::string&) {
            if (state == LinkState::connected) {
                put_failed();
            }
        });
        for (int i = 0; i < in_flight; ++i) {
            put_next();
        }
    }

    /// Key to the revision of its acknowledged write.
    [[nodiscard]] const std::map<std::string, Revision>& acknowledged() const {
        return acknowledged_;
    }
    [[nodiscard]] bool done() const {
        return acknowledged_.size() == static_cast<std::size_t>(count_);
    }
    [[nodiscard]] int failures() const { return failures_; }

private:
    void put_next() {
        if (next_ < count_) {
            put(prefix_ + "/" + std::to_string(next_++));
        }
    }
    void put(const std::string& key) {
        store_.put_fact(key, to_bytes(key), [this, key](const StoreResult<Revision>& result) {
            if (result) {
                acknowledged_[key] = *result;
                put_next();
            } else {
                ASSERT_EQ(result.error().failure, Failure::unavailable) << result.error().message;
                ++failures_;
                failed_.push_back(key);
                if (store_.link_state() == LinkState::connected) {
                    put_failed();
                }
            }
        });
    }

    void put_failed() {
        std::vector<std::string> failed;
        failed.swap(failed_);
        for (const std::string& key : failed) {
            put(key);
        }
    }

    Store& store_;
    std::string prefix_;
    int count_;
    int next_ = 0;
    int failures_ = 0;
    std::vector<std::string> failed_;  // wait for the link
    std::map<std::string, Revision> acknowledged_;
};

/// Every acknowledged fact is in `state`.
inline testing::AssertionResult holds_all(const std::map<std::string, std::string>& state,
                                          const RetryingWriter& writer) {
    for (const auto& [key, revision] : writer.acknowledged()) {
        if (!state.contains(key)) {
            return testing::AssertionFailure()
                   << key << ", acknowledged as " << revision.value() << ", is missing";
        }
    }
    return testing::AssertionSuccess();
}

}  // namespace anyswan::store
