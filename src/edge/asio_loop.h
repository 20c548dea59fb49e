// SPDX-License-Identifier: Apache-2.0
// The loop of the daemon, on this machine's clocks, with its signals.
#pragma once

#include "edge/loop.h"

namespace anyswan::edge {

class AsioLoop final : public Loop {
public:
    AsioLoop();
    ~AsioLoop() override;

    [[nodiscard]] Now now() const override;
    void post(std::function<void()> task) override;
    /// Runs until stop(). `on_signal` gets SIGINT and SIGTERM.
    void run(std::function<void(int)> on_signal);
    /// Runs what is ready now and returns: for tests.
    void run_ready();
    void stop();

private:
    [[nodiscard]] std::unique_ptr<Alarm> make_alarm() override;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace anyswan::edge
