// SPDX-License-Identifier: Apache-2.0
#include "edge/facts.h"

#include <gtest/gtest.h>

#include "store/memory/memory.h"
#include "store/test_loop.h"

namespace anyswan::edge {
namespace {

/// One edge's view: its store client, its Facts, what it was told.
struct Node {
    Node(const std::shared_ptr<store::MemoryHub>& hub, store::TestLoop& loop,
         const sa::FleetKeys& keys, Random& random)
        : store(hub->connect(loop.executor())),
          facts(*store, keys, random,
                {[this](const sa::EnvelopeHeader& header, const sa::Record& record) {
                     keys_told.push_back(header.key);
                     if (const auto* endpoint = std::get_if<sa::EndpointRecord>(&record)) {
                         ports_told.push_back(endpoint->remote.port);
                     }
                 },
                 [this] { ++in_step_told; }}) {}

    std::unique_ptr<store::LocalStore> store;
    std::vector<std::string> keys_told;
    std::vector<std::uint16_t> ports_told;
    int in_step_told = 0;
    Facts facts;
};

class FactsTest : public testing::Test {
protected:
    FactsTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
    }

    static sa::EndpointRecord endpoint(std::uint16_t port) {
        return {.ike_spi = IkeSpi(7), .local = {}, .remote = {IpAddress::v4(0xc0000201), port}};
    }
    static std::string key() { return sa::endpoint_key(IkeSpi(7)); }

    Written put(Node& node, std::uint16_t port) {
        std::optional<Written> written;
        node.facts.put(key(), Epoch(1), endpoint(port), [&](Written value) { written = value; });
        loop_.run_until([&] { return written.has_value(); }, std::chrono::seconds(5));
        return written.value();
    }

    SeededRandom random_{12};
    sa::FleetKeys keys_;
    store::TestLoop loop_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    Node a_{hub_, loop_, keys_, random_};
    Node b_{hub_, loop_, keys_, random_};
};

TEST_F(FactsTest, EveryEdgeTheWritersTooIsToldOnceThoughItComesTwice) {
    a_.facts.start();
    b_.facts.start();
    loop_.run_ready();
    EXPECT_EQ(a_.in_step_told, 1);
    EXPECT_EQ(put(a_, 500), Written::durable);
    loop_.run_ready();
    EXPECT_EQ(a_.ports_told, (std::vector<std::uint16_t>{500}));
    EXPECT_EQ(b_.ports_told, (std::vector<std::uint16_t>{500}));
}

TEST_F(FactsTest, ALateEdgeLearnsTheNewestAlone) {
    a_.facts.start();
    loop_.run_ready();
    put(a_, 500);
    put(a_, 4500);
    b_.facts.start();
    loop_.run_ready();
    EXPECT_EQ(b_.ports_told, (std::vector<std::uint16_t>{4500}));
    EXPECT_TRUE(b_.facts.in_step());
}

TEST_F(FactsTest, AnOlderCopyThatComesLateChangesNothing) {
    a_.facts.start();
    b_.facts.start();
    loop_.run_ready();
    put(a_, 500);
    const Bytes old = a_.facts.own(key()).value();
    put(a_, 4500);
    loop_.run_ready();
    b_.facts.offer(key(), old);
    EXPECT_EQ(b_.ports_told.back(), 4500);
}

TEST_F(FactsTest, WithoutTheStoreAWriteIsInForceHereAndFollowsLater) {
    a_.facts.start();
    b_.facts.start();
    loop_.run_ready();
    hub_->cut(*a_.store);
    EXPECT_EQ(put(a_, 500), Written::deferred);
    EXPECT_EQ(a_.ports_told, (std::vector<std::uint16_t>{500}));
    EXPECT_EQ(a_.facts.deferred(), 1U);
    hub_->heal(*a_.store);
    a_.facts.flush();
    loop_.run_ready();
    EXPECT_EQ(b_.ports_told, (std::vector<std::uint16_t>{500}));
    EXPECT_EQ(a_.facts.deferred(), 0U);
    EXPECT_EQ(a_.ports_told.size(), 1U) << "its own record must not be applied twice";
}

TEST_F(FactsTest, WhatAStoreLostIsWrittenAgainByItsWriter) {
    a_.facts.start();
    loop_.run_ready();
    const auto before = hub_->take_copy();
    put(a_, 500);
    hub_->go_back_to(before);
    loop_.run_ready();
    b_.facts.start();
    loop_.run_ready();
    EXPECT_EQ(b_.ports_told, (std::vector<std::uint16_t>{500}));
}

TEST_F(FactsTest, WhatItsWriterNeverWroteIsWrittenByWhoHeardOfIt) {
    a_.facts.start();
    loop_.run_ready();
    a_.facts.offer(key(), sa::seal_record(keys_, random_, key(), {Epoch(1), 1}, endpoint(500)));
    a_.facts.rescue(1);
    loop_.run_ready();
    EXPECT_FALSE(a_.facts.counters().contains("facts_rescued")) << "the store's copy may come";
    a_.facts.rescue(1);
    loop_.run_ready();
    EXPECT_EQ(a_.facts.counters().at("facts_rescued"), 1U);
    b_.facts.start();
    loop_.run_ready();
    EXPECT_EQ(b_.ports_told, (std::vector<std::uint16_t>{500}));
    a_.facts.rescue(1);
    a_.facts.rescue(1);
    EXPECT_EQ(a_.facts.counters().at("facts_rescued"), 1U) << "the store has it now";
}

TEST_F(FactsTest, ARecordOfAnotherFleetIsRefusedAndCounted) {
    sa::FleetKeys strange;
    strange.current = 1;
    strange.keys.emplace(1, random_.secret(32));
    Node stranger(hub_, loop_, strange, random_);
    a_.facts.start();
    loop_.run_ready();
    put(stranger, 500);
    loop_.run_ready();
    EXPECT_TRUE(a_.ports_told.empty());
    EXPECT_EQ(a_.facts.counters().at("facts_seal_broken"), 2U)
        << "once by the watch, once by the fast path";
}

TEST_F(FactsTest, ARecordUnderAnotherNameIsRefused) {
    a_.facts.start();
    loop_.run_ready();
    put(a_, 500);
    const Bytes envelope = a_.facts.own(key()).value();
    a_.facts.offer(sa::endpoint_key(IkeSpi(8)), envelope);
    EXPECT_EQ(a_.ports_told.size(), 1U);
    EXPECT_EQ(a_.facts.counters().at("facts_bad_envelope"), 1U);
}

}  // namespace
}  // namespace anyswan::edge
