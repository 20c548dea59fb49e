// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/fact_watch.h"

#include <algorithm>

namespace anyswan::store::js {
namespace {

constexpr Duration api_timeout = 2s;
/// Up to so many missing facts are fetched one by one.
constexpr std::uint64_t small_gap = 32;
/// More wait in the stream itself: they are read again from there.
constexpr std::size_t waiting_max = 100'000;
constexpr std::size_t witnesses_max = 4;
/// How long a new leader may be behind what an old one has told. (A leader cut off from the
/// majority may be behind for longer: the reset it then causes is needless, not harmful.)
constexpr Duration suspicion = 1s;
/// A consumer that says nothing for so long is given up; it promises heartbeats.
constexpr Duration consumer_silence = 4 * consumer_heartbeat;

std::size_t hash_of(ByteView value) {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(value.data()), value.size()});
}

}  // namespace

void FactWatch::start(Revision after, FactSink sink) {
    check(!sink_.has_value(), "one watch per store");
    sink_ = std::move(sink);
    seen_ = after;
    republished_ = context_.link.subscribe(context_.names.republished + ">");
    fast_ = context_.link.subscribe(context_.names.fast + ">");
    if (ready_) {
        // The subscription may have come after a fact: ask how far the stream is.
        wants_poll_ = true;
    }
}

void FactWatch::on_ready(const StreamInfo& facts) {
    ready_ = true;
    verified_ = false;
    on_info(facts);
}

void FactWatch::on_not_ready() {
    ready_ = false;
    checking_ = false;
    stop_reading();
}

void FactWatch::on_info(const StreamInfo& facts) {
    if (!sink_ || !ready_) {
        return;
    }
    wants_poll_ = false;
    if (begun_) {
        compare(facts);
        return;
    }
    begun_ = true;
    verified_ = true;
    stream_ = facts;
    if (facts.last_sequence < seen_.value()) {
        reset("the store is at revision " + std::to_string(facts.last_sequence) + ", seen was " +
              std::to_string(seen_.value()));
        return;
    }
    catch_up(Revision{facts.last_sequence});
}

void FactWatch::compare(const StreamInfo& facts) {
    const std::string created = std::exchange(stream_, facts).created;
    if (facts.created != created) {
        reset("the stream of facts was made anew at " + facts.created);
    } else if (facts.last_sequence < seen_.value()) {
        suspect("the stream of facts is at " + std::to_string(facts.last_sequence) + ", seen was " +
                std::to_string(seen_.value()));
    } else if (!verified_) {
        if (!checking_) {
            checking_ = true;
            check_witness(0);
        }
    } else if (reading_ == Reading::nothing) {
        suspected_since_.reset();
        catch_up(Revision{facts.last_sequence});
    }
}

void FactWatch::suspect(const std::string& reason) {
    verified_ = false;
    checking_ = false;
    const auto now = Clock::now();
    if (stream_.replicas <= 1 || (suspected_since_ && now - *suspected_since_ >= suspicion)) {
        reset(reason);
    } else if (!suspected_since_) {
        suspected_since_ = now;
    }
}

void FactWatch::check_witness(std::size_t index) {
    if (index >= witnesses_.size()) {
        checking_ = false;
        verified_ = true;
        suspected_since_.reset();
        if (reading_ == Reading::nothing) {
            catch_up(Revision{stream_.last_sequence});
        }
        return;
    }
    const std::string subject = context_.names.facts_subjects + to_tokens(witnesses_[index].key);
    context_.ask_api(
        "STREAM.MSG.GET." + context_.names.facts_stream, R"({"last_by_subj":")" + subject + R"("})",
        api_timeout, [this, index, witness = witnesses_[index]](const Answer& answer) {
            if (!checking_) {
                return;
            }
            if (!answer) {
                checking_ = false;  // the next poll tries again
                return;
            }
            const auto found = parse_stored_message(answer->payload);
            const bool missing = !found && found.error().kind == ApiErrorKind::not_found;
            if (!found && !missing) {
                checking_ = false;
                return;
            }
            if (missing || found->revision < witness.revision ||
                (found->revision == witness.revision && hash_of(found->value) != witness.hash)) {
                suspect("fact " + witness.key + " of revision " +
                        std::to_string(witness.revision.value()) + " is no longer in the stream");
                return;
            }
            check_witness(index + 1);
        });
}

void FactWatch::reset(const std::string& reason) {
    if (!sink_ || !begun_) {
        return;
    }
    stop_reading();
    waiting_.clear();
    witnesses_.clear();
    verified_ = true;
    checking_ = false;
    suspected_since_.reset();
    seen_ = Revision{0};
    snapshot_due_ = true;
    ++resets_;
    sink_->on_store_reset(reason);
    if (context_.outlet.is_open()) {
        catch_up(Revision{stream_.last_sequence});
    }
}

