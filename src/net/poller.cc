// SPDX-License-Identifier: Apache-2.0
#include "net/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace anyswan::net {

Result<Poller> Poller::make() {
    Fd fd(epoll_create1(EPOLL_CLOEXEC));
    if (!fd.valid()) {
        return fail_errno("epoll_create1");
    }
    return Poller(std::move(fd));
}

Status Poller::add(int fd, std::uint64_t token) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = token;
    if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        return fail_errno("epoll_ctl");
    }
    return {};
}

void Poller::remove(int fd) {
    epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

const std::vector<std::uint64_t>& Poller::wait(Duration timeout) {
    std::array<epoll_event, 64> events{};
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    const int count = epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(milliseconds));
    check(count >= 0 || errno == EINTR, "epoll_wait failed");
    ready_.clear();
    for (int i = 0; i < count; ++i) {
        const std::uint64_t token = events[static_cast<std::size_t>(i)].data.u64;  // packed
        ready_.push_back(token);
    }
    return ready_;
}

Result<Waker> Waker::make() {
    Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd.valid()) {
        return fail_errno("eventfd");
    }
    return Waker(std::move(fd));
}

void Waker::wake() const {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the thread is awake already.
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

void Waker::clear() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace anyswan::net
