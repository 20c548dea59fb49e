// SPDX-License-Identifier: Apache-2.0
// A driver's thread, and how others hand it work.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace anyswan::dataplane {

/// Runs a Worker: run_once() over and over, waker() to interrupt its wait, close() at the end.
template <class Worker>
class WorkerThread {
public:
    explicit WorkerThread(std::unique_ptr<Worker> worker)
        : worker_(std::move(worker)), thread_([this] { run(); }) {}
    ~WorkerThread() { stop(); }
    WorkerThread(const WorkerThread&) = delete;
    WorkerThread& operator=(const WorkerThread&) = delete;

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

    std::unique_ptr<Worker> worker_;
    std::mutex mutex_;
    std::condition_variable ran_;
    std::deque<std::function<void()>> tasks_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses what is above
};

}  // namespace anyswan::dataplane
