// SPDX-License-Identifier: Apache-2.0
// The JetStream store on a cluster of three with replicas: the conformance suite, a leader killed
// in the middle of writes, and the version that must be refused.
#include "cluster.h"

#include <array>
#include <set>

#include "jetstream_under_test.h"
#include "retrying_writer.h"

namespace anyswan::store {
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

namespace {

using namespace std::chrono_literals;

/// One cluster for all tests of this program; each test has a fleet of its own.
Cluster& shared_cluster() {
    static Cluster cluster(fetched_nats_server());
    return cluster;
}

/// Clients are spread over the servers, each behind a proxy of its own. They learn no other
/// server's address: a cut client is cut off.
class ClusterUnderTest final : public StoreUnderTest {
public:
    std::unique_ptr<Store> connect(Executor executor) override {
        Cluster& cluster = shared_cluster();
        const std::size_t index = proxies_.size() % Cluster::size();
        auto proxy = std::make_unique<Proxy>(cluster.server(index).port());
        JetStreamConfig config = test_config({NatsServer::url_at(proxy->port())}, fleet_);
        config.replicas = 3;
        config.only_named_servers = true;
        config.timeout = 15s;  // an election on a busy machine
        auto store = JetStreamStore::open(std::move(config), std::move(executor));
        EXPECT_TRUE(store.has_value()) << store.error().message;
        proxies_[store->get()] = std::move(proxy);
        return std::move(*store);
    }
    void cut(Store& client) override { proxies_.at(&client)->cut(); }
    void heal(Store& client) override { proxies_.at(&client)->heal(); }

private:
    const std::string fleet_ = new_fleet();
    std::map<Store*, std::unique_ptr<Proxy>> proxies_;
};

/// None when the skip was asked for by name.
std::vector<StoreMaker> makers() {
    if (skips_cluster()) {
        return {};
    }
    return {StoreMaker{"cluster", [] { return std::make_unique<ClusterUnderTest>(); }}};
}

INSTANTIATE_TEST_SUITE_P(Cluster, StoreConformance, testing::ValuesIn(makers()));

class ClusterFaults : public testing::Test {
protected:
    void SetUp() override {
        if (skips_cluster()) {
            GTEST_SKIP() << "ANYSWAN_SKIP_CLUSTER=1";
        }
    }
    std::unique_ptr<Store> open(Cluster& cluster, const std::string& fleet, std::size_t first) {
        JetStreamConfig config = test_config(cluster.urls(first), fleet);
        config.replicas = 3;
        return open_jetstream(std::move(config), loop_);
    }

