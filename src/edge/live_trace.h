// SPDX-License-Identifier: Apache-2.0
// The IKE messages that this edge receives and sends, as text, while somebody watches. Unwatched it
// costs next to nothing. The keys never leave the process.
#pragma once

#include <deque>

#include "core/ike/engine.h"
#include "core/trace/tracer.h"

namespace anyswan::edge {

class LiveTrace {
public:
    explicit LiveTrace(trace::FindKeys find) : tracer_(std::move(find)) {}

    /// Before the engine gets the datagram: what opens it may not be there afterwards.
    void arriving(Now now, const ike::DatagramReceived& datagram);
    /// After that, or when it is sent.
    void received(Now now, const ike::DatagramReceived& datagram);
    void sent(Now now, const ike::Datagram& datagram);

    struct Message {
        std::uint64_t number = 0;  // counts all that were watched
        Endpoint peer;
        std::string text;
    };
    struct Page {
        /// To ask with next time.
        std::uint64_t next = 0;
        /// Messages that were forgotten before they were asked for.
        std::uint64_t missed = 0;
        std::vector<Message> messages;
    };
    /// What came after message `last`; 0 begins with the next one. Whoever asks, watches for ten
    /// seconds more.
    [[nodiscard]] Page after(Instant now, std::uint64_t last);

private:
    [[nodiscard]] bool watched(Instant now) const { return now < watched_until_; }
    void add(Endpoint peer, std::string text);

    trace::Tracer tracer_;
    Instant watched_until_{};
    std::uint64_t last_ = 1;  // no message has it: 0 in a question means "from now on"
    std::deque<Message> messages_;
};

}  // namespace anyswan::edge
