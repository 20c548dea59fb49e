// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/nats_connection.h"

#include <nats/nats.h>

#include <algorithm>
#include <array>

namespace anyswan::store::js {

struct NatsConnection::Target {
    std::shared_ptr<LinkInbox> inbox;
    /// Counts connections made: callbacks of one that was given up don't count.
    std::atomic<std::uint32_t> generation = 0;
    std::atomic<bool> dead = false;
};

namespace {

using Clock = std::chrono::steady_clock;
using Target = NatsConnection::Target;

constexpr std::int64_t ping_interval_ms = 1000;
constexpr int pings_out_max = 2;
constexpr std::int64_t reconnect_wait_ms = 50;
constexpr std::int64_t connect_timeout_ms = 1000;
constexpr std::int64_t write_deadline_ms = 1000;
/// Between attempts to connect for the first time, or anew after libnats gave up (it does on a
/// password that is refused twice).
constexpr auto connect_again_after = std::chrono::milliseconds(100);
constexpr auto refused_again_after = std::chrono::milliseconds(1000);

// libnats may run a callback while, or even after, its subscription is being destroyed. So it gets
// no pointer of ours, but a number that is looked up here.
std::mutex registry_mutex;
std::map<std::uint32_t, std::weak_ptr<Target>>& registry() {
    static std::map<std::uint32_t, std::weak_ptr<Target>> targets;
    return targets;
}

std::uint32_t enter_registry(const std::shared_ptr<Target>& target) {
    static std::uint32_t last = 0;
    const std::lock_guard lock(registry_mutex);
    registry()[++last] = target;
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

std::shared_ptr<Target> find_target(void* closure) {
    const auto packed = reinterpret_cast<std::uint64_t>(closure);
    const std::lock_guard lock(registry_mutex);
    const auto at = registry().find(static_cast<std::uint32_t>(packed >> 32U));
    return at == registry().end() ? nullptr : at->second.lock();
}

/// The target, if the callback is of its present connection.
std::shared_ptr<Target> find_present_target(void* closure) {
    auto target = find_target(closure);
    return target && target->generation == closure_detail(closure) ? target : nullptr;
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
    if (const auto target = find_target(closure)) {
        LinkMessage copy = copy_message(message);
        copy.subscription = SubscriptionId{closure_detail(closure)};
        target->inbox->push(std::move(copy));
    }
    natsMsg_Destroy(message);
}

std::string last_error(natsConnection* connection, const char* otherwise) {
    const char* text = nullptr;
    (void)natsConnection_GetLastError(connection, &text);
    return text == nullptr || *text == '\0' ? otherwise : text;
}

void on_up(natsConnection* connection, void* closure) {
    if (const auto target = find_present_target(closure)) {
        std::array<char, 128> id{};
        std::array<char, 256> url{};
        (void)natsConnection_GetConnectedServerId(connection, id.data(), id.size());
        (void)natsConnection_GetConnectedUrl(connection, url.data(), url.size());
        target->inbox->push(LinkUp{id.data(), url.data()});
    }
}

void on_down(natsConnection* connection, void* closure) {
    if (const auto target = find_present_target(closure)) {
        target->inbox->push(LinkDown{last_error(connection, "connection lost")});
    }
}

void on_closed(natsConnection* connection, void* closure) {
    if (const auto target = find_present_target(closure)) {
        target->inbox->push(LinkDown{last_error(connection, "connection closed")});
        target->dead = true;
    }
}

void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
    if (const auto target = find_present_target(closure)) {
        target->inbox->push(LinkTrouble{last_error(connection, natsStatus_GetText(status))});
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

void set_options(natsOptions* options, const JetStreamConfig& config, void* closure,
                 Attempt& attempt) {
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
    attempt("callback", natsOptions_SetDisconnectedCB(options, on_down, closure));
    attempt("callback", natsOptions_SetReconnectedCB(options, on_up, closure));
    attempt("callback", natsOptions_SetClosedCB(options, on_closed, closure));
    attempt("callback", natsOptions_SetErrorHandler(options, on_error, closure));
}

}  // namespace

NatsConnection::NatsConnection(JetStreamConfig config, std::shared_ptr<LinkInbox> inbox)
    : config_(std::move(config)), target_(std::make_shared<Target>()) {
    target_->inbox = std::move(inbox);
    number_ = enter_registry(target_);
}

NatsConnection::~NatsConnection() {
    leave_registry(number_);
    drop();
    nats_ReleaseThreadMemory();
}

bool NatsConnection::is_dead() const {
    return target_->dead;
}

Clock::duration NatsConnection::make() {
    void* const closure = to_closure(number_, ++target_->generation);
    target_->dead = false;
    natsOptions* options = nullptr;
    Attempt attempt;
    attempt("libnats", natsOptions_Create(&options));
    if (options != nullptr) {
        set_options(options, config_, closure, attempt);
    }
    if (attempt.failure().empty()) {
        attempt("connect to " + join_without_passwords(config_.urls),
                natsConnection_Connect(&connection_, options));
    }
    natsOptions_Destroy(options);
    if (!attempt.failure().empty()) {
        drop();
        target_->inbox->push(LinkDown{attempt.failure()});
        return attempt.is_outage() ? connect_again_after : refused_again_after;
    }
    for (const auto& [id, subject] : wanted_) {
        subscribe({id, subject});
    }
    on_up(connection_, closure);
    return {};
}

void NatsConnection::drop() {
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

void NatsConnection::carry_out(const Command& command) {
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

void NatsConnection::publish(const Publication& publication) {
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
    if (natsConnection_PublishMsg(connection_, message) == NATS_MAX_PAYLOAD) {
        target_->inbox->push(LinkTrouble{"the server takes no message as large as that to \"" +
                                         publication.subject + "\": raise its max_payload"});
    }
    natsMsg_Destroy(message);
}

void NatsConnection::subscribe(const Subscribe& command) {
    if (connection_ == nullptr) {
        return;
    }
    natsSubscription* subscription = nullptr;
    if (natsConnection_Subscribe(&subscription, connection_, command.subject.c_str(), on_message,
                                 to_closure(number_, command.id.value())) != NATS_OK) {
        return;  // closed: make() subscribes again
    }
    // Bounded by our own inbox; libnats's limits would drop without telling which.
    (void)natsSubscription_SetPendingLimits(subscription, -1, -1);
    subscriptions_[command.id] = subscription;
}

}  // namespace anyswan::store::js
