// SPDX-License-Identifier: Apache-2.0
// The JetStream store when its server is killed, frozen, restored from a backup, or not as it must
// be. Each test has a server of its own.
#include <nats/nats.h>

#include "jetstream_under_test.h"
#include "retrying_writer.h"
#include "store/jetstream/api.h"

namespace anyswan::store {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace {

using namespace std::chrono_literals;

class JetStreamFaults : public testing::Test {
protected:
    void SetUp() override { server_->start(); }

    JetStreamConfig config() const { return test_config({server_->url()}, "fleet"); }
    std::unique_ptr<Store> open(JetStreamConfig with) {
        return open_jetstream(std::move(with), loop_);
    }
    std::unique_ptr<Store> client() {
        auto store = open(config());
        EXPECT_TRUE(wait_connected(loop_, *store)) << store->describe();
        return store;
    }
    std::unique_ptr<Store> watcher(Watched& watched, JetStreamConfig with) {
        auto store = open(std::move(with));
        store->watch_facts(Revision{0}, watched.sink());
        EXPECT_TRUE(loop_.run_until([&] { return !watched.snapshots.empty(); }))
            << store->describe();
        return store;
    }
    bool wait_down(const Store& store) {
        return loop_.run_until([&] { return store.link_state() == LinkState::disconnected; });
    }
    /// Kills the server and does `meanwhile`; returns when `store` is connected again.
    template <class F>
    void restart(const Store& store, F meanwhile) {
        server_->kill();
        ASSERT_TRUE(wait_down(store));
        meanwhile();
        server_->start();
        ASSERT_TRUE(wait_connected(loop_, store)) << store.describe();
    }
    /// What `store` says when it has found why it can't work.
    std::string wait_for_reason(Store& store, const std::string& part) {
        loop_.run_until([&] { return store.describe().find(part) != std::string::npos; }, 10s);
        return store.describe();
    }

    TestLoop loop_;
    std::unique_ptr<NatsServer> server_ = make_single_server();
};

TEST_F(JetStreamFaults, AServerKilledInTheMiddleOfWritesLosesNoAcknowledgedFact) {
    Watched watched;
    auto reader = watcher(watched, config());
    auto store = client();
    RetryingWriter writer(*store, "k", 2000);
    ASSERT_TRUE(loop_.run_until([&] { return writer.acknowledged().size() > 500; }));
    server_->kill();
    ASSERT_TRUE(wait_down(*store));
    server_->start();
    ASSERT_TRUE(loop_.run_until([&] { return writer.done(); }));
    EXPECT_GT(writer.failures(), 0);
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().size() == 2000; }));
    EXPECT_TRUE(holds_all(watched.state(), writer));
    EXPECT_TRUE(watched.revisions_increase());
    EXPECT_TRUE(watched.resets.empty());
    Watched late;
    auto joiner = watcher(late, config());
    EXPECT_TRUE(holds_all(late.state(), writer));
}

TEST_F(JetStreamFaults, AFrozenServerFailsRequestsInTimeAndIsUsedAgainWhenThawed) {
    Watched watched;
    auto store = watcher(watched, config());
    ASSERT_TRUE(put(loop_, *store, "k/1", "1").has_value());
    server_->freeze();
    const auto start = std::chrono::steady_clock::now();
    auto failed = put(loop_, *store, "k/2", "2");
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().failure, Failure::unavailable);
    EXPECT_FALSE(swap(loop_, *store, "c", "v", Revision{0}).has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 6s);
    ASSERT_TRUE(wait_down(*store));
    const auto known = std::chrono::steady_clock::now();
    EXPECT_FALSE(put(loop_, *store, "k/3", "3").has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - known, 500ms) << "known to be down: no waiting";
    server_->thaw();
    ASSERT_TRUE(wait_connected(loop_, *store));
    ASSERT_TRUE(put(loop_, *store, "k/4", "4").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().contains("k/4"); }));
    EXPECT_FALSE(watched.state().contains("k/3")) << "nothing is kept for later unsaid";
    EXPECT_TRUE(watched.resets.empty());
}

