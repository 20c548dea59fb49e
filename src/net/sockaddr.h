// SPDX-License-Identifier: Apache-2.0
// Endpoints as the kernel writes them.
#pragma once

#include <sys/socket.h>

#include "base/ip.h"

namespace anyswan::net {

/// Fills `out` and returns the length in use.
socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out);
/// Of AF_INET or AF_INET6 (checked).
[[nodiscard]] Endpoint from_sockaddr(const sockaddr_storage& address);

}  // namespace anyswan::net
