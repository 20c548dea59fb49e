// SPDX-License-Identifier: Apache-2.0
// The machine the daemon runs on: its clocks, randomness, store client, dataplane and loopback
// interface.
#pragma once

#include <thread>

#include "edge/asio_loop.h"
#include "edge/host.h"
#include "net/clock.h"

namespace anyswan::edge {

class Machine final : public Host {
public:
    [[nodiscard]] AsioLoop& loop() override { return loop_; }
    [[nodiscard]] Random& random() override { return random_; }
    [[nodiscard]] Result<std::unique_ptr<store::Store>> open_store(
        const config::StoreChoice& choice) override;
    [[nodiscard]] Result<std::unique_ptr<dataplane::Driver>> make_driver(
        const DriverWishes& wishes, dataplane::DriverSink sink) override;
    /// Puts the address on the loopback interface, where a BGP daemon finds it.
    [[nodiscard]] Status announce(const IpAddress& address) override;
    [[nodiscard]] Status withdraw(const IpAddress& address) override;
    void run(net::Command command, std::function<void(Status)> done) override;
    [[nodiscard]] Status run_and_wait(const net::Command& command) override;

private:
    AsioLoop loop_;
    net::SystemRandom random_;
    std::jthread runner_;
    net::SystemRandom driver_random_;  // the driver's worker has its own
};

}  // namespace anyswan::edge
