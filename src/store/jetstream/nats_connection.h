// SPDX-License-Identifier: Apache-2.0
// A connection of libnats. Only the .cc knows that library; every call here may block, so they are
// made on NatsLink's I/O thread. What happens goes into a LinkInbox, from libnats's own threads.
#pragma once

#include <atomic>
#include <chrono>
#include <map>

#include "store/jetstream/config.h"
#include "store/jetstream/link.h"
#include "store/jetstream/link_inbox.h"

using natsConnection = struct __natsConnection;
using natsSubscription = struct __natsSubscription;

namespace anyswan::store::js {

struct Subscribe {
    SubscriptionId id;
    std::string subject;
};
struct Unsubscribe {
    SubscriptionId id;
};
using Command = std::variant<Publication, Subscribe, Unsubscribe>;

class NatsConnection {
public:
    NatsConnection(JetStreamConfig config, std::shared_ptr<LinkInbox> inbox);
    ~NatsConnection();
    NatsConnection(const NatsConnection&) = delete;
    NatsConnection& operator=(const NatsConnection&) = delete;

    [[nodiscard]] bool is_made() const { return connection_ != nullptr; }
    /// Tries to connect; once it has, libnats connects again by itself. (Its own retries of the
    /// first attempt would hide why that failed.) Returns when to try again if it fails.
    std::chrono::steady_clock::duration make();
    /// libnats has given up: drop it and make it again.
    [[nodiscard]] bool is_dead() const;
    void drop();
    void carry_out(const Command& command);

    /// What libnats's callbacks are led to.
    struct Target;

private:
    void publish(const Publication& publication);
    void subscribe(const Subscribe& command);

    const JetStreamConfig config_;
    std::shared_ptr<Target> target_;
    std::uint32_t number_;  // of target_ in the registry
    natsConnection* connection_ = nullptr;
    std::map<SubscriptionId, std::string> wanted_;
    std::map<SubscriptionId, natsSubscription*> subscriptions_;
};

}  // namespace anyswan::store::js
