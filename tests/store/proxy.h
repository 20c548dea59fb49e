// SPDX-License-Identifier: Apache-2.0
// A TCP proxy on loopback between a client and its server, whose link can be cut and healed.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

namespace anyswan::store {

class Proxy {
public:
    explicit Proxy(std::uint16_t to);
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Resets the connections there are and every new one.
    void cut();
    /// Keeps connections, but nothing gets through, either way.
    void stall();
    void heal();

private:
    enum class Mode : std::uint8_t { open, cut, stalled };
    void run();
    void wake();

    std::uint16_t to_;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    int wake_read_ = -1;
    int wake_write_ = -1;
    std::atomic<Mode> mode_ = Mode::open;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

}  // namespace anyswan::store
