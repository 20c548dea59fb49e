// SPDX-License-Identifier: Apache-2.0
// Where the fleet's NATS servers are and how to speak to them.
#pragma once

#include <string>
#include <vector>

#include "base/secret.h"
#include "base/time.h"

namespace anyswan::store {

struct JetStreamConfig {
    /// nats://host:port or tls://host:port, one or more of the same cluster.
    std::vector<std::string> urls;
    /// Connect to no other server of their cluster than these.
    bool only_named_servers = false;
    /// Name of the fleet, [a-z0-9-]: leads the names of streams and subjects.
    std::string fleet;
    /// Copies of each stream that the servers keep. More than 1 needs servers >= 2.9.21.
    int replicas = 1;
    /// JetStream domain of the streams when connected through a leaf node; else empty.
    std::string domain;

    std::string user;
    Secret password;
    /// Of NATS's own form, "nsc generate creds".
    std::string credentials_file;
    // PEM files. With a CA or a certificate, TLS is demanded and the server's name is verified.
    std::string ca_file;
    std::string certificate_file;
    std::string key_file;

    /// By which this client is known in the server's lists.
    std::string client_name = "anyswan";
    /// Until a request that got no answer fails.
    Duration timeout = 5s;
    /// How often an idle watcher asks whether it missed anything.
    Duration poll = 500ms;

    [[nodiscard]] JetStreamConfig clone() const;
};

}  // namespace anyswan::store
