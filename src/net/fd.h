// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor, and the words for what went wrong with one.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace anyswan::net {

class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { close(); }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    void close();

private:
    int fd_ = -1;
};

/// "`what`: Permission denied", from the current errno.
[[nodiscard]] Unexpected<Error> fail_errno(const std::string& what);
[[nodiscard]] std::string errno_text(int error);

}  // namespace anyswan::net
