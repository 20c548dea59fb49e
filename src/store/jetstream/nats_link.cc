// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/nats_link.h"

#include <nats/nats.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <random>

namespace anyswan::store::js {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t ping_interval_ms = 1000;
constexpr int pings_out_max = 2;
constexpr std::int64_t reconnect_wait_ms = 50;
constexpr std::int64_t connect_timeout_ms = 1000;
constexpr std::int64_t write_deadline_ms = 1000;
constexpr auto tick = std::chrono::milliseconds(50);
/// Between attempts to connect for the first time, or anew after libnats gave up (it does on a
/// password that is refused twice).
constexpr auto connect_again_after = std::chrono::milliseconds(100);
constexpr auto refused_again_after = std::chrono::milliseconds(1000);
/// Waiting to be written; more is dropped. A second of a 500 Mbit/s link.
constexpr std::size_t queued_bytes_max = 64U << 20U;
/// Messages waiting for the loop; more is dropped: watchers notice and fetch, the bus is lossy.
constexpr std::size_t inbox_max = 200'000;

struct Subscribe {
    SubscriptionId id;
    std::string subject;
};
struct Unsubscribe {
    SubscriptionId id;
};
using Command = std::variant<Publication, Subscribe, Unsubscribe>;

}  // namespace

struct NatsLink::Shared {
    Shared(JetStreamConfig config_in, Outlet outlet_in, Handler handler_in)
        : config(std::move(config_in)),
          outlet(std::move(outlet_in)),
          handler(std::move(handler_in)) {}

    void push(LinkEvent event, const std::shared_ptr<Shared>& self);
    void drain();

    const JetStreamConfig config;
    const Outlet outlet;
    const Handler handler;  // called on the loop only
    std::uint32_t number = 0;

    std::mutex inbox_mutex;
    std::vector<LinkEvent> inbox;
    bool drain_posted = false;

    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable ended;
    std::deque<Command> commands;
    std::size_t queued_bytes = 0;
    /// Counts connections made: callbacks of one that was given up don't count.
    std::uint32_t generation = 0;
    bool dead = false;  // libnats gave up: renew
    bool closing = false;
    bool io_ended = false;
};

namespace {

using Shared = NatsLink::Shared;

// libnats may run a callback while, or even after, its subscription is being destroyed. So it gets
// no pointer of ours, but a number that is looked up here.
std::mutex registry_mutex;
std::map<std::uint32_t, std::weak_ptr<Shared>>& registry() {
    static std::map<std::uint32_t, std::weak_ptr<Shared>> links;
    return links;
}

std::uint32_t enter_registry(const std::shared_ptr<Shared>& shared) {
    static std::uint32_t last = 0;
    const std::lock_guard lock(registry_mutex);
    registry()[++last] = shared;
    return last;
}

void leave_registry(std::uint32_t number) {
    const std::lock_guard lock(registry_mutex);
    registry().erase(number);
}

/// `detail`: the subscription, or for callbacks of the connection its generation.
void* to_closure(std::uint32_t link, std::uint32_t detail) {
    static_assert(sizeof(void*) == 8);
    const std::uint64_t packed = (std::uint64_t{link} << 32U) | detail;
    return reinterpret_cast<void*>(packed);  // a number, never dereferenced
}

std::uint32_t closure_detail(void* closure) {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uint64_t>(closure));
}

std::shared_ptr<Shared> find_link(void* closure) {
    const auto packed = reinterpret_cast<std::uint64_t>(closure);
    const std::lock_guard lock(registry_mutex);
    const auto at = registry().find(static_cast<std::uint32_t>(packed >> 32U));
    return at == registry().end() ? nullptr : at->second.lock();
}

/// The link, if the callback is of its present connection.
std::shared_ptr<Shared> find_present_link(void* closure) {
    auto shared = find_link(closure);
    if (shared) {
        const std::lock_guard lock(shared->mutex);
        if (shared->generation != closure_detail(closure)) {
            return nullptr;
        }
    }
    return shared;
}

std::string header(natsMsg* message, const char* name) {
    const char* value = nullptr;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : "";
}

std::uint64_t header_number(natsMsg* message, const char* name) {
    return std::strtoull(header(message, name).c_str(), nullptr, 10);
}

LinkMessage copy_message(natsMsg* message) {
    LinkMessage copy;
    copy.subject = natsMsg_GetSubject(message);
    const char* const reply = natsMsg_GetReply(message);
    copy.reply = reply == nullptr ? "" : reply;
    const char* const data = natsMsg_GetData(message);
    const auto size = static_cast<std::size_t>(natsMsg_GetDataLength(message));
    if (size > 0) {
        copy.payload.assign(data, data + size);
    }
    copy.status = header(message, "Status");
    copy.sequence = header_number(message, "Nats-Sequence");
    if (!copy.status.empty()) {
        copy.last_consumer = header_number(message, "Nats-Last-Consumer");
        copy.stalled = header(message, "Nats-Consumer-Stalled");
    }
    return copy;
}

