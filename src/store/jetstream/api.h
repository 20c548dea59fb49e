// SPDX-License-Identifier: Apache-2.0
// What is said to JetStream and what it answers, as values: subjects, stream configurations, and
// the JSON of the requests used. Pure: no connection, no thread.
//
// Facts live in the stream KV_<fleet>_facts, claims in KV_<fleet>_claims, both with one message per
// subject, "$KV.<fleet>_facts.child.0001a2b3". Facts are also republished as plain messages on
// <fleet>.facts.>, which is what watchers listen to: 10 to 50 times cheaper for the server than a
// consumer each.
#pragma once

#include "store/jetstream/config.h"
#include "store/store.h"

namespace anyswan::store::js {

/// Names derived from the configuration.
struct Names {
    explicit Names(const JetStreamConfig& config);

    std::string facts_stream;
    std::string claims_stream;
    std::string facts_subjects;   // "$KV.<fleet>_facts." (a key's tokens follow)
    std::string claims_subjects;  // "$KV.<fleet>_claims."
    std::string republished;      // "<fleet>.facts."
    std::string fast;             // "<fleet>.fast."
    std::string bus;              // "<fleet>.bus."
    std::string api;              // "$JS.API." or "$JS.<domain>.API."
    /// Before the subject of a stored message, when the stream is in another domain.
    std::string publish_prefix;
};
/// '/' to '.'; the key has been checked.
[[nodiscard]] std::string to_tokens(std::string_view key);
[[nodiscard]] std::string to_key(std::string_view tokens);

/// "2.9.10" and the like; a suffix ("-beta.1", "-RC.2") is ignored.
struct ServerVersion {
    int major = 0, minor = 0, patch = 0;
    static std::optional<ServerVersion> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const ServerVersion&) const = default;
};
/// nats-server #4320: earlier ones with replicas check a compare-and-swap before proposing it but
/// not when applying it, so that two clients win the same round.
inline constexpr ServerVersion replicated_swap_since{2, 9, 21};

struct ServerSeen {
    std::string name;
    ServerVersion version;
};
/// The server that answered $SYS.REQ.ACCOUNT.PING.STATZ, if it keeps streams.
[[nodiscard]] std::optional<ServerSeen> parse_ping(ByteView json);
/// Why these servers must not keep our claims with so many replicas, or nothing.
[[nodiscard]] std::optional<std::string> refuse_servers(const std::vector<ServerSeen>& servers,
                                                        int replicas);

enum class Bucket : std::uint8_t { facts, claims };

[[nodiscard]] std::string create_stream(const Names& names, Bucket bucket, int replicas);

/// JetStream's refusals that mean something to us; the rest is text.
enum class ApiErrorKind : std::uint8_t { not_found, wrong_revision, unavailable, other };
struct ApiError {
    ApiErrorKind kind{};
    std::string text;
};
template <class T>
using ApiResult = Expected<T, ApiError>;

struct StreamInfo {
    std::string created;
    std::uint64_t last_sequence = 0;
    int replicas = 1;
    std::vector<std::string> wrong;  // what differs from what we would have created
    // Of a request with a subjects filter.
    std::vector<std::string> subjects;
    std::uint64_t subjects_total = 0;
};
[[nodiscard]] ApiResult<StreamInfo> parse_stream_info(ByteView json, const Names& names,
                                                      Bucket bucket, int replicas);
/// The sequence number that a publication got.
[[nodiscard]] ApiResult<Revision> parse_publish_ack(ByteView json);

struct StoredMessage {
    std::string subject;
    Bytes value;
    Revision revision;
};
[[nodiscard]] ApiResult<StoredMessage> parse_stored_message(ByteView json);
/// Any other API call.
[[nodiscard]] ApiResult<bool> parse_success(ByteView json);

/// A consumer that delivers everything from `from` on to `deliver_to`, then dies with its listener.
[[nodiscard]] std::string create_consumer(const std::string& stream, const std::string& deliver_to,
                                          Revision from);
struct ConsumerInfo {
    std::string name;
    std::uint64_t pending = 0;    // messages to come
    std::uint64_t delivered = 0;  // messages already sent
};
[[nodiscard]] ApiResult<ConsumerInfo> parse_consumer(ByteView json);
/// Heartbeats of an idle consumer come this often.
inline constexpr Duration consumer_heartbeat = 300ms;

/// Where a consumer's message stands, from its reply subject.
struct Delivery {
    std::uint64_t stream_sequence = 0;
    std::uint64_t consumer_sequence = 0;
    std::uint64_t pending = 0;
};
[[nodiscard]] std::optional<Delivery> parse_delivery(std::string_view reply_subject);

}  // namespace anyswan::store::js
