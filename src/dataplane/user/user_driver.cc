// SPDX-License-Identifier: Apache-2.0
#include "dataplane/user/user_driver.h"

#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "dataplane/user/worker.h"

namespace anyswan::dataplane {

/// The worker's thread, and how others hand it work.
class UserDriver::Thread {
public:
    Thread(UserDriverConfig config, DriverSink sink)
        : config_(std::move(config)), sink_(std::move(sink)) {}
    ~Thread() { stop(); }
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    Status start(Random& random) {
        auto worker = Worker::make(config_, random, sink_);
        if (!worker) {
            return Unexpected<Error>{worker.error()};
        }
        worker_ = std::move(*worker);
        thread_ = std::thread([this] { run(); });
        return {};
    }

    /// Runs `task` on the worker's thread, soon. False: it has stopped.
    bool post(std::function<void()> task) {
        {
            const std::scoped_lock lock(mutex_);
            if (stopping_) {
                return false;
            }
            tasks_.push_back(std::move(task));
        }
        worker_->waker().wake();
        return true;
    }

    /// Like post(), and returns when it has run.
    bool run_and_wait(const std::function<void()>& task) {
        check(std::this_thread::get_id() != thread_.get_id(),
              "a driver was called from within its own sink");
        bool done = false;
        const bool posted = post([&] {
            task();
            const std::scoped_lock lock(mutex_);
            done = true;
            ran_.notify_all();
        });
        if (posted) {
            std::unique_lock lock(mutex_);
            ran_.wait(lock, [&] { return done; });
        }
        return posted;
    }

    void stop() {
        {
            const std::scoped_lock lock(mutex_);
            if (stopping_ || !thread_.joinable()) {
                return;
            }
            stopping_ = true;
        }
        worker_->waker().wake();
        thread_.join();
    }

    [[nodiscard]] Worker& worker() { return *worker_; }

private:
    void run() {
        pthread_setname_np(pthread_self(), "dataplane");
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the main thread's
        while (run_tasks()) {
            worker_->run_once();
        }
        worker_->close();
    }

    /// False: stopped, and nothing is left to do.
    bool run_tasks() {
        std::unique_lock lock(mutex_);
        while (!tasks_.empty()) {
            const std::function<void()> task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            lock.lock();
        }
        return !stopping_;
    }

    const UserDriverConfig config_;
    const DriverSink sink_;
    std::unique_ptr<Worker> worker_;
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable ran_;
    std::deque<std::function<void()>> tasks_;
    bool stopping_ = false;
};

UserDriver::UserDriver(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}

UserDriver::~UserDriver() = default;

Result<std::unique_ptr<UserDriver>> UserDriver::start(UserDriverConfig config, Random& random,
                                                      DriverSink sink) {
    auto thread = std::make_unique<Thread>(std::move(config), std::move(sink));
    if (const Status started = thread->start(random); !started) {
        return Unexpected<Error>{started.error()};
    }
    return std::unique_ptr<UserDriver>(new UserDriver(std::move(thread)));
}

void UserDriver::apply(std::span<const Change> changes) {
    thread_->run_and_wait([&] { thread_->worker().apply(changes); });
}

void UserDriver::send_ike(std::span<const IkeDatagram> datagrams) {
    thread_->post([this, copy = std::vector(datagrams.begin(), datagrams.end())] {
        thread_->worker().send_ike(copy);
    });
}

std::map<std::string, std::uint64_t> UserDriver::counters() const {
    return thread_->worker().counters().read();
}

std::string UserDriver::describe() const {
    std::string text = "userspace ESP, stopped";
    thread_->run_and_wait([&] { text = thread_->worker().describe(); });
    return text;
}

void UserDriver::stop() {
    thread_->stop();
}

}  // namespace anyswan::dataplane
