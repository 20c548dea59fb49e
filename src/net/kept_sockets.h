// SPDX-License-Identifier: Apache-2.0
// Sockets that outlive the daemon: the service manager keeps them while it is away and hands them
// to its next life (systemd's file descriptor store; sd_notify(3), sd_listen_fds(3)).
//
// With the kernel dataplane that is what lets UDP-encapsulated ESP go on without a daemon: the
// kernel takes ESP out of UDP 4500 only while a socket there asks for it (RFC 3948).
#pragma once

#include <map>
#include <string>

#include "net/fd.h"

namespace anyswan::net {

class KeptSockets {
public:
    /// What this process was handed, from its environment; a second call gets nothing. Empty
    /// without a service manager.
    static KeptSockets from_environment();
    KeptSockets() = default;
    KeptSockets(KeptSockets&&) = default;
    KeptSockets& operator=(KeptSockets&&) = delete;
    /// What was not taken is given up: the service manager drops it too.
    ~KeptSockets();

    /// An earlier life's socket; invalid if there is none of that name.
    [[nodiscard]] Fd take(const std::string& name);
    /// Asks the service manager to keep a socket. False: there is none, or it doesn't keep any.
    static bool keep(const std::string& name, int fd);

private:
    std::map<std::string, Fd> held_;
};

}  // namespace anyswan::net
