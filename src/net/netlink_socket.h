// SPDX-License-Identifier: Apache-2.0
// Whole netlink messages in bulk (libmnl): many requests with one system call, answers matched by
// sequence number; dumps; events.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/secret.h"
#include "net/fd.h"

struct mnl_socket;

namespace anyswan::net {

/// What the kernel said to one request.
struct NetlinkAnswer {
    int error = 0;    // errno; 0: done. ETIMEDOUT: no answer came
    std::string why;  // the kernel's own words, often empty
};

inline constexpr int netlink_buffer = 8 << 20;

class NetlinkSocket {
public:
    /// `groups`: multicast groups to hear, by number; their messages come by receive().
    /// `buffer`: bytes of answers or events that may wait unread.
    static Result<NetlinkSocket> open(int protocol, std::span<const unsigned> groups = {},
                                      int buffer = netlink_buffer);

    /// Sends all (each has NLM_F_ACK) in order; one answer each. The messages get sequence numbers.
    [[nodiscard]] std::vector<NetlinkAnswer> run(std::span<Secret> requests);
    /// Sends a dump or a question and hands over each message of the answer. Not on a socket with
    /// groups.
    Status ask(Secret request, const std::function<void(ByteView)>& each);
    /// Hands over the events that have come; never blocks. False: some were lost, since we were too
    /// slow.
    [[nodiscard]] bool receive(const std::function<void(ByteView)>& each);

    [[nodiscard]] int fd() const;

private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit NetlinkSocket(std::unique_ptr<mnl_socket, Close> socket);
    void run_chunk(std::span<Secret> requests, std::span<NetlinkAnswer> answers);
    bool read_answers(std::span<NetlinkAnswer> answers, std::vector<bool>& answered,
                      std::uint32_t first);

    std::unique_ptr<mnl_socket, Close> socket_;
    std::uint32_t sequence_ = 0;
    std::size_t chunk_;  // requests of one system call; fewer after answers got lost
    Bytes buffer_;
};

}  // namespace anyswan::net
