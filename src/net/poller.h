// SPDX-License-Identifier: Apache-2.0
// epoll, and a way to wake a thread that sleeps in it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "net/fd.h"

namespace anyswan::net {

/// Waits for readability of many descriptors (level-triggered). One thread.
class Poller {
public:
    static Result<Poller> make();
    /// `token` comes back from wait(). The descriptor stays the caller's; closing it removes it.
    Status add(int fd, std::uint64_t token);
    void remove(int fd);
    /// The tokens that are readable; empty after `timeout`. Valid until the next call.
    [[nodiscard]] const std::vector<std::uint64_t>& wait(Duration timeout);

private:
    explicit Poller(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
    std::vector<std::uint64_t> ready_;
};

/// An eventfd: wake() from any thread makes fd() readable until clear().
class Waker {
public:
    static Result<Waker> make();
    void wake() const;
    void clear() const;
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    explicit Waker(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace anyswan::net