bool FactWatch::on_message(const LinkMessage& message) {
    if (!sink_) {
        return false;
    }
    if (message.subscription == republished_) {
        on_republished(message);
    } else if (message.subscription == fast_) {
        on_fast(message);
    } else if (reading_ == Reading::consumer && message.subscription == consumer_) {
        on_consumed(message);
    } else {
        return false;
    }
    return true;
}

void FactWatch::on_fast(const LinkMessage& message) {
    std::string key = to_key(std::string_view(message.subject).substr(context_.names.fast.size()));
    if (valid_key(key)) {
        sink_->on_fact({std::move(key), message.payload, Revision{0}, FactPath::fast});
    }
}

void FactWatch::on_republished(const LinkMessage& message) {
    const Revision revision{message.sequence};
    if (revision == Revision{0}) {
        return;  // not from the server: republished messages have a number
    }
    if (begun_ && revision <= seen_) {
        wants_poll_ = true;  // known already, or of a stream that starts over
        return;
    }
    if (waiting_.size() >= waiting_max) {
        return;
    }
    const std::string_view tokens =
        std::string_view(message.subject).substr(context_.names.republished.size());
    waiting_.emplace(revision,
                     FactEvent{to_key(tokens), message.payload, revision, FactPath::watch});
    if (begun_ && ready_ && verified_ && reading_ == Reading::nothing) {
        settle();
    }
}

void FactWatch::deliver_waiting() {
    while (!waiting_.empty() && waiting_.begin()->first <= seen_.next() &&
           context_.outlet.is_open()) {
        FactEvent event = std::move(waiting_.begin()->second);
        waiting_.erase(waiting_.begin());
        if (event.revision > seen_) {
            last_heard_ = Clock::now();
            deliver(std::move(event));
        }
    }
}

void FactWatch::settle() {
    deliver_waiting();
    if (!context_.outlet.is_open()) {
        return;
    }
    if (!waiting_.empty()) {
        read_up_to(Revision{waiting_.begin()->first.value() - 1});
    } else if (snapshot_due_) {
        snapshot_due_ = false;
        sink_->on_snapshot_complete(seen_);
    }
}

void FactWatch::deliver(FactEvent event) {
    seen_ = event.revision;
    if (!valid_key(event.key)) {
        return;  // no client of ours wrote that
    }
    std::erase_if(witnesses_, [&](const Witness& witness) { return witness.key == event.key; });
    witnesses_.push_back({event.key, event.revision, hash_of(event.value)});
    if (witnesses_.size() > witnesses_max) {
        witnesses_.pop_front();
    }
    sink_->on_fact(std::move(event));
}

bool FactWatch::is_fresh(Clock::time_point now) const {
    return !wants_poll_ && verified_ && now - last_heard_ < context_.config.poll;
}

void FactWatch::catch_up(Revision target) {
    deliver_waiting();
    if (target <= seen_) {
        settle();
    } else if (context_.outlet.is_open()) {
        read_up_to(target);
    }
}

void FactWatch::read_up_to(Revision target) {
    target_ = target;
    if (target.value() - seen_.value() <= small_gap) {
        read_singly();
    } else {
        open_consumer();
    }
}

void FactWatch::read_singly() {
    reading_ = Reading::single;
    ++reading_number_;
    singles_ = 0;
    absence_confirmed_ = false;
    read_next();
}

void FactWatch::read_next() {
    context_.ask_api("STREAM.MSG.GET." + context_.names.facts_stream,
                     R"({"seq":)" + std::to_string(seen_.value() + 1) + R"(,"next_by_subj":")" +
                         context_.names.facts_subjects + R"(>"})",
                     api_timeout, [this, number = reading_number_](const Answer& answer) {
                         if (number == reading_number_ && reading_ == Reading::single) {
                             on_next(answer);
                         }
                     });
}

void FactWatch::on_next(const Answer& answer) {
    if (!answer) {
        stop_reading();  // the next poll tries again
        return;
    }
    auto found = parse_stored_message(answer->payload);
    if (!found && found.error().kind == ApiErrorKind::not_found) {
        if (absence_confirmed_) {
            reading_done();  // what was missing has been overwritten: newer numbers hold it
        } else {
            confirm_absence();
        }
        return;
    }
    if (!found) {
        stop_reading();
        return;
    }
    const std::string_view subject = found->subject;
    const std::string& prefix = context_.names.facts_subjects;
    if (found->revision <= seen_ || !subject.starts_with(prefix)) {
        stop_reading();
        return;
    }
    deliver({to_key(subject.substr(prefix.size())), std::move(found->value), found->revision,
             FactPath::watch});
    if (!context_.outlet.is_open()) {
        return;
    }
    ++singles_;
    if (seen_ >= target_) {
        reading_done();
    } else if (singles_ >= small_gap) {
        stop_reading();
        read_up_to(target_);  // perhaps by a consumer
    } else {
        read_next();
    }
}

