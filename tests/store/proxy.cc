// SPDX-License-Identifier: Apache-2.0
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <vector>

namespace anyswan::store {
namespace {

struct Pair {
    int client;
    int server;
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void reset(int fd) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/// As both ends have it: the proxy must not add latency.
void no_delay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int connect_to(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/// False when either side is gone.
bool forward(int from, int to) {
    std::array<char, 65536> buffer{};
    const ssize_t got = read(from, buffer.data(), buffer.size());
    for (ssize_t done = 0; done < got;) {
        const ssize_t sent =
            send(to, buffer.data() + done, static_cast<std::size_t>(got - done), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        done += sent;
    }
    return got > 0;
}

}  // namespace

Proxy::Proxy(std::uint16_t to) : to_(to) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    std::array<int, 2> pipe_ends{};
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        pipe(pipe_ends.data()) != 0) {
        throw std::runtime_error("proxy: can't listen");
    }
    port_ = ntohs(address.sin_port);
    wake_read_ = pipe_ends[0];
    wake_write_ = pipe_ends[1];
    thread_ = std::thread([this] { run(); });
}

Proxy::~Proxy() {
    stopping_ = true;
    wake();
    thread_.join();
    close(listener_);
    close(wake_read_);
    close(wake_write_);
}

void Proxy::cut() {
    mode_ = Mode::cut;
    wake();
}

void Proxy::stall() {
    mode_ = Mode::stalled;
    wake();
}

void Proxy::heal() {
    mode_ = Mode::open;
    wake();
}

void Proxy::wake() {
    const char byte = 0;
    (void)!write(wake_write_, &byte, 1);
}

void Proxy::run() {
    std::vector<Pair> pairs;
    const auto drop = [&](std::size_t index) {
        reset(pairs[index].client);
        reset(pairs[index].server);
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(index));
    };
    while (!stopping_) {
        if (mode_ == Mode::cut) {
            while (!pairs.empty()) {
                drop(pairs.size() - 1);
            }
        }
        std::vector<pollfd> fds{{wake_read_, POLLIN, 0}, {listener_, POLLIN, 0}};
        if (mode_ != Mode::stalled) {
            for (const Pair& pair : pairs) {
                fds.push_back({pair.client, POLLIN, 0});
                fds.push_back({pair.server, POLLIN, 0});
            }
        }
        poll(fds.data(), fds.size(), -1);
        if ((fds[0].revents & POLLIN) != 0) {
            char byte = 0;
            (void)!read(wake_read_, &byte, 1);
            continue;  // the mode has changed
        }
        for (std::size_t at = (fds.size() - 2) / 2; at-- > 0;) {
            const bool alive =
                (fds[2 + 2 * at].revents == 0 || forward(pairs[at].client, pairs[at].server)) &&
                (fds[3 + 2 * at].revents == 0 || forward(pairs[at].server, pairs[at].client));
            if (!alive) {
                drop(at);
            }
        }
        if ((fds[1].revents & POLLIN) != 0) {
            const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            const int server = mode_ == Mode::cut ? -1 : connect_to(to_);
            if (server < 0) {
                reset(client);
            } else {
                no_delay(client);
                no_delay(server);
                pairs.push_back({client, server});
            }
        }
    }
    while (!pairs.empty()) {
        drop(pairs.size() - 1);
    }
}

}  // namespace anyswan::store
