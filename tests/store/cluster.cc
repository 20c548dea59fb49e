// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <nats/nats.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace anyswan::store {
namespace {

using Clock = std::chrono::steady_clock;

/// Empty: nobody can say now.
std::string ask_leader(const std::string& url, const std::string& stream) {
    natsOptions* options = nullptr;
    natsConnection* connection = nullptr;
    jsCtx* jetstream = nullptr;
    jsStreamInfo* info = nullptr;
    std::string leader;
    if (natsOptions_Create(&options) == NATS_OK &&
        natsOptions_SetURL(options, url.c_str()) == NATS_OK &&
        natsOptions_SetUserInfo(options, "edge", "edge") == NATS_OK &&
        natsConnection_Connect(&connection, options) == NATS_OK &&
        natsConnection_JetStream(&jetstream, connection, nullptr) == NATS_OK &&
        js_GetStreamInfo(&info, jetstream, stream.c_str(), nullptr, nullptr) == NATS_OK &&
        info->Cluster != nullptr && info->Cluster->Leader != nullptr) {
        leader = info->Cluster->Leader;
    }
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(jetstream);
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
    return leader;
}

}  // namespace

Cluster::Cluster(const std::string& binary) {
    std::vector<std::string> cluster_ports;
    std::string routes;
    for (std::size_t i = 0; i < size(); ++i) {
        cluster_ports.push_back(std::to_string(free_port()));
        routes += (i == 0 ? "" : ", ") + ("nats-route://127.0.0.1:" + cluster_ports.back());
    }
    for (std::size_t i = 0; i < size(); ++i) {
        servers_.push_back(std::make_unique<NatsServer>(
            binary, "cluster.conf.in", "n" + std::to_string(i + 1),
            std::map<std::string, std::string>{{"CLUSTER_PORT", cluster_ports[i]},
                                               {"ROUTES", routes}}));
        servers_.back()->start();
    }
}

std::vector<std::string> Cluster::urls(std::size_t first) const {
    std::vector<std::string> urls;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        urls.push_back(servers_[(first + i) % servers_.size()]->url());
    }
    return urls;
}

NatsServer& Cluster::leader_of(const std::string& stream) {
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while (Clock::now() < deadline) {
        for (const auto& asked : servers_) {
            const std::string leader = ask_leader(asked->url(), stream);
            for (const auto& server : servers_) {
                if (server->name() == leader) {
                    return *server;
                }
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw std::runtime_error("nobody leads " + stream);
}

bool skips_cluster() {
    const char* const skip = std::getenv("ANYSWAN_SKIP_CLUSTER");
    return skip != nullptr && std::string(skip) == "1";
}

std::string fetched_nats_server() {
    if (const char* const named = std::getenv("ANYSWAN_NATS_SERVER_2_10")) {
        return named;
    }
    const std::filesystem::path root = ANYSWAN_ROOT;
    const std::string binary = root / "build/nats-server-2.10/usr/sbin/nats-server";
    if (access(binary.c_str(), X_OK) != 0 &&
        std::system((root / "tools/fetch-nats-server").c_str()) != 0) {
        throw std::runtime_error(
            "the cluster tests need nats-server 2.10, and tools/fetch-nats-server could not get "
            "it: mend that, name one in ANYSWAN_NATS_SERVER_2_10, or skip these tests by "
            "ANYSWAN_SKIP_CLUSTER=1");
    }
    return binary;
}

}  // namespace anyswan::store