void on_message(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
    if (const auto shared = find_link(closure)) {
        LinkMessage copy = copy_message(message);
        copy.subscription = SubscriptionId{closure_detail(closure)};
        shared->push(std::move(copy), shared);
    }
    natsMsg_Destroy(message);
}

std::string last_error(natsConnection* connection, const char* otherwise) {
    const char* text = nullptr;
    (void)natsConnection_GetLastError(connection, &text);
    return text == nullptr || *text == '\0' ? otherwise : text;
}

void on_up(natsConnection* connection, void* closure) {
    if (const auto shared = find_present_link(closure)) {
        std::array<char, 128> id{};
        std::array<char, 256> url{};
        (void)natsConnection_GetConnectedServerId(connection, id.data(), id.size());
        (void)natsConnection_GetConnectedUrl(connection, url.data(), url.size());
        shared->push(LinkUp{id.data(), url.data()}, shared);
    }
}

void on_down(natsConnection* connection, void* closure) {
    if (const auto shared = find_present_link(closure)) {
        shared->push(LinkDown{last_error(connection, "connection lost")}, shared);
    }
}

void on_closed(natsConnection* connection, void* closure) {
    if (const auto shared = find_present_link(closure)) {
        shared->push(LinkDown{last_error(connection, "connection closed")}, shared);
        const std::lock_guard lock(shared->mutex);
        shared->dead = true;
        shared->wake.notify_all();
    }
}

void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
    if (const auto shared = find_present_link(closure)) {
        shared->push(LinkTrouble{last_error(connection, natsStatus_GetText(status))}, shared);
    }
}

/// Keeps the message of the first libnats call that fails.
class Attempt {
public:
    void operator()(const std::string& what, natsStatus status) {
        if (status != NATS_OK && failure_.empty()) {
            status_ = status;
            const char* const detail = nats_GetLastError(nullptr);
            failure_ = what + ": " + natsStatus_GetText(status) +
                       (detail == nullptr || *detail == '\0' ? "" : std::string(", ") + detail);
        }
    }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    /// Nobody was reached: trying again soon costs nobody anything.
    [[nodiscard]] bool is_outage() const {
        return status_ == NATS_NO_SERVER || status_ == NATS_TIMEOUT || status_ == NATS_IO_ERROR;
    }

private:
    std::string failure_;
    natsStatus status_ = NATS_OK;
};

/// For messages: a URL may carry a password, "nats://user:password@host".
std::string join_without_passwords(const std::vector<std::string>& urls) {
    std::string text;
    for (const std::string& url : urls) {
        const std::size_t at = url.rfind('@');
        text += (text.empty() ? "" : ", ") + (at == std::string::npos ? url : url.substr(at + 1));
    }
    return text;
}

void set_credentials(natsOptions* options, const JetStreamConfig& config, Attempt& attempt) {
    if (!config.user.empty()) {
        // libnats wants a string; ours is wiped, its own copy is its own.
        Secret password(config.password.size() + 1);
        std::copy(config.password.reveal().begin(), config.password.reveal().end(),
                  password.writable().begin());
        attempt("user",
                natsOptions_SetUserInfo(options, config.user.c_str(),
                                        reinterpret_cast<const char*>(password.reveal().data())));
    }
    if (!config.credentials_file.empty()) {
        attempt("credentials file", natsOptions_SetUserCredentialsFromFiles(
                                        options, config.credentials_file.c_str(), nullptr));
    }
    if (!config.ca_file.empty() || !config.certificate_file.empty()) {
        attempt("tls", natsOptions_SetSecure(options, true));
    }
    if (!config.ca_file.empty()) {
        attempt("CA file", natsOptions_LoadCATrustedCertificates(options, config.ca_file.c_str()));
    }
    if (!config.certificate_file.empty()) {
        attempt("certificate",
                natsOptions_LoadCertificatesChain(options, config.certificate_file.c_str(),
                                                  config.key_file.c_str()));
    }
}