TEST_F(JetStreamFaults, AStoreThatComesBackWithoutItsTailIsAResetAndTakesFactsAgain) {
    Watched watched;
    auto store = watcher(watched, config());
    ASSERT_TRUE(put(loop_, *store, "k/old", "1").has_value());
    restart(*store, [&] { server_->save_copy(); });
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(put(loop_, *store, "k/" + std::to_string(i), "2").has_value());
    }
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().size() == 11; }));
    restart(*store, [&] { server_->restore_copy(); });
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 2; }));
    EXPECT_EQ(watched.resets.size(), 1U);
    EXPECT_EQ(watched.facts.back().key, "k/old") << "the snapshot of what is left";
    ASSERT_TRUE(put(loop_, *store, "k/0", "again").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.facts.back().key == "k/0"; }));
    Watched late;
    auto joiner = watcher(late, config());
    EXPECT_EQ(late.state().size(), 2U);
}

TEST_F(JetStreamFaults, ALostTailIsFoundEvenIfTheStoreGrewPastItBeforeWeLooked) {
    Proxy proxy(server_->port());
    Watched watched;
    auto away = watcher(watched, test_config({NatsServer::url_at(proxy.port())}, "fleet"));
    auto writer = client();
    ASSERT_TRUE(put(loop_, *writer, "k/old", "1").has_value());
    restart(*writer, [&] { server_->save_copy(); });
    ASSERT_TRUE(put(loop_, *writer, "k/lost", "2").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().size() == 2; }));
    proxy.cut();
    restart(*writer, [&] { server_->restore_copy(); });
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(put(loop_, *writer, "k/new", "3").has_value());
    }
    EXPECT_TRUE(watched.resets.empty());
    proxy.heal();
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 2; }));
    ASSERT_EQ(watched.resets.size(), 1U);
    EXPECT_NE(watched.resets[0].find("k/lost"), std::string::npos) << watched.resets[0];
}

TEST_F(JetStreamFaults, AnEmptiedStoreIsAReset) {
    Watched watched;
    auto store = watcher(watched, config());
    ASSERT_TRUE(swap(loop_, *store, "c", "v", Revision{0}).value().won);
    restart(*store, [&] { server_->lose_data(); });
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 2; }));
    EXPECT_EQ(watched.resets.size(), 1U);
    EXPECT_FALSE(read(loop_, *store, "c").value().has_value());
    EXPECT_TRUE(swap(loop_, *store, "c", "v", Revision{0}).value().won);
    ASSERT_TRUE(put(loop_, *store, "k", "v").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().contains("k"); }));
}

TEST_F(JetStreamFaults, ClaimsThatWereLostAreAResetToo) {
    Watched watched;
    auto store = watcher(watched, config());
    ASSERT_TRUE(swap(loop_, *store, "c/1", "v", Revision{0}).value().won);
    ASSERT_TRUE(put(loop_, *store, "k", "v").has_value());
    restart(*store, [&] { server_->save_copy(); });
    ASSERT_TRUE(swap(loop_, *store, "c/2", "v", Revision{0}).value().won);
    restart(*store, [&] { server_->restore_copy(); });
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 2; }));
    ASSERT_EQ(watched.resets.size(), 1U);
    EXPECT_NE(watched.resets[0].find("claims"), std::string::npos) << watched.resets[0];
}

TEST_F(JetStreamFaults, AStoreMayBeOpenedBeforeItsServerStarts) {
    server_->kill();
    auto store = open(config());
    std::vector<std::string> reasons;
    store->on_link_state([&](LinkState, const std::string& why) { reasons.push_back(why); });
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(put(loop_, *store, "k", "v").has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 500ms);
    Watched watched;
    store->watch_facts(Revision{0}, watched.sink());
    server_->start();
    ASSERT_TRUE(wait_connected(loop_, *store));
    ASSERT_TRUE(put(loop_, *store, "k", "v").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().contains("k"); }));
    EXPECT_EQ(watched.snapshots.size(), 1U);
}

