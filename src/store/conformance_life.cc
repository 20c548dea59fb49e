// SPDX-License-Identifier: Apache-2.0
// Conformance: the bus, completions, closing, and links that go down and come back.
#include "store/conformance.h"

namespace anyswan::store {
namespace {

TEST_P(StoreConformance, TheBusHasOneTokenWildcardsAndEchoesToThePublisher) {
    auto a = client();
    auto b = client();
    std::vector<std::string> exact;
    std::vector<std::string> wild;
    std::vector<std::string> own;
    b->subscribe("relay.edge-7",
                 [&](BusMessage message) { exact.push_back(to_string(message.payload)); });
    b->subscribe("relay.*", [&](BusMessage message) { wild.push_back(message.subject); });
    a->subscribe("relay.*", [&](BusMessage message) { own.push_back(message.subject); });
    // Lossy: what is sent before a subscription has reached the server may be lost.
    ASSERT_TRUE(loop_.run_until([&] {
        a->publish("relay.ready", to_bytes("?"));
        loop_.run_for(std::chrono::milliseconds(20));
        return !wild.empty() && !own.empty();
    }));
    loop_.run_for(std::chrono::milliseconds(50));
    wild.clear();
    own.clear();
    for (const char* subject : {"relay", "relay.edge-7.x", "relayed.edge-7", "relay.edge-8"}) {
        a->publish(subject, to_bytes("no"));
    }
    a->publish("relay.edge-7", to_bytes("datagram"));
    ASSERT_TRUE(loop_.run_until([&] { return wild.size() >= 2 && own.size() >= 2; }));
    loop_.run_for(std::chrono::milliseconds(20));
    EXPECT_EQ(exact, std::vector<std::string>{"datagram"});
    EXPECT_EQ(wild, (std::vector<std::string>{"relay.edge-8", "relay.edge-7"}));
    EXPECT_EQ(own, wild);
}

TEST_P(StoreConformance, ABusMessageMayBeEmptyAndOfAnyBytes) {
    auto a = client();
    std::vector<Bytes> got;
    a->subscribe("marks", [&](BusMessage message) { got.push_back(std::move(message.payload)); });
    ASSERT_TRUE(loop_.run_until([&] {
        a->publish("marks", {});
        loop_.run_for(std::chrono::milliseconds(20));
        return !got.empty();
    }));
    EXPECT_TRUE(got[0].empty());
    loop_.run_for(std::chrono::milliseconds(50));
    got.clear();
    a->publish("marks", Bytes{0, 13, 10, 0, 255});
    ASSERT_TRUE(loop_.run_until([&] { return !got.empty(); }));
    EXPECT_EQ(got[0], (Bytes{0, 13, 10, 0, 255}));
}

TEST_P(StoreConformance, EachCompletionRunsExactlyOnceAndNeverInsideTheCall) {
    auto a = client();
    std::map<int, int> runs;
    int next = 0;
    bool inside = false;
    const auto count = [&](auto) {
        return [&, id = next++](const auto&) {
            EXPECT_FALSE(inside);
            ++runs[id];
        };
    };
    inside = true;
    for (int i = 0; i < 100; ++i) {
        const std::string key = "k/" + std::to_string(i);
        a->put_fact(key, to_bytes("v"), count(0));
        a->put_fact("bad key", to_bytes("v"), count(0));
        a->delete_fact(key, count(0));
        a->swap_claim(key, to_bytes("v"), Revision{0}, count(0));
        a->swap_claim(key, to_bytes("v"), Revision{0}, count(0));
        a->read_claim(key, count(0));
        a->delete_claim(key, Revision{999'999}, count(0));
        a->list_claims("k/" + std::to_string(i), count(0));
    }
    inside = false;
    ASSERT_TRUE(loop_.run_until([&] { return runs.size() == 800; }));
    loop_.run_for(std::chrono::milliseconds(100));
    for (const auto& [id, times] : runs) {
        EXPECT_EQ(times, 1) << id;
    }
}

TEST_P(StoreConformance, NothingRunsAfterClose) {
    Watched watched;
    auto a = watcher(watched);
    auto b = client();
    int after = 0;
    bool closed = false;
    const auto count = [&](const auto&...) {
        if (closed) {
            ++after;
        }
    };
    a->on_link_state(count);
    a->subscribe("marks", count);
    for (int i = 0; i < 50; ++i) {
        a->put_fact("k/" + std::to_string(i), to_bytes("v"), count);
        a->read_claim("c", count);
        a->publish("marks", to_bytes("m"));
        b->publish("marks", to_bytes("m"));
        b->put_fact("b/" + std::to_string(i), to_bytes("v"), [](const auto&) {});
    }
    loop_.run_for(std::chrono::milliseconds(1));
    a->close();
    closed = true;
    EXPECT_EQ(a->link_state(), LinkState::closed);
    const std::size_t seen = watched.facts.size() + watched.fast.size();
    ASSERT_TRUE(put(loop_, *b, "b/last", "v").has_value());
    loop_.run_for(std::chrono::milliseconds(50));
    a->close();
    a.reset();
    loop_.run_for(std::chrono::milliseconds(50));
    EXPECT_EQ(after, 0);
    EXPECT_EQ(watched.facts.size() + watched.fast.size(), seen);
}

TEST_P(StoreConformance, ACallbackMayCloseAndDestroyItsStore) {
    auto writer = client();
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(put(loop_, *writer, "k/" + std::to_string(i), "v").has_value());
    }
    auto doomed = client();
    int told = 0;
    doomed->watch_facts(Revision{0}, {.on_fact =
                                          [&](const FactEvent&) {
                                              ++told;
                                              doomed.reset();
                                          },
                                      .on_snapshot_complete = [&](Revision) { ++told; },
                                      .on_store_reset = [&](const std::string&) { ++told; }});
    ASSERT_TRUE(loop_.run_until([&] { return told > 0; }));
    loop_.run_for(std::chrono::milliseconds(50));
    EXPECT_EQ(told, 1);
}

TEST_P(StoreConformance, TheLinkStateIsToldToWhoAsksLate) {
    auto a = client();
    std::vector<LinkState> told;
    a->on_link_state([&](LinkState state, const std::string&) { told.push_back(state); });
    EXPECT_TRUE(told.empty());
    ASSERT_TRUE(loop_.run_until([&] { return !told.empty(); }));
    EXPECT_EQ(told.back(), LinkState::connected);
    EXPECT_FALSE(a->describe().empty());
}

TEST_P(StoreConformance, AClientCutOffFailsQuicklyAndMissesNothingWhenItComesBack) {
    if (!store_->can_cut()) {
        GTEST_SKIP() << "an embedded store has no link";
    }
    Watched watched;
    auto reader = watcher(watched);
    std::vector<LinkState> states;
    reader->on_link_state([&](LinkState state, const std::string&) { states.push_back(state); });
    auto writer = client();
    ASSERT_TRUE(put(loop_, *writer, "k/before", "1").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.facts.size() == 1; }));
    store_->cut(*reader);
    ASSERT_TRUE(loop_.run_until([&] { return reader->link_state() == LinkState::disconnected; }));
    const auto start = std::chrono::steady_clock::now();
    auto failed = put(loop_, *reader, "k/own", "lost");
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().failure, Failure::unavailable);
    EXPECT_FALSE(read(loop_, *reader, "c").has_value());
    EXPECT_FALSE(swap(loop_, *reader, "c", "v", Revision{0}).has_value());
    EXPECT_FALSE(list(loop_, *reader, "c").has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
    Revision last;
    for (int i = 0; i < 200; ++i) {
        last = put(loop_, *writer, "k/" + std::to_string(i), "2").value();
    }
    ASSERT_TRUE(erase(loop_, *writer, "k/before").has_value());
    EXPECT_EQ(watched.facts.size(), 1U);
    store_->heal(*reader);
    ASSERT_TRUE(loop_.run_until([&] { return watched.facts.size() >= 202; }));
    EXPECT_EQ(watched.state().size(), 200U);
    EXPECT_TRUE(watched.revisions_increase());
    EXPECT_EQ(watched.snapshots.size(), 1U);
    EXPECT_TRUE(watched.resets.empty());
    EXPECT_EQ(states.back(), LinkState::connected);
    EXPECT_FALSE(watched.state().contains("k/own"));
}

}  // namespace
}  // namespace anyswan::store