void set_options(natsOptions* options, const Shared& shared, std::uint32_t generation,
                 Attempt& attempt) {
    const JetStreamConfig& config = shared.config;
    std::vector<const char*> urls;
    urls.reserve(config.urls.size());
    for (const std::string& url : config.urls) {
        urls.push_back(url.c_str());
    }
    attempt("servers", natsOptions_SetServers(options, urls.data(), static_cast<int>(urls.size())));
    attempt("name", natsOptions_SetName(options, config.client_name.c_str()));
    attempt("servers", natsOptions_SetIgnoreDiscoveredServers(options, config.only_named_servers));
    set_credentials(options, config, attempt);
    attempt("ping interval", natsOptions_SetPingInterval(options, ping_interval_ms));
    attempt("pings out", natsOptions_SetMaxPingsOut(options, pings_out_max));
    attempt("reconnect wait", natsOptions_SetReconnectWait(options, reconnect_wait_ms));
    attempt("reconnect jitter",
            natsOptions_SetReconnectJitter(options, reconnect_wait_ms, reconnect_wait_ms));
    attempt("reconnects", natsOptions_SetMaxReconnect(options, -1));
    // Nothing is kept for later: a caller who was told "unavailable" must not be surprised.
    attempt("reconnect buffer", natsOptions_SetReconnectBufSize(options, 0));
    attempt("connect timeout", natsOptions_SetTimeout(options, connect_timeout_ms));
    attempt("write deadline", natsOptions_SetWriteDeadline(options, write_deadline_ms));
    // Without: libnats waits a millisecond for company before it writes.
    attempt("send asap", natsOptions_SetSendAsap(options, true));
    // One delivery thread for all subscriptions: they stay in order, and our callback is short.
    attempt("delivery", natsOptions_UseGlobalMessageDelivery(options, true));
    void* const closure = to_closure(shared.number, generation);
    attempt("callback", natsOptions_SetDisconnectedCB(options, on_down, closure));
    attempt("callback", natsOptions_SetReconnectedCB(options, on_up, closure));
    attempt("callback", natsOptions_SetClosedCB(options, on_closed, closure));
    attempt("callback", natsOptions_SetErrorHandler(options, on_error, closure));
}