TEST_F(JetStreamFaults, WhatIsLostOnTheWayIsFetchedInItsPlace) {
    Watched watched;
    JetStreamConfig deaf = config();
    deaf.user = "deaf";
    deaf.password = Secret::copy_of(as_bytes("deaf"));
    auto reader = watcher(watched, std::move(deaf));
    auto writer = client();
    for (int i = 0; i < 50; ++i) {
        // A few lost ones are fetched one by one, many through a consumer.
        const bool lost = i % 10 != 9;
        const int repeats = i == 20 ? 40 : 1;
        for (int j = 0; j < repeats; ++j) {
            const std::string key =
                (lost ? "lost/" : "k/") + std::to_string(i) + "/" + std::to_string(j);
            ASSERT_TRUE(put(loop_, *writer, key, "v").has_value());
        }
    }
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().size() == 89; }));
    EXPECT_EQ(watched.facts.size(), 89U) << "each once";
    EXPECT_TRUE(watched.revisions_increase());
}

TEST_F(JetStreamFaults, APollFindsTheLastFactWhenNothingIsHeard) {
    Watched watched;
    JetStreamConfig deafer = config();
    deafer.user = "deafer";
    deafer.password = Secret::copy_of(as_bytes("deafer"));
    auto reader = watcher(watched, std::move(deafer));
    auto writer = client();
    for (int i = 0; i < 3; ++i) {
        const std::string key = "k/" + std::to_string(i);
        ASSERT_TRUE(put(loop_, *writer, key, "v").has_value());
        EXPECT_TRUE(loop_.run_until([&] { return watched.state().contains(key); }, 2s)) << key;
    }
    EXPECT_EQ(watched.facts.size(), 3U);
}

