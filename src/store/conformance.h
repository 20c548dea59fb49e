// SPDX-License-Identifier: Apache-2.0
// The contract of store.h as tests. Every implementation's test program links these and names its
// fixture: INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, testing::Values(...)).
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "store/test_loop.h"

namespace anyswan::store {

/// One store that lives as long as one test, with as many clients as it wants.
class StoreUnderTest {
public:
    virtual ~StoreUnderTest() = default;
    /// A client; it need not be connected yet.
    virtual std::unique_ptr<Store> connect(Executor executor) = 0;
    /// Embedded stores have no link that could be cut.
    [[nodiscard]] virtual bool can_cut() const { return true; }
    virtual void cut(Store& client) = 0;
    virtual void heal(Store& client) = 0;
};

struct StoreMaker {
    std::string name;
    std::function<std::unique_ptr<StoreUnderTest>()> make;
};
inline void PrintTo(const StoreMaker& maker, std::ostream* out) {
    *out << maker.name;
}

/// What a watcher was told.
struct Watched {
    std::vector<FactEvent> facts;  // by the watch
    std::vector<FactEvent> fast;
    std::vector<Revision> snapshots;
    std::size_t facts_before_snapshot = 0;  // of the last one
    std::vector<std::string> resets;

    [[nodiscard]] FactSink sink();
    /// Key to value as a reader would hold them; deletions leave nothing.
    [[nodiscard]] std::map<std::string, std::string> state() const;
    [[nodiscard]] Revision last() const;
    [[nodiscard]] bool revisions_increase() const;
};

class StoreConformance : public testing::TestWithParam<StoreMaker> {
protected:
    void SetUp() override;

    /// A client that is connected.
    std::unique_ptr<Store> client();
    /// A client that is connected and has its snapshot.
    std::unique_ptr<Store> watcher(Watched& watched, Revision after = Revision{0});

    TestLoop loop_;  // outlives the clients
    std::unique_ptr<StoreUnderTest> store_;
};

bool wait_connected(TestLoop& loop, const Store& store);

}  // namespace anyswan::store
