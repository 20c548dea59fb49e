// SPDX-License-Identifier: Apache-2.0
// Test support: network namespaces of a test's own, reached through threads that enter them. They
// vanish with the process; names and routes of the host are never touched.
#pragma once

#include <functional>
#include <string>

#include "net/fd.h"

namespace anyswan::net::testing {

class Netns {
public:
    /// A new namespace with loopback up. Needs root; the error says so.
    static Result<Netns> make();

    /// Runs `function` on a thread inside the namespace; threads, sockets and processes that it
    /// starts are born there.
    void run(const std::function<void()>& function) const;
    /// Runs a shell command inside and returns whether it succeeded. Its output goes to `output`,
    /// or, if there is none and it fails, to standard error.
    bool shell(const std::string& command, std::string* output = nullptr) const;
    /// A path by which other processes (ip link set ... netns PATH) reach the namespace.
    [[nodiscard]] std::string path() const;

private:
    explicit Netns(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace anyswan::net::testing
