// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/xfrm_driver.h"

#include "dataplane/worker_thread.h"
#include "dataplane/xfrm/worker.h"

namespace anyswan::dataplane {

XfrmDriver::XfrmDriver(std::unique_ptr<WorkerThread<xfrm::Worker>> thread)
    : thread_(std::move(thread)) {}

XfrmDriver::~XfrmDriver() = default;

Result<std::unique_ptr<XfrmDriver>> XfrmDriver::start(XfrmDriverConfig config, DriverSink sink) {
    auto worker = xfrm::Worker::make(std::move(config), std::move(sink));
    if (!worker) {
        return Unexpected<Error>{worker.error()};
    }
    return std::unique_ptr<XfrmDriver>(
        new XfrmDriver(std::make_unique<WorkerThread<xfrm::Worker>>(std::move(*worker))));
}

void XfrmDriver::apply(std::span<const Change> changes) {
    thread_->run_and_wait([&] { thread_->worker().apply(changes); });
}

void XfrmDriver::send_ike(std::span<const IkeDatagram> datagrams) {
    thread_->post([this, copy = std::vector(datagrams.begin(), datagrams.end())] {
        thread_->worker().send_ike(copy);
    });
}

std::map<std::string, std::uint64_t> XfrmDriver::counters() const {
    std::map<std::string, std::uint64_t> read;
    // Stopped: nothing changes them any more.
    if (!thread_->run_and_wait([&] { read = thread_->worker().counters(); })) {
        read = thread_->worker().counters();
    }
    return read;
}

std::string XfrmDriver::describe() const {
    std::string text = "kernel ESP (XFRM), stopped; its SAs stay in force until they end";
    thread_->run_and_wait([&] { text = thread_->worker().describe(); });
    return text;
}

void XfrmDriver::stop() {
    thread_->stop();
}

}  // namespace anyswan::dataplane