/// What the I/O thread owns.
class Connection {
public:
    explicit Connection(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    ~Connection() { drop(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] bool made() const { return connection_ != nullptr; }
    /// Tries to connect; once it has, libnats connects again by itself. Its own retries of the
    /// first attempt would hide why that failed. Returns when to try again if it fails.
    Clock::duration make();
    void drop();
    void carry_out(const Command& command);

private:
    void publish(const Publication& publication);
    void subscribe(const Subscribe& command);

    std::shared_ptr<Shared> shared_;
    natsConnection* connection_ = nullptr;
    std::map<SubscriptionId, std::string> wanted_;
    std::map<SubscriptionId, natsSubscription*> subscriptions_;
};

Clock::duration Connection::make() {
    std::uint32_t generation = 0;
    {
        const std::lock_guard lock(shared_->mutex);
        generation = ++shared_->generation;
    }
    natsOptions* options = nullptr;
    Attempt attempt;
    attempt("libnats", natsOptions_Create(&options));
    if (options != nullptr) {
        set_options(options, *shared_, generation, attempt);
    }
    if (attempt.failure().empty()) {
        attempt("connect to " + join_without_passwords(shared_->config.urls),
                natsConnection_Connect(&connection_, options));
    }
    natsOptions_Destroy(options);
    if (!attempt.failure().empty()) {
        drop();
        shared_->push(LinkDown{attempt.failure()}, shared_);
        return attempt.is_outage() ? connect_again_after : refused_again_after;
    }
    for (const auto& [id, subject] : wanted_) {
        subscribe({id, subject});
    }
    on_up(connection_, to_closure(shared_->number, generation));
    return {};
}

void Connection::drop() {
    for (const auto& [id, subscription] : subscriptions_) {
        natsSubscription_Destroy(subscription);
    }
    subscriptions_.clear();
    if (connection_ != nullptr) {
        natsConnection_Close(connection_);
        natsConnection_Destroy(connection_);
        connection_ = nullptr;
    }
}

void Connection::carry_out(const Command& command) {
    if (const auto* const publication = std::get_if<Publication>(&command)) {
        publish(*publication);
    } else if (const auto* const wanted = std::get_if<Subscribe>(&command)) {
        wanted_[wanted->id] = wanted->subject;
        subscribe(*wanted);
    } else if (const auto* const unwanted = std::get_if<Unsubscribe>(&command)) {
        wanted_.erase(unwanted->id);
        if (const auto at = subscriptions_.find(unwanted->id); at != subscriptions_.end()) {
            natsSubscription_Destroy(at->second);
            subscriptions_.erase(at);
        }
    }
}

void Connection::publish(const Publication& publication) {
    if (connection_ == nullptr) {
        return;
    }
    natsMsg* message = nullptr;
    const natsStatus made =
        natsMsg_Create(&message, publication.subject.c_str(),
                       publication.reply.empty() ? nullptr : publication.reply.c_str(),
                       reinterpret_cast<const char*>(publication.payload.data()),
                       static_cast<int>(publication.payload.size()));
    if (made != NATS_OK) {
        return;
    }
    if (!publication.header.empty()) {
        (void)natsMsgHeader_Set(message, publication.header.c_str(),
                                publication.header_value.c_str());
    }
    // A failure is a loss: whoever waits for an answer has a timeout, and hears of a lost link.
    (void)natsConnection_PublishMsg(connection_, message);
    natsMsg_Destroy(message);
}

void Connection::subscribe(const Subscribe& command) {
    if (connection_ == nullptr) {
        return;
    }
    natsSubscription* subscription = nullptr;
    if (natsConnection_Subscribe(&subscription, connection_, command.subject.c_str(), on_message,
                                 to_closure(shared_->number, command.id.value())) != NATS_OK) {
        return;  // closed: make() subscribes again
    }
    // Bounded by our own inbox; libnats's limits would drop without telling which.
    (void)natsSubscription_SetPendingLimits(subscription, -1, -1);
    subscriptions_[command.id] = subscription;
}

void run_io(const std::shared_ptr<Shared>& shared) {
    {
        Connection connection(shared);
        Clock::time_point next_attempt = Clock::now();
        std::unique_lock lock(shared->mutex);
        while (!shared->closing) {
            if (shared->dead) {
                shared->dead = false;
                next_attempt = Clock::now() + connect_again_after;
                lock.unlock();
                connection.drop();
                lock.lock();
                continue;
            }
            if (!connection.made() && Clock::now() >= next_attempt) {
                lock.unlock();
                next_attempt = Clock::now() + connection.make();
                lock.lock();
                continue;
            }
            if (shared->commands.empty()) {
                shared->wake.wait_for(lock, tick);
                continue;
            }
            std::deque<Command> commands;
            commands.swap(shared->commands);
            shared->queued_bytes = 0;
            lock.unlock();
            for (const Command& command : commands) {
                connection.carry_out(command);
            }
            lock.lock();
        }
    }
    nats_ReleaseThreadMemory();
    const std::lock_guard lock(shared->mutex);
    shared->io_ended = true;
    shared->ended.notify_all();
}

void run_ticker(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    Clock::time_point next = Clock::now() + tick;
    while (!shared->closing) {
        if (Clock::now() < next) {
            shared->ended.wait_until(lock, next);
            continue;
        }
        next = Clock::now() + tick;
        lock.unlock();
        shared->push(LinkTick{}, shared);
        lock.lock();
    }
}

std::string make_inbox() {
    std::random_device device;
    std::string inbox = "_INBOX.";
    for (int i = 0; i < 4; ++i) {
        std::array<char, 9> digits{};
        (void)std::snprintf(digits.data(), digits.size(), "%08x", device());
        inbox += digits.data();
    }
    return inbox;
}

}  // namespace

void NatsLink::Shared::push(LinkEvent event, const std::shared_ptr<Shared>& self) {
    const std::lock_guard lock(inbox_mutex);
    if (!outlet.is_open() ||
        (inbox.size() >= inbox_max && std::holds_alternative<LinkMessage>(event))) {
        return;
    }
    inbox.push_back(std::move(event));
    if (!drain_posted) {
        drain_posted = true;
        outlet.post([self] { self->drain(); });
    }
}

void NatsLink::Shared::drain() {
    std::vector<LinkEvent> events;
    {
        const std::lock_guard lock(inbox_mutex);
        events.swap(inbox);
        drain_posted = false;
    }
    for (LinkEvent& event : events) {
        if (!outlet.is_open()) {
            return;
        }
        handler(std::move(event));
    }
}

NatsLink::NatsLink(JetStreamConfig config, Outlet outlet, Handler handler)
    : shared_(std::make_shared<Shared>(std::move(config), std::move(outlet), std::move(handler))),
      inbox_(make_inbox()) {
    shared_->number = enter_registry(shared_);
    io_ = std::thread(run_io, shared_);
    ticker_ = std::thread(run_ticker, shared_);
}

NatsLink::~NatsLink() {
    close();
    ticker_.join();
    std::unique_lock lock(shared_->mutex);
    // A TLS handshake with a frozen server has no timeout in libnats 3.4: don't wait for that.
    const bool ended =
        shared_->ended.wait_for(lock, std::chrono::seconds(3), [&] { return shared_->io_ended; });
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
    leave_registry(shared_->number);
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    shared_->wake.notify_all();
    shared_->ended.notify_all();
}

}  // namespace anyswan::store::js
