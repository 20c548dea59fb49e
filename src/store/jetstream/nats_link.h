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
// Only this file's .cc knows libnats.
#pragma once

#include <thread>
#include <variant>

#include "store/jetstream/config.h"
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

struct Publication {
    std::string subject;
    std::string reply;  // empty: none
    Bytes payload;
    // One header, or none if the name is empty.
    std::string header;
    std::string header_value;
};

class NatsLink {
public:
    using Handler = std::function<void(LinkEvent)>;

    /// Connects, and connects again for as long as it lives. `handler` runs on the loop.
    NatsLink(JetStreamConfig config, Outlet outlet, Handler handler);
    /// Waits for the I/O thread, up to 3 s if libnats is stuck.
    ~NatsLink();
    NatsLink(const NatsLink&) = delete;
    NatsLink& operator=(const NatsLink&) = delete;

    /// Never blocks, lossy: what can't be sent now is dropped, not kept for later. False if it was
    /// dropped at once, because too much is waiting to be written.
    bool publish(Publication publication);
    /// Kept across reconnects.
    SubscriptionId subscribe(std::string subject);
    void unsubscribe(SubscriptionId subscription);
    /// A subject prefix of our own, "_INBOX.abc".
    [[nodiscard]] const std::string& inbox() const { return inbox_; }
    /// Nothing comes out any more. Doesn't block.
    void close();

    struct Shared;  // between the threads

private:
    std::shared_ptr<Shared> shared_;
    std::string inbox_;
    std::uint32_t last_subscription_ = 0;
    std::thread io_;
    std::thread ticker_;
};

}  // namespace anyswan::store::js
