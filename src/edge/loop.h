// SPDX-License-Identifier: Apache-2.0
// The daemon's one control thread, as edge/ sees it: what time it is, tasks and timers. Everything
// in edge/ runs on it; drivers, stores and the API server hand their results over with post(). The
// daemon's is edge/asio_loop; the simulation has one on which time is virtual.
#pragma once

#include <functional>
#include <memory>

#include "base/time.h"

namespace anyswan::edge {

/// One wake-up at a time.
class Alarm {
public:
    virtual ~Alarm() = default;
    /// Replaces what was set; `task` runs on the loop.
    virtual void set(Instant when, std::function<void()> task) = 0;
    virtual void cancel() = 0;
};

class Loop {
public:
    Loop() = default;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    virtual ~Loop() = default;

    /// This host's clocks.
    [[nodiscard]] virtual Now now() const = 0;
    /// From any thread: run `task` on the loop soon. Tasks of one thread keep their order.
    virtual void post(std::function<void()> task) = 0;

private:
    friend class Timer;
    [[nodiscard]] virtual std::unique_ptr<Alarm> make_alarm() = 0;
};

/// One timer; setting it again replaces what was set, destroying it cancels.
class Timer {
public:
    explicit Timer(Loop& loop) : loop_(loop), alarm_(loop.make_alarm()) {}
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void at(Instant when, std::function<void()> task) { alarm_->set(when, std::move(task)); }
    void after(Duration delay, std::function<void()> task) {
        at(loop_.now().instant + delay, std::move(task));
    }
    /// Runs `task` each `period`, first after one period.
    void every(Duration period, std::function<void()> task) {
        after(period, [this, period, task = std::move(task)] {
            every(period, task);
            task();
        });
    }
    void cancel() { alarm_->cancel(); }

private:
    Loop& loop_;
    std::unique_ptr<Alarm> alarm_;
};

}  // namespace anyswan::edge