TEST_F(JetStreamFaults, AMissingPermissionIsARefusalNotATimeout) {
    auto owner = client();
    JetStreamConfig deaf = config();
    deaf.user = "deaf";
    deaf.password = Secret::copy_of(as_bytes("deaf"));
    auto store = open(std::move(deaf));
    ASSERT_TRUE(wait_connected(loop_, *store));
    const auto start = std::chrono::steady_clock::now();
    auto result = put(loop_, *store, "forbidden/1", "v");
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().failure, Failure::refused) << result.error().message;
    EXPECT_NE(result.error().message.find("forbidden"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    EXPECT_TRUE(put(loop_, *store, "allowed/1", "v").has_value());
}

TEST_F(JetStreamFaults, AWrongPasswordIsToldAndTriedAgain) {
    JetStreamConfig wrong = config();
    wrong.password = Secret::copy_of(as_bytes("wrong"));
    auto store = open(std::move(wrong));
    const std::string reason = wait_for_reason(*store, "uthorization");
    EXPECT_NE(reason.find("uthorization"), std::string::npos) << reason;
    EXPECT_NE(store->link_state(), LinkState::connected);
}

TEST_F(JetStreamFaults, ReplicasOnServersThatBreakTheSwapAreRefused) {
    JetStreamConfig replicated = config();
    replicated.replicas = 3;
    auto store = open(std::move(replicated));
    // 2.9.10 of Debian 12 is too old; a newer one alone can't keep three copies.
    ASSERT_TRUE(loop_.run_until([&] { return store->link_state() == LinkState::disconnected; }));
    const std::string reason = store->describe();
    EXPECT_TRUE(reason.find("#4320") != std::string::npos ||
                reason.find("replicas > 1") != std::string::npos)
        << reason;
    auto refused = swap(loop_, *store, "c", "v", Revision{0});
    EXPECT_FALSE(refused.has_value());
}

/// Speaks to the server as an operator's tool would.
class Operator {
public:
    explicit Operator(const NatsServer& server) {
        natsOptions* options = nullptr;
        EXPECT_EQ(natsOptions_Create(&options), NATS_OK);
        EXPECT_EQ(natsOptions_SetURL(options, server.url().c_str()), NATS_OK);
        EXPECT_EQ(natsOptions_SetUserInfo(options, "edge", "edge"), NATS_OK);
        EXPECT_EQ(natsConnection_Connect(&connection_, options), NATS_OK);
        natsOptions_Destroy(options);
    }
    ~Operator() { natsConnection_Destroy(connection_); }
    Operator(const Operator&) = delete;
    Operator& operator=(const Operator&) = delete;

    std::string ask(const std::string& subject, const std::string& payload) {
        natsMsg* reply = nullptr;
        if (natsConnection_Request(&reply, connection_, subject.c_str(), payload.data(),
                                   static_cast<int>(payload.size()), 2000) != NATS_OK) {
            return "";
        }
        std::string text(natsMsg_GetData(reply),
                         static_cast<std::size_t>(natsMsg_GetDataLength(reply)));
        natsMsg_Destroy(reply);
        return text;
    }

private:
    natsConnection* connection_ = nullptr;
};

TEST_F(JetStreamFaults, AStreamThatIsNotAsItMustBeIsNamed) {
    Operator tool(*server_);
    EXPECT_NE(tool.ask("$JS.API.STREAM.CREATE.KV_fleet_facts",
                       R"({"name":"KV_fleet_facts","subjects":["$KV.fleet_facts.>"],)"
                       R"("retention":"limits","storage":"file","max_msgs_per_subject":5,)"
                       R"("num_replicas":1,"max_age":60000000000})"),
              "");
    auto store = open(config());
    const std::string reason = wait_for_reason(*store, "KV_fleet_facts");
    for (const char* part : {"max_msgs_per_subject is 5, wanted 1", "republish", "max_age"}) {
        EXPECT_NE(reason.find(part), std::string::npos) << reason;
    }
    EXPECT_EQ(store->link_state(), LinkState::disconnected);
    tool.ask("$JS.API.STREAM.DELETE.KV_fleet_facts", "");
    EXPECT_TRUE(wait_connected(loop_, *store)) << "mended without a restart";
}

TEST_F(JetStreamFaults, AStreamDeletedAndMadeAgainUnderUsIsAReset) {
    Watched watched;
    auto store = watcher(watched, config());
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(put(loop_, *store, "k/" + std::to_string(i), "v").has_value());
    }
    Operator tool(*server_);
    tool.ask("$JS.API.STREAM.DELETE.KV_fleet_facts", "");
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 2; }));
    EXPECT_EQ(watched.resets.size(), 1U);
    ASSERT_TRUE(put(loop_, *store, "k/0", "again").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.last() == Revision{1}; }));
}

TEST_F(JetStreamFaults, TheEmptyMessageOfAClientThatDiedWhileDeletingIsNoClaim) {
    auto store = client();
    const Swap old = swap(loop_, *store, "c/1", "v", Revision{0}).value();
    Operator tool(*server_);
    ASSERT_NE(tool.ask("$KV.fleet_claims.c.1", ""), "");
    EXPECT_FALSE(read(loop_, *store, "c/1").value().has_value());
    EXPECT_FALSE(swap(loop_, *store, "c/1", "w", old.revision).value().won);
    const Swap created = swap(loop_, *store, "c/1", "w", Revision{0}).value();
    EXPECT_TRUE(created.won);
    EXPECT_FALSE(swap(loop_, *store, "c/1", "x", Revision{0}).value().won);
    EXPECT_EQ(read(loop_, *store, "c/1").value()->revision, created.revision);
}

TEST_F(JetStreamFaults, ASnapshotOfManyFactsIsCompleteAndQuick) {
    auto store = client();
    RetryingWriter writer(*store, "child", 20'000, 500);
    ASSERT_TRUE(loop_.run_until([&] { return writer.done(); }, 60s));
    const auto start = std::chrono::steady_clock::now();
    Watched watched;
    auto reader = watcher(watched, config());
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(watched.facts_before_snapshot, 20'000U);
    EXPECT_TRUE(watched.revisions_increase());
    EXPECT_LT(took, 10s);
    RecordProperty("snapshot_ms", static_cast<int>(took / 1ms));
}

}  // namespace
}  // namespace anyswan::store
