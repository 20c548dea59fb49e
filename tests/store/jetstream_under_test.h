// SPDX-License-Identifier: Apache-2.0
// JetStream clients for tests: one fleet per test on servers that tests share or own.
#pragma once

#include <atomic>

#include "nats_server.h"
#include "proxy.h"
#include "store/conformance.h"
#include "store/jetstream/jetstream.h"

namespace anyswan::store {

/// A name that no other test of this program has used.
inline std::string new_fleet() {
    static std::atomic<int> last = 0;
    return "fleet-" + std::to_string(++last);
}

inline JetStreamConfig test_config(std::vector<std::string> urls, std::string fleet) {
    JetStreamConfig config;
    config.urls = std::move(urls);
    config.fleet = std::move(fleet);
    config.user = "edge";
    config.password = Secret::copy_of(as_bytes("edge"));
    return config;
}

inline std::unique_ptr<Store> open_jetstream(JetStreamConfig config, TestLoop& loop) {
    auto store = JetStreamStore::open(std::move(config), loop.executor());
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
}

/// Every client has a proxy of its own, so that each can be cut off alone.
class JetStreamUnderTest final : public StoreUnderTest {
public:
    explicit JetStreamUnderTest(const NatsServer& server, int replicas = 1)
        : server_(server), replicas_(replicas) {}

    std::unique_ptr<Store> connect(Executor executor) override {
        auto proxy = std::make_unique<Proxy>(server_.port());
        JetStreamConfig config = test_config({NatsServer::url_at(proxy->port())}, fleet_);
        config.replicas = replicas_;
        auto store = JetStreamStore::open(std::move(config), std::move(executor));
        EXPECT_TRUE(store.has_value()) << store.error().message;
        proxies_[store->get()] = std::move(proxy);
        return std::move(*store);
    }
    void cut(Store& client) override { proxies_.at(&client)->cut(); }
    void heal(Store& client) override { proxies_.at(&client)->heal(); }

private:
    const NatsServer& server_;
    const int replicas_;
    const std::string fleet_ = new_fleet();
    std::map<Store*, std::unique_ptr<Proxy>> proxies_;
};

}  // namespace anyswan::store
