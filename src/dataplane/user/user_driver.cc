// SPDX-License-Identifier: Apache-2.0
#include "dataplane/user/user_driver.h"

#include "dataplane/user/worker.h"
#include "dataplane/worker_thread.h"

namespace anyswan::dataplane {

UserDriver::UserDriver(std::unique_ptr<WorkerThread<Worker>> thread) : thread_(std::move(thread)) {}

UserDriver::~UserDriver() = default;

Result<std::unique_ptr<UserDriver>> UserDriver::start(UserDriverConfig config, Random& random,
                                                      DriverSink sink) {
    auto worker = Worker::make(std::move(config), random, std::move(sink));
    if (!worker) {
        return Unexpected<Error>{worker.error()};
    }
    return std::unique_ptr<UserDriver>(
        new UserDriver(std::make_unique<WorkerThread<Worker>>(std::move(*worker))));
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
