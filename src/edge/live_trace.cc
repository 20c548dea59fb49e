// SPDX-License-Identifier: Apache-2.0
#include "edge/live_trace.h"

namespace anyswan::edge {

namespace {

constexpr Duration watch_time = 10s;
constexpr std::size_t messages_max = 2000;

}  // namespace

void LiveTrace::arriving(Now now, const ike::DatagramReceived& datagram) {
    if (!watched(now.instant)) {
        return;
    }
    if (const auto view = wire::ike::HeaderView::read(datagram.bytes)) {
        tracer_.learn({view->header.initiator_spi, view->header.responder_spi});
    }
}

void LiveTrace::received(Now now, const ike::DatagramReceived& datagram) {
    if (watched(now.instant)) {
        add(datagram.remote,
            tracer_.describe_ike(now.wall, datagram.remote, datagram.local, datagram.bytes));
    }
}

void LiveTrace::sent(Now now, const ike::Datagram& datagram) {
    if (watched(now.instant)) {
        add(datagram.remote,
            tracer_.describe_ike(now.wall, datagram.local, datagram.remote, datagram.bytes));
    }
}

void LiveTrace::add(Endpoint peer, std::string text) {
    messages_.push_back({++last_, peer, std::move(text)});
    if (messages_.size() > messages_max) {
        messages_.pop_front();
    }
}

LiveTrace::Page LiveTrace::after(Instant now, std::uint64_t last) {
    watched_until_ = now + watch_time;
    // A number of before a restart is larger than any of ours.
    if (last == 0 || last > last_) {
        return {last_, 0, {}};
    }
    Page page{last_, 0, {}};
    for (const Message& message : messages_) {
        if (message.number > last) {
            page.messages.push_back(message);
        }
    }
    page.missed = last_ - last - page.messages.size();
    return page;
}

}  // namespace anyswan::edge
