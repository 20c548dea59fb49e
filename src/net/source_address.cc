// SPDX-License-Identifier: Apache-2.0
#include "net/source_address.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/fd.h"
#include "net/sockaddr.h"

namespace anyswan::net {

std::optional<IpAddress> source_address(const IpAddress& remote) {
    const Fd fd(socket(remote.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // Connecting a UDP socket sends nothing; it looks the route up.
    sockaddr_storage address{};
    socklen_t size = to_sockaddr({remote, 9}, address);
    if (!fd.valid() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
        return std::nullopt;
    }
    size = sizeof address;
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return std::nullopt;
    }
    return from_sockaddr(address).address;
}

bool has_ipv6() {
    return access("/proc/net/if_inet6", F_OK) == 0;
}

}  // namespace anyswan::net
