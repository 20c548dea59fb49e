// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon.h"

#include <cstdio>

#include "api/routes.h"
#include "edge/edge.h"
#include "edge/log.h"
#include "edge/machine.h"
#include "net/source_address.h"

namespace anyswan::cli {

namespace {

int serve(config::EdgeConfig config, std::optional<edge::ConnectorPlan> plan) {
    edge::log::set_up(config.log_level, config.name);
    const std::string socket = config.api_socket;
    edge::Machine machine;
    edge::AsioLoop& loop = machine.loop();
    edge::Edge edge(machine, std::move(config), std::move(plan));
    int status = 0;
    auto server = api::HttpServer::start(socket, [&](const api::Request& request, auto respond) {
        loop.post([&edge, request, respond] { api::answer(edge, request, respond); });
    });
    if (!server) {
        edge::log::error("start", server.error().message);
        return 1;
    }
    const auto give_up = [&](const Error& why) {
        edge::log::error("start", why.message);
        status = 1;
        loop.stop();
    };
    if (Status started = edge.start(give_up); !started) {
        give_up(started.error());
        return status;
    }
    edge::log::info("start", "API on " + socket);
    loop.run([&](int) {
        edge::log::info("stop", "withdrawing");
        edge.stop();
        loop.stop();
    });
    return status;
}

/// A branch connector is an edge of a fleet of one that lives in memory and starts its tunnels
/// itself.
config::EdgeConfig as_edge(const config::PeerConfig& peer, Random& random) {
    config::EdgeConfig edge;
    edge.name = peer.name;
    edge.id = EdgeId(1);
    edge.site = "branch";
    edge.address = peer.address;
    edge.anycast = {peer.address};
    if (peer.address.is_unspecified() && net::has_ipv6()) {
        edge.anycast.push_back(*IpAddress::parse("::"));
    }
    edge.announce = false;
    edge.api_socket = peer.api_socket;
    edge.log_level = peer.log_level;
    edge.store = config::MemoryStore{};
    edge.fleet_keys.current = 1;
    edge.fleet_keys.keys.emplace(1, random.secret(32));
    edge.dataplane = peer.dataplane;
    return edge;
}

}  // namespace

int run_edge(const std::string& config_path) {
    auto config = config::load_edge(config_path);
    if (!config) {
        std::fprintf(stderr, "%s\n", config.error().message.c_str());
        return 2;
    }
    return serve(std::move(*config), std::nullopt);
}

int run_peer(const std::string& config_path) {
    auto config = config::load_peer(config_path);
    if (!config) {
        std::fprintf(stderr, "%s\n", config.error().message.c_str());
        return 2;
    }
    net::SystemRandom random;
    edge::ConnectorPlan plan;
    plan.local = {config->address,
                  config->remote_port == 4500 ? std::uint16_t{4500} : std::uint16_t{500}};
    plan.remote = {config->remote, config->remote_port};
    config::EdgeConfig edge = as_edge(*config, random);
    plan.tunnels = std::move(config->tunnels);
    return serve(std::move(edge), std::move(plan));
}

}  // namespace anyswan::cli
