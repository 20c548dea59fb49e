// SPDX-License-Identifier: Apache-2.0
// One connection to a NATS server through libnats, made safe for a loop that must never wait.
//
// libnats calls may block: a publish writes to a socket that may be full, and every call waits for
// a lock that libnats holds while it connects. So an I/O thread of ours makes them, in the order of
// the requests; libnats's own threads call us back; both put events into one inbox that is emptied
// on the loop. A third thread gives the loop a tick every 50 ms, blocked library or not.
//
//   loop ──commands──▶ I/O thread ──▶ libnats ──callbacks──▶ inbox ──Outlet──▶ loop: handler
//
#pragma once

#include <thread>

#include "store/jetstream/nats_connection.h"

namespace anyswan::store::js {

class NatsLink final : public Link {
public:
    /// Connects, and connects again for as long as it lives. `handler` runs on the loop.
    NatsLink(JetStreamConfig config, Outlet outlet, LinkInbox::Handler handler);
    /// Waits for the I/O thread, up to 3 s if libnats is stuck.
    ~NatsLink() override;
    NatsLink(const NatsLink&) = delete;
    NatsLink& operator=(const NatsLink&) = delete;

    bool publish(Publication publication) override;
    SubscriptionId subscribe(std::string subject) override;
    void unsubscribe(SubscriptionId subscription) override;
    [[nodiscard]] const std::string& reply_prefix() const override { return reply_prefix_; }
    /// Doesn't block. Close the outlet before: what was on its way to the loop would still come.
    void close();

    struct Shared;  // between the threads

private:
    std::shared_ptr<Shared> shared_;
    std::string reply_prefix_;
    std::uint32_t last_subscription_ = 0;
    std::thread io_;
    std::thread ticker_;
};

}  // namespace anyswan::store::js
