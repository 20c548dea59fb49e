// SPDX-License-Identifier: Apache-2.0
// What a connection tells, on its way from libnats's threads to the loop.
#pragma once

#include <deque>
#include <mutex>
#include <variant>

#include "store/outlet.h"

namespace anyswan::store::js {

using SubscriptionId = Strong<struct SubscriptionIdTag, std::uint32_t>;

/// A message received, copied out of libnats. Of the headers, those we act on.
struct LinkMessage {
    SubscriptionId subscription;
    std::string subject;
    std::string reply;
    Bytes payload;
    /// "503" no responders, "100" idle heartbeat or flow control, "404"...; mostly empty.
    std::string status;
    std::uint64_t sequence = 0;       // Nats-Sequence: of a republished message
    std::uint64_t last_consumer = 0;  // Nats-Last-Consumer: of a heartbeat
    std::string stalled;              // Nats-Consumer-Stalled: of a heartbeat
};
struct LinkUp {
    std::string server_id;  // differs between servers and between starts of one
    std::string url;
};
struct LinkDown {
    std::string why;
};
/// Something the server complained about, e.g. a permission violation.
struct LinkTrouble {
    std::string text;
};
struct LinkTick {};
using LinkEvent = std::variant<LinkMessage, LinkUp, LinkDown, LinkTrouble, LinkTick>;

/// Thread-safe.
class LinkInbox : public std::enable_shared_from_this<LinkInbox> {
public:
    using Handler = std::function<void(LinkEvent)>;

    /// `handler` runs on the loop.
    LinkInbox(Outlet outlet, Handler handler)
        : outlet_(std::move(outlet)), handler_(std::move(handler)) {}

    void push(LinkEvent event);

private:
    void post_drain();
    void drain();

    const Outlet outlet_;
    const Handler handler_;
    std::mutex mutex_;
    std::deque<LinkEvent> events_;
    bool drain_posted_ = false;
    bool tick_waits_ = false;
};

}  // namespace anyswan::store::js
