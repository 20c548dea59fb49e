// SPDX-License-Identifier: Apache-2.0
#include "edge/loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

namespace anyswan::edge {

struct Loop::Impl {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    asio::signal_set signals{context};
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::post(std::function<void()> task) {
    asio::post(impl_->context, std::move(task));
}

void Loop::run(std::function<void(int)> on_signal) {
    impl_->signals.add(SIGINT);
    impl_->signals.add(SIGTERM);
    std::function<void()> wait = [&] {
        impl_->signals.async_wait([&](const asio::error_code& error, int number) {
            if (!error) {
                on_signal(number);
                wait();
            }
        });
    };
    wait();
    impl_->context.run();
}

void Loop::run_ready() {
    impl_->context.restart();
    impl_->context.poll();
}

void Loop::stop() {
    impl_->context.stop();
}

struct Timer::Impl {
    explicit Impl(asio::io_context& context) : timer(context) {}
    asio::steady_timer timer;
    /// Grows with each set and cancel, so that a completion already queued knows that it is stale.
    std::uint64_t generation = 0;
};

Timer::Timer(Loop& loop) : impl_(std::make_shared<Impl>(loop.impl_->context)) {}

Timer::~Timer() {
    cancel();
}

void Timer::cancel() {
    ++impl_->generation;
    impl_->timer.cancel();
}

void Timer::at(Instant when, std::function<void()> task) {
    cancel();
    using Clock = std::chrono::steady_clock;
    impl_->timer.expires_at(
        Clock::time_point(std::chrono::duration_cast<Clock::duration>(when.since_start)));
    impl_->timer.async_wait([impl = impl_, generation = impl_->generation,
                             task = std::move(task)](const asio::error_code& error) {
        if (!error && impl->generation == generation) {
            task();
        }
    });
}

void Timer::after(Duration delay, std::function<void()> task) {
    at(net::read_clock().instant + delay, std::move(task));
}

void Timer::every(Duration period, std::function<void()> task) {
    after(period, [this, period, task = std::move(task)] {
        every(period, task);
        task();
    });
}

}  // namespace anyswan::edge
