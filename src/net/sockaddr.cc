// SPDX-License-Identifier: Apache-2.0
#include "net/sockaddr.h"

#include <netinet/in.h>

#include <cstring>

#include "base/check.h"

namespace anyswan::net {

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
    const ByteView bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&out, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
}

Endpoint from_sockaddr(const sockaddr_storage& address) {
    check(address.ss_family == AF_INET || address.ss_family == AF_INET6, "address family");
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        return {IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    return {*IpAddress::from_bytes({v6.sin6_addr.s6_addr, 16}), ntohs(v6.sin6_port)};
}

}  // namespace anyswan::net