    TestLoop loop_;
};

TEST_F(ClusterFaults, ALeaderKilledInTheMiddleOfWritesLosesNothingAndLeavesNoGap) {
    Cluster& cluster = shared_cluster();
    const std::string fleet = new_fleet();
    auto store = open(cluster, fleet, 0);
    ASSERT_TRUE(wait_connected(loop_, *store)) << store->describe();
    std::array<Watched, 3> watched;
    std::array<std::unique_ptr<Store>, 3> readers;
    for (std::size_t i = 0; i < readers.size(); ++i) {
        readers[i] = open(cluster, fleet, i);
        readers[i]->watch_facts(Revision{0}, watched[i].sink());
        ASSERT_TRUE(loop_.run_until([&] { return !watched[i].snapshots.empty(); }));
    }
    RetryingWriter writer(*store, "k", 3000);
    ASSERT_TRUE(loop_.run_until([&] { return writer.acknowledged().size() > 1000; }));
    NatsServer& leader = cluster.leader_of("KV_" + fleet + "_facts");
    leader.kill();
    ASSERT_TRUE(loop_.run_until([&] { return writer.done(); }, 40s)) << store->describe();
    EXPECT_GT(writer.failures(), 0) << "the leader was killed too late to matter";
    for (const Watched& each : watched) {
        ASSERT_TRUE(loop_.run_until([&] { return each.state().size() == 3000; }));
        EXPECT_TRUE(holds_all(each.state(), writer));
        EXPECT_TRUE(each.revisions_increase());
        EXPECT_TRUE(each.resets.empty()) << each.resets[0];
    }
    leader.start();
    Watched late;
    auto joiner = open(cluster, fleet, 1);
    joiner->watch_facts(Revision{0}, late.sink());
    ASSERT_TRUE(loop_.run_until([&] { return !late.snapshots.empty(); }));
    EXPECT_TRUE(holds_all(late.state(), writer));
}

TEST_F(ClusterFaults, TheLeaderOfClaimsKilledDuringSwapsLeavesOneWinnerPerRevision) {
    Cluster& cluster = shared_cluster();
    const std::string fleet = new_fleet();
    std::array<std::unique_ptr<Store>, 3> stores;
    for (std::size_t i = 0; i < stores.size(); ++i) {
        stores[i] = open(cluster, fleet, i);
        ASSERT_TRUE(wait_connected(loop_, *stores[i])) << stores[i]->describe();
    }
    // Each counts up the number in the claim; an increment whose outcome is unknown may or may not
    // have happened. So: known wins <= final number <= known wins + unknown ones.
    std::set<std::uint64_t> revisions;
    int wins = 0;
    int unknown = 0;
    int started = 0;
    bool stop = false;
    std::function<void(std::size_t)> increment = [&](std::size_t who) {
        if (stop) {
            return;
        }
        ++started;
        stores[who]->read_claim("n", [&, who](StoreResult<std::optional<Claim>> claim) {
            if (!claim) {
                increment(who);
                return;
            }
            const int number = *claim ? std::stoi(to_string((*claim)->value)) : 0;
            const Revision expected = *claim ? (*claim)->revision : Revision{0};
            stores[who]->swap_claim(
                "n", to_bytes(std::to_string(number + 1)), expected,
                [&, who](StoreResult<Swap> swapped) {
                    if (!swapped) {
                        ++unknown;
                    } else if (swapped->won) {
                        ++wins;
                        EXPECT_TRUE(revisions.insert(swapped->revision.value()).second);
                    }
                    increment(who);
                });
        });
    };
    for (std::size_t who = 0; who < stores.size(); ++who) {
        increment(who);
    }
    ASSERT_TRUE(loop_.run_until([&] { return wins > 200; }));
    NatsServer& leader = cluster.leader_of("KV_" + fleet + "_claims");
    leader.kill();
    const int before = wins;
    ASSERT_TRUE(loop_.run_until([&] { return wins > before + 300; }, 40s));
    stop = true;
    leader.start();
    ASSERT_TRUE(wait_connected(loop_, *stores[0]));
    loop_.run_for(200ms);
    const auto last = read(loop_, *stores[0], "n");
    ASSERT_TRUE(last.has_value()) << last.error().message;
    const int number = std::stoi(to_string((*last)->value));
    EXPECT_GE(number, wins);
    EXPECT_LE(number, wins + unknown);
}

TEST_F(ClusterFaults, AVersionThatLetsTwoWinIsRefusedWithReplicas) {
    Cluster old(system_nats_server());
    auto store = open(old, "fleet", 0);
    loop_.run_until([&] { return store->describe().find("3 servers") != std::string::npos; }, 10s);
    const std::string reason = store->describe();
    if (reason.find("nats 2.9.1") == std::string::npos) {
        GTEST_SKIP() << "the system's nats-server is not one of the broken ones: " << reason;
    }
    EXPECT_EQ(store->link_state(), LinkState::disconnected);
    EXPECT_NE(reason.find("nats-server #4320"), std::string::npos) << reason;
    EXPECT_NE(reason.find("3 servers"), std::string::npos) << "all of them are asked: " << reason;
    EXPECT_FALSE(swap(loop_, *store, "c", "v", Revision{0}).has_value());
}

}  // namespace
}  // namespace anyswan::store
