// SPDX-License-Identifier: Apache-2.0
// Watches facts: what the server republishes, put in order and made complete.
//
// The server republishes each fact it has stored, with its sequence number, as a plain message:
// cheap, but lossy. So: a message with the next number is delivered. A gap, a poll that finds the
// stream further on, or a fresh start is filled from the stream: few messages one by one
// (STREAM.MSG.GET, next from a number on), many through a consumer of our own that lives only as
// long as the snapshot. What is republished meanwhile waits, in order.
//
//   republished ─▶ [next number?] ─▶ deliver ─▶ sink
//                      │ no                ▲
//                      ▼                   │
//                   waiting ─▶ read the gap from the stream
//
// Why not libnats's ordered consumer: it calls the server synchronously, loses messages at its
// pending limit and replays from 1 after a reconnect that came before its first message.
//
// With replicas, no server is trusted to be up to date: the consumer may run on one that still
// catches up, and reports "nothing pending" too early; a leader just elected may not have applied
// everything. So the end of a reading is where the leader, known to have reached our target, says
// that there is nothing more up to it.
//
// A stream that is not the one it was (made anew, or with its tail lost) is found by its time of
// creation, by a last number below ours, and, after each reconnect, by looking for the facts that
// we saw last: another server may have grown past our number before we looked.
#pragma once

#include <deque>

#include "store/jetstream/context.h"

namespace anyswan::store::js {

class FactWatch {
public:
    explicit FactWatch(const Context& context) : context_(context) {}

    void start(Revision after, FactSink sink);
    [[nodiscard]] bool started() const { return sink_.has_value(); }

    /// The streams are there (again).
    void on_ready(const StreamInfo& facts);
    void on_not_ready();
    /// What a poll found.
    void on_info(const StreamInfo& facts);
    void on_tick(Clock::time_point now);
    /// True if the message was for the watch.
    bool on_message(const LinkMessage& message);
    /// Reports a reset and starts over, because the claims have shown that the store lost
    /// something.
    void reset(const std::string& reason);

    /// How many resets have been reported.
    [[nodiscard]] int resets() const { return resets_; }

    /// Republished facts have come in order so recently that no poll is needed.
    [[nodiscard]] bool is_fresh(Clock::time_point now) const;
    /// The last message didn't fit what we know.
    [[nodiscard]] bool wants_poll() const { return wants_poll_; }

private:
    /// One of the facts delivered last: the stream must still have it, or a later one of its key.
    struct Witness {
        std::string key;
        Revision revision;
        std::size_t hash = 0;
    };
    enum class Reading : std::uint8_t { nothing, single, consumer };

    void on_republished(const LinkMessage& message);
    void on_fast(const LinkMessage& message);
    void on_consumed(const LinkMessage& message);
    void on_consumer_status(const LinkMessage& message);

    void compare(const StreamInfo& facts);
    /// Resets, at once or, where a new leader may not be up to date yet, if it stays so.
    void suspect(const std::string& reason);
    void check_witness(std::size_t index);
    void catch_up(Revision target);
    void read_up_to(Revision target);
    void read_singly();
    void read_next();
    void on_next(const Answer& answer);
    void confirm_absence();
    void open_consumer();
    void on_consumer(const Answer& answer);
    void consumer_done();
    void close_consumer();
    void stop_reading();
    void reading_done();
    /// Delivers what waits, as far as there is no gap.
    void deliver_waiting();
    /// Does so, then fills the gap or ends the snapshot.
    void settle();
    void deliver(FactEvent event);

    const Context& context_;
    std::optional<FactSink> sink_;
    SubscriptionId republished_;
    SubscriptionId fast_;

    bool ready_ = false;
    bool begun_ = false;  // `after` has been compared with the stream
    Revision seen_;       // everything up to here has been delivered
    StreamInfo stream_;   // as last told
    bool snapshot_due_ = true;
    std::map<Revision, FactEvent> waiting_;
    Clock::time_point last_heard_;  // a republished fact came in order
    bool wants_poll_ = false;

    // Is it still the same stream?
    int resets_ = 0;
    std::deque<Witness> witnesses_;
    bool verified_ = true;  // the witnesses have been checked since the last reconnect
    bool checking_ = false;
    std::optional<Clock::time_point> suspected_since_;

    // Reading from the stream, up to target_ at least.
    Reading reading_ = Reading::nothing;
    Revision target_;
    std::uint64_t reading_number_ = 0;  // answers for another are late
    std::uint64_t singles_ = 0;         // read one by one since the last consumer
    bool absence_confirmed_ = false;    // the leader that is asked has come as far as target_
    SubscriptionId consumer_;
    std::string consumer_name_;
    std::uint64_t consumer_sequence_ = 0;
    Clock::time_point consumer_deadline_;
};

}  // namespace anyswan::store::js
