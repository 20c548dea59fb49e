// SPDX-License-Identifier: Apache-2.0
#include "edge/machine.h"

#include "edge/driver_choice.h"
#include "net/route_netlink.h"
#include "store/open.h"

namespace anyswan::edge {

namespace {

store::StoreConfig store_config(const config::StoreChoice& choice) {
    if (const auto* sqlite = std::get_if<config::SqliteStore>(&choice)) {
        return store::SqliteConfig{sqlite->path};
    }
    if (std::holds_alternative<config::MemoryStore>(choice)) {
        return store::MemoryConfig{};
    }
    const auto& nats = std::get<config::NatsStore>(choice);
    store::JetStreamConfig jetstream;
    jetstream.urls = nats.urls;
    jetstream.fleet = nats.fleet;
    jetstream.replicas = nats.replicas;
    jetstream.user = nats.user;
    jetstream.password = nats.password.clone();
    jetstream.ca_file = nats.ca_file;
    jetstream.certificate_file = nats.cert_file;
    jetstream.key_file = nats.key_file;
    return jetstream;
}

}  // namespace

Result<std::unique_ptr<store::Store>> Machine::open_store(const config::StoreChoice& choice) {
    return store::open_store(store_config(choice),
                             [this](auto task) { loop_.post(std::move(task)); });
}

Result<std::unique_ptr<dataplane::Driver>> Machine::make_driver(const DriverWishes& wishes,
                                                                dataplane::DriverSink sink) {
    return edge::make_driver(wishes, driver_random_, std::move(sink));
}

Status Machine::announce(const IpAddress& address) {
    auto netlink = net::RouteNetlink::open();
    return netlink ? netlink->add_address("lo", address) : Status(Unexpected{netlink.error()});
}

Status Machine::withdraw(const IpAddress& address) {
    auto netlink = net::RouteNetlink::open();
    return netlink ? netlink->remove_address("lo", address) : Status(Unexpected{netlink.error()});
}

void Machine::run(net::Command command, std::function<void(Status)> done) {
    runner_ = std::jthread([this, command = std::move(command), done = std::move(done)] {
        Status status = net::run_command(command);
        loop_.post([done, status = std::move(status)] { done(status); });
    });
}

Status Machine::run_and_wait(const net::Command& command) {
    runner_ = {};
    return net::run_command(command);
}

}  // namespace anyswan::edge
