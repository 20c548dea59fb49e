// SPDX-License-Identifier: Apache-2.0
// A connection to the servers as the parts of a JetStream client use it. NatsLink is the real one;
// tests bring a server of their own making.
#pragma once

#include "store/jetstream/link_inbox.h"

namespace anyswan::store::js {

struct Publication {
    std::string subject;
    std::string reply;  // empty: none
    Bytes payload;
    // One header, or none if the name is empty.
    std::string header;
    std::string header_value;
};

class Link {
public:
    virtual ~Link() = default;

    /// Never blocks, lossy: what can't be sent now is dropped, not kept for later. False if it was
    /// dropped at once, because too much is waiting to be written.
    virtual bool publish(Publication publication) = 0;
    /// Kept across reconnects.
    virtual SubscriptionId subscribe(std::string subject) = 0;
    virtual void unsubscribe(SubscriptionId subscription) = 0;
    /// A prefix for reply subjects that nobody else uses, "_INBOX.abc".
    [[nodiscard]] virtual const std::string& reply_prefix() const = 0;
};

}  // namespace anyswan::store::js
