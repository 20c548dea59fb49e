// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/nats_link.h"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <random>

namespace anyswan::store::js {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(50);
/// Waiting to be written; more is dropped. A second of a 500 Mbit/s link.
constexpr std::size_t queued_bytes_max = 64U << 20U;

}  // namespace

struct NatsLink::Shared {
    std::shared_ptr<LinkInbox> inbox;

    std::mutex mutex;
    std::condition_variable wake;     // the I/O thread
    std::condition_variable stopped;  // closing, or the I/O thread has ended
    std::deque<Command> commands;
    std::size_t queued_bytes = 0;
    bool closing = false;
    bool io_ended = false;
};

namespace {

using Shared = NatsLink::Shared;

/// One round with the lock held: makes the connection if there is none, else carries commands out.
void do_io(Shared& shared, std::unique_lock<std::mutex>& lock, NatsConnection& connection,
           Clock::time_point& connect_at) {
    if (connection.is_dead() || (!connection.is_made() && Clock::now() >= connect_at)) {
        lock.unlock();
        connection.drop();
        connect_at = Clock::now() + connection.make();
        lock.lock();
    } else if (shared.commands.empty()) {
        shared.wake.wait_for(lock, tick);
    } else {
        std::deque<Command> commands;
        commands.swap(shared.commands);
        shared.queued_bytes = 0;
        lock.unlock();
        for (const Command& command : commands) {
            connection.carry_out(command);
        }
        lock.lock();
    }
}

void run_io(const std::shared_ptr<Shared>& shared, JetStreamConfig config) {
    {
        NatsConnection connection(std::move(config), shared->inbox);
        Clock::time_point connect_at = Clock::now();
        std::unique_lock lock(shared->mutex);
        while (!shared->closing) {
            do_io(*shared, lock, connection, connect_at);
        }
        lock.unlock();
    }
    const std::lock_guard lock(shared->mutex);
    shared->io_ended = true;
    shared->stopped.notify_all();
}

void run_ticker(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    Clock::time_point next = Clock::now() + tick;
    while (!shared->closing) {
        if (Clock::now() < next) {
            shared->stopped.wait_until(lock, next);
            continue;
        }
        next = Clock::now() + tick;
        lock.unlock();
        shared->inbox->push(LinkTick{});
        lock.lock();
    }
}

std::string make_reply_prefix() {
    std::random_device device;
    std::string prefix = "_INBOX.";
    for (int i = 0; i < 4; ++i) {
        std::array<char, 9> digits{};
        (void)std::snprintf(digits.data(), digits.size(), "%08x", device());
        prefix += digits.data();
    }
    return prefix;
}

}  // namespace

NatsLink::NatsLink(JetStreamConfig config, Outlet outlet, LinkInbox::Handler handler)
    : shared_(std::make_shared<Shared>()), reply_prefix_(make_reply_prefix()) {
    shared_->inbox = std::make_shared<LinkInbox>(std::move(outlet), std::move(handler));
    io_ = std::thread(run_io, shared_, std::move(config));
    ticker_ = std::thread(run_ticker, shared_);
}

NatsLink::~NatsLink() {
    close();
    ticker_.join();
    std::unique_lock lock(shared_->mutex);
    // A TLS handshake with a frozen server has no timeout in libnats 3.4: don't wait for that.
    const bool ended =
        shared_->stopped.wait_for(lock, std::chrono::seconds(3), [&] { return shared_->io_ended; });
    lock.unlock();
    if (ended) {
        io_.join();
    } else {
        io_.detach();
    }
}

bool NatsLink::publish(Publication publication) {
    const std::size_t size = publication.payload.size() + publication.subject.size() + 64;
    const std::lock_guard lock(shared_->mutex);
    if (shared_->queued_bytes + size > queued_bytes_max || shared_->closing) {
        return false;
    }
    shared_->queued_bytes += size;
    shared_->commands.emplace_back(std::move(publication));
    shared_->wake.notify_all();
    return true;
}

SubscriptionId NatsLink::subscribe(std::string subject) {
    const SubscriptionId id{++last_subscription_};
    const std::lock_guard lock(shared_->mutex);
    shared_->commands.emplace_back(Subscribe{id, std::move(subject)});
    shared_->wake.notify_all();
    return id;
}

void NatsLink::unsubscribe(SubscriptionId subscription) {
    const std::lock_guard lock(shared_->mutex);
    shared_->commands.emplace_back(Unsubscribe{subscription});
    shared_->wake.notify_all();
}

void NatsLink::close() {
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    shared_->wake.notify_all();
    shared_->stopped.notify_all();
}

}  // namespace anyswan::store::js
