// SPDX-License-Identifier: Apache-2.0
#include "edge/asio_loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include "net/clock.h"

namespace anyswan::edge {

namespace {

class AsioAlarm final : public Alarm {
public:
    explicit AsioAlarm(asio::io_context& context) : timer_(context) {}

    void set(Instant when, std::function<void()> task) override {
        cancel();
        using Clock = std::chrono::steady_clock;
        timer_.expires_at(
            Clock::time_point(std::chrono::duration_cast<Clock::duration>(when.since_start)));
        timer_.async_wait([generation = generation_, expected = *generation_,
                           task = std::move(task)](const asio::error_code& error) {
            if (!error && *generation == expected) {
                task();
            }
        });
    }

    void cancel() override {
        ++*generation_;
        timer_.cancel();
    }

private:
    asio::steady_timer timer_;
    /// Grows with each set and cancel, so that a completion already queued knows that it is stale,
    /// also when the alarm is gone.
    std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace

struct AsioLoop::Impl {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    asio::signal_set signals{context};
};

AsioLoop::AsioLoop() : impl_(std::make_unique<Impl>()) {}
AsioLoop::~AsioLoop() = default;

Now AsioLoop::now() const {
    return net::read_clock();
}

std::unique_ptr<Alarm> AsioLoop::make_alarm() {
    return std::make_unique<AsioAlarm>(impl_->context);
}

void AsioLoop::post(std::function<void()> task) {
    asio::post(impl_->context, std::move(task));
}

void AsioLoop::run(std::function<void(int)> on_signal) {
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

void AsioLoop::run_ready() {
    impl_->context.restart();
    impl_->context.poll();
}

void AsioLoop::stop() {
    impl_->context.stop();
}

}  // namespace anyswan::edge
