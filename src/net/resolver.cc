// SPDX-License-Identifier: Apache-2.0
#include "net/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

#include "net/sockaddr.h"

namespace anyswan::net {

namespace {

std::vector<IpAddress> addresses_of(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    std::vector<IpAddress> addresses;
    if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) {
        return addresses;
    }
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        sockaddr_storage address{};
        std::memcpy(&address, one->ai_addr, std::min<std::size_t>(one->ai_addrlen, sizeof address));
        if (one->ai_family == AF_INET || one->ai_family == AF_INET6) {
            addresses.push_back(from_sockaddr(address).address);
        }
    }
    freeaddrinfo(found);
    return addresses;
}

}  // namespace

struct Resolver::Shared {
    std::mutex mutex;
    Post post;  // empty: the resolver is gone
};

Resolver::Resolver(Post post) : shared_(std::make_shared<Shared>()) {
    shared_->post = std::move(post);
}

Resolver::~Resolver() {
    const std::scoped_lock lock(shared_->mutex);
    shared_->post = nullptr;
}

void Resolver::look_up(std::string name, std::function<void(std::vector<IpAddress>)> done) {
    // A look-up can't be cut short; a daemon that ends doesn't wait for it.
    std::thread([shared = shared_, name = std::move(name), done = std::move(done)]() mutable {
        std::vector<IpAddress> addresses = addresses_of(name);
        const std::scoped_lock lock(shared->mutex);
        if (shared->post) {
            shared->post([shared, done = std::move(done), addresses = std::move(addresses)] {
                const bool gone = [&] {
                    const std::scoped_lock inner(shared->mutex);
                    return !shared->post;
                }();
                if (!gone) {
                    done(addresses);
                }
            });
        }
    }).detach();
}

}  // namespace anyswan::net
