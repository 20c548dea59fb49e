// SPDX-License-Identifier: Apache-2.0
// Three nats-servers that form a cluster.
#pragma once

#include "nats_server.h"

namespace anyswan::store {

class Cluster {
public:
    /// Starts them.
    explicit Cluster(const std::string& binary);

    [[nodiscard]] NatsServer& server(std::size_t index) { return *servers_[index]; }
    [[nodiscard]] static constexpr std::size_t size() { return 3; }
    /// Beginning with the given one.
    [[nodiscard]] std::vector<std::string> urls(std::size_t first = 0) const;
    /// The server that leads `stream`; waits for one, throws after 20 s.
    [[nodiscard]] NatsServer& leader_of(const std::string& stream);

private:
    std::vector<std::unique_ptr<NatsServer>> servers_;
};

/// Debian 13's nats-server, fetched if it isn't there; throws an error that says what to do.
[[nodiscard]] std::string fetched_nats_server();
/// ANYSWAN_SKIP_CLUSTER=1
[[nodiscard]] bool skips_cluster();

}  // namespace anyswan::store