/// "Nothing from there on" counts only from a leader that has come as far as the target.
void FactWatch::confirm_absence() {
    context_.ask_api("STREAM.INFO." + context_.names.facts_stream, "", api_timeout,
                     [this, number = reading_number_](const Answer& answer) {
                         if (number != reading_number_ || reading_ != Reading::single) {
                             return;
                         }
                         const auto info =
                             answer ? parse_stream_info(answer->payload, context_.names,
                                                        Bucket::facts, context_.config.replicas)
                                    : ApiResult<StreamInfo>(Unexpected{ApiError{}});
                         if (!info || info->last_sequence < target_.value()) {
                             stop_reading();  // the next poll tries again
                             return;
                         }
                         absence_confirmed_ = true;
                         read_next();
                     });
}

void FactWatch::reading_done() {
    stop_reading();
    seen_ = std::max(seen_, target_);
    settle();
}

void FactWatch::stop_reading() {
    if (reading_ == Reading::consumer) {
        close_consumer();
    }
    reading_ = Reading::nothing;
    ++reading_number_;
}

void FactWatch::open_consumer() {
    reading_ = Reading::consumer;
    const std::uint64_t number = ++reading_number_;
    const std::string deliver_to = context_.link.reply_prefix() + ".c." + std::to_string(number);
    consumer_ = context_.link.subscribe(deliver_to);
    consumer_name_.clear();
    consumer_sequence_ = 0;
    consumer_deadline_ = Clock::now() + api_timeout;
    context_.ask_api("CONSUMER.CREATE." + context_.names.facts_stream,
                     create_consumer(context_.names.facts_stream, deliver_to, seen_.next()),
                     api_timeout, [this, number](const Answer& answer) {
                         if (number == reading_number_ && reading_ == Reading::consumer) {
                             on_consumer(answer);
                         }
                     });
}

void FactWatch::on_consumer(const Answer& answer) {
    const auto info =
        answer ? parse_consumer(answer->payload) : ApiResult<ConsumerInfo>(Unexpected{ApiError{}});
    if (!info) {
        stop_reading();  // the next poll tries again
        return;
    }
    consumer_name_ = info->name;
    if (info->pending == 0 && info->delivered == 0) {
        consumer_done();
    }
}

/// The consumer has told what its server had. The rest, if any, is asked of the leader.
void FactWatch::consumer_done() {
    if (seen_ >= target_) {
        reading_done();
    } else {
        stop_reading();
        read_singly();
    }
}

void FactWatch::on_consumed(const LinkMessage& message) {
    consumer_deadline_ = Clock::now() + consumer_silence;
    if (!message.status.empty()) {
        on_consumer_status(message);
        return;
    }
    const auto delivery = parse_delivery(message.reply);
    const std::string& prefix = context_.names.facts_subjects;
    if (!delivery || !message.subject.starts_with(prefix) ||
        delivery->consumer_sequence != consumer_sequence_ + 1) {
        stop_reading();
        open_consumer();  // from what was seen last
        return;
    }
    consumer_sequence_ = delivery->consumer_sequence;
    const Revision revision{delivery->stream_sequence};
    if (revision > seen_) {
        deliver({to_key(std::string_view(message.subject).substr(prefix.size())), message.payload,
                 revision, FactPath::watch});
    }
    if (delivery->pending == 0 && context_.outlet.is_open()) {
        consumer_done();
    }
}

void FactWatch::on_consumer_status(const LinkMessage& message) {
    const std::string& flow = message.reply.empty() ? message.stalled : message.reply;
    if (!flow.empty()) {
        context_.link.publish(
            {.subject = flow, .reply = {}, .payload = {}, .header = {}, .header_value = {}});
    }
    if (message.reply.empty() && message.last_consumer != consumer_sequence_) {
        stop_reading();
        open_consumer();
    }
}

void FactWatch::close_consumer() {
    context_.link.unsubscribe(consumer_);
    if (!consumer_name_.empty()) {
        context_.ask_api("CONSUMER.DELETE." + context_.names.facts_stream + "." + consumer_name_,
                         "", api_timeout,
                         [](const Answer&) {});  // else it dies of having no listener
    }
}

void FactWatch::on_tick(Clock::time_point now) {
    if (reading_ == Reading::consumer && now >= consumer_deadline_) {
        stop_reading();  // the next poll tries again
    }
}

}  // namespace anyswan::store::js
