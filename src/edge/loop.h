// SPDX-License-Identifier: Apache-2.0
// The daemon's one control thread: an event loop with timers and signals. Everything in
// edge/ runs on it; drivers, stores and the API server hand their results over with post().
#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "net/clock.h"

namespace anyswan::edge {

class Loop {
public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// From any thread: run `task` on the loop soon. Tasks of one thread keep their order.
    void post(std::function<void()> task);
    /// Runs until stop(). `on_signal` gets SIGINT and SIGTERM.
    void run(std::function<void(int)> on_signal);
    /// Runs what is ready now and returns: for tests.
    void run_ready();
    void stop();

private:
    friend class Timer;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// One timer; setting it again replaces what was set, destroying it cancels.
class Timer {
public:
    explicit Timer(Loop& loop);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void at(Instant when, std::function<void()> task);
    void after(Duration delay, std::function<void()> task);
    /// Runs `task` each `period`, first after one period.
    void every(Duration period, std::function<void()> task);
    void cancel();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace anyswan::edge
