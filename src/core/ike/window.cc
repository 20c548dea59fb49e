// SPDX-License-Identifier: Apache-2.0
// Message IDs and retransmission.
#include "core/ike/window.h"

#include "base/check.h"

namespace anyswan::ike {

Window::Window(Recorded recorded)
    : expected_(recorded.expected_request),
      open_upwards_(true),
      last_response_(std::move(recorded.last_response)),
      next_request_(recorded.next_request) {}

Freshness Window::judge(MessageId id) const {
    if (id == expected_ || (open_upwards_ && id > expected_)) {
        return Freshness::fresh;
    }
    // RFC 7296 2.1: "The responder MUST remember each response until it receives a request whose
    // sequence number is larger than or equal to the sequence number in the response plus its
    // window size".
    if (expected_.value() > 0 && id.value() == expected_.value() - 1) {
        return Freshness::repeated;
    }
    return Freshness::outside;
}

void Window::answered(Answer answer) {
    check(judge(answer.id) == Freshness::fresh, "only a fresh request is answered");
    expected_ = answer.id.next();
    last_response_ = std::move(answer.datagrams);
    open_upwards_ = open_upwards_ && !answer.fixes;
}

void Window::restart() {
    check(next_request_ == MessageId(1), "only IKE_SA_INIT begins again");
    outstanding_.reset();
    next_request_ = MessageId(0);
}

void Window::sent(wire::ike::ExchangeType exchange, std::vector<Bytes> datagrams, Instant now,
                  const RetransmitPolicy& policy) {
    check(!outstanding_, "window of one");
    resume({next_request_, exchange, std::move(datagrams), 0, {}, {}}, now, policy);
    next_request_ = next_request_.next();
}

void Window::resume(OutstandingRequest request, Instant now, const RetransmitPolicy& policy) {
    outstanding_ = std::move(request);
    outstanding_->wait = policy.first;
    outstanding_->due = now + policy.first;
}

void Window::hurry(Instant now, const RetransmitPolicy& policy) {
    if (outstanding_) {
        outstanding_->retransmissions = 0;
        outstanding_->wait = policy.first;
        outstanding_->due = now;
    }
}

bool Window::retry(Instant now, const RetransmitPolicy& policy) {
    check(outstanding_.has_value(), "retry without a request");
    if (outstanding_->retransmissions >= policy.tries) {
        return false;
    }
    ++outstanding_->retransmissions;
    // RFC 7296 2.4: "retransmission times MUST increase exponentially".
    outstanding_->wait = outstanding_->wait * 18 / 10;
    outstanding_->due = now + outstanding_->wait;
    return true;
}

}  // namespace anyswan::ike
