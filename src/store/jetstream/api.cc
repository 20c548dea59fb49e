// SPDX-License-Identifier: Apache-2.0
// JSON by nlohmann-json, with exceptions off: what can't be parsed is an ApiError.
#include "store/jetstream/api.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace anyswan::store {

JetStreamConfig JetStreamConfig::clone() const {
    return {.urls = urls,
            .only_named_servers = only_named_servers,
            .fleet = fleet,
            .replicas = replicas,
            .domain = domain,
            .user = user,
            .password = password.clone(),
            .credentials_file = credentials_file,
            .ca_file = ca_file,
            .certificate_file = certificate_file,
            .key_file = key_file,
            .client_name = client_name,
            .timeout = timeout,
            .poll = poll};
}

}  // namespace anyswan::store

namespace anyswan::store::js {
namespace {

using nlohmann::json;

/// JetStream's err_code numbers (nats-server, server/errors.json).
constexpr std::uint64_t stream_not_found = 10059;
constexpr std::uint64_t no_message_found = 10037;
constexpr std::uint64_t consumer_not_found = 10014;
constexpr std::uint64_t wrong_last_sequence = 10071;
constexpr std::uint64_t wrong_last_sequence_constant = 10164;

/// A member of the wanted kind, or a null object.
const json& member(const json& object, const char* name) {
    static const json none = json::object();
    const auto at = object.find(name);
    return at == object.end() ? none : *at;
}
std::uint64_t number(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_number_unsigned() || value.is_number_integer() ? value.get<std::uint64_t>() : 0;
}
std::string text(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

ApiError to_error(const json& error) {
    const std::uint64_t code = number(error, "code");
    const std::uint64_t err_code = number(error, "err_code");
    ApiErrorKind kind = ApiErrorKind::other;
    if (err_code == wrong_last_sequence || err_code == wrong_last_sequence_constant) {
        kind = ApiErrorKind::wrong_revision;
    } else if (err_code == stream_not_found || err_code == no_message_found ||
               err_code == consumer_not_found) {
        kind = ApiErrorKind::not_found;
    } else if (code == 503 || code == 408) {
        kind = ApiErrorKind::unavailable;
    }
    return {kind, text(error, "description") + " (" + std::to_string(err_code) + ")"};
}

Unexpected<ApiError> not_understood() {
    return Unexpected{ApiError{ApiErrorKind::other, "an answer that is no JetStream answer"}};
}

/// The answer as a JSON object, or the error it carries.
ApiResult<json> parse_answer(ByteView bytes) {
    json answer = json::parse(bytes.begin(), bytes.end(), nullptr, false);
    if (!answer.is_object()) {
        return not_understood();
    }
    if (const auto error = answer.find("error"); error != answer.end() && error->is_object()) {
        return Unexpected{to_error(*error)};
    }
    return answer;
}

Bytes from_base64(std::string_view text) {
    Bytes bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        std::uint32_t value = 0;
        if (c >= 'A' && c <= 'Z') {
            value = static_cast<std::uint32_t>(c - 'A');
        } else if (c >= 'a' && c <= 'z') {
            value = static_cast<std::uint32_t>(c - 'a' + 26);
        } else if (c >= '0' && c <= '9') {
            value = static_cast<std::uint32_t>(c - '0' + 52);
        } else if (c == '+' || c == '/') {
            value = c == '+' ? 62 : 63;
        } else {
            break;  // padding
        }
        bits = (bits << 6U) | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.push_back(static_cast<std::uint8_t>(bits >> static_cast<unsigned>(count)));
        }
    }
    return bytes;
}

/// What we would create; verify() compares an existing stream with it member by member.
json stream_config(const Names& names, Bucket bucket, int replicas) {
    const bool facts = bucket == Bucket::facts;
    const std::string subjects = (facts ? names.facts_subjects : names.claims_subjects) + ">";
    json config = {
        {"name", facts ? names.facts_stream : names.claims_stream},
        {"subjects", json::array({subjects})},
        {"retention", "limits"},
        {"storage", "file"},
        {"discard", "new"},
        {"max_msgs_per_subject", 1},
        {"max_msgs", -1},
        {"max_bytes", -1},
        {"max_age", 0},
        {"max_consumers", -1},
        {"deny_delete", false},
        {"num_replicas", replicas},
    };
    if (facts) {
        config["republish"] = {{"src", subjects}, {"dest", names.republished + ">"}};
    }
    return config;
}

std::vector<std::string> differences(const json& wanted, const json& found) {
    std::vector<std::string> wrong;
    for (const auto& [key, value] : wanted.items()) {
        const json& present = member(found, key.c_str());
        const bool same =
            key == "num_replicas" ? present.is_number() && present >= value : present == value;
        if (!same) {
            wrong.push_back(key + " is " + present.dump() + ", wanted " + value.dump());
        }
    }
    return wrong;
}

std::optional<std::uint64_t> to_number(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

Names::Names(const JetStreamConfig& config)
    : facts_stream("KV_" + config.fleet + "_facts"),
      claims_stream("KV_" + config.fleet + "_claims"),
      facts_subjects("$KV." + config.fleet + "_facts."),
      claims_subjects("$KV." + config.fleet + "_claims."),
      republished(config.fleet + ".facts."),
      fast(config.fleet + ".fast."),
      bus(config.fleet + ".bus."),
      api(config.domain.empty() ? "$JS.API." : "$JS." + config.domain + ".API."),
      publish_prefix(config.domain.empty() ? "" : api) {}

std::string to_tokens(std::string_view key) {
    std::string tokens(key);
    std::replace(tokens.begin(), tokens.end(), '/', '.');
    return tokens;
}

std::string to_key(std::string_view tokens) {
    std::string key(tokens);
    std::replace(key.begin(), key.end(), '.', '/');
    return key;
}

std::optional<ServerVersion> ServerVersion::parse(std::string_view text) {
    ServerVersion version;
    const char* at = text.data();
    const char* const end = at + text.size();
    int* const parts[] = {&version.major, &version.minor, &version.patch};
    for (int* const part : parts) {
        if (part != parts[0] && (at == end || *at++ != '.')) {
            return std::nullopt;
        }
        const auto [next, error] = std::from_chars(at, end, *part);
        if (error != std::errc() || *part < 0) {
            return std::nullopt;
        }
        at = next;
    }
    return version;
}

std::string ServerVersion::to_string() const {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::optional<ServerSeen> parse_ping(ByteView bytes) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return std::nullopt;
    }
    const json& server = member(*answer, "server");
    const auto version = ServerVersion::parse(text(server, "ver"));
    if (!version || member(server, "jetstream") != true) {
        return std::nullopt;
    }
    return ServerSeen{text(server, "name"), *version};
}

std::optional<std::string> refuse_servers(const std::vector<ServerSeen>& servers, int replicas) {
    if (replicas <= 1) {
        return std::nullopt;
    }
    for (const ServerSeen& server : servers) {
        if (server.version < replicated_swap_since) {
            return "nats-server " + server.version.to_string() + " (" + server.name + ") with " +
                   std::to_string(replicas) +
                   " replicas lets two clients win the same compare-and-swap (nats-server #4320): "
                   "upgrade every server to " +
                   replicated_swap_since.to_string() + " or later, or use one replica";
        }
    }
    const auto majority = static_cast<std::size_t>(replicas / 2 + 1);
    if (servers.size() < majority) {
        return "only " + std::to_string(servers.size()) + " of at least " +
               std::to_string(majority) +
               " servers told their version ($SYS.REQ.ACCOUNT.PING.STATZ), and with replicas > 1 "
               "it must be checked: start them, and allow this client to publish there";
    }
    return std::nullopt;
}

std::string create_stream(const Names& names, Bucket bucket, int replicas) {
    return stream_config(names, bucket, replicas).dump();
}

ApiResult<StreamInfo> parse_stream_info(ByteView bytes, const Names& names, Bucket bucket,
                                        int replicas) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return Unexpected{answer.error()};
    }
    const json& config = member(*answer, "config");
    const json& state = member(*answer, "state");
    if (!state.contains("last_seq")) {
        return not_understood();
    }
    StreamInfo info{.created = text(*answer, "created"),
                    .last_sequence = number(state, "last_seq"),
                    .replicas = static_cast<int>(number(config, "num_replicas")),
                    .wrong = differences(stream_config(names, bucket, replicas), config),
                    .subjects = {},
                    .subjects_total = number(*answer, "total")};
    const json& subjects = member(state, "subjects");
    for (const auto& [subject, count] : subjects.items()) {
        info.subjects.push_back(subject);
    }
    return info;
}

ApiResult<Revision> parse_publish_ack(ByteView bytes) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return Unexpected{answer.error()};
    }
    const std::uint64_t sequence = number(*answer, "seq");
    if (sequence == 0) {
        return not_understood();
    }
    return Revision{sequence};
}

ApiResult<StoredMessage> parse_stored_message(ByteView bytes) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return Unexpected{answer.error()};
    }
    const json& message = member(*answer, "message");
    const std::uint64_t sequence = number(message, "seq");
    if (sequence == 0) {
        return not_understood();
    }
    return StoredMessage{text(message, "subject"), from_base64(text(message, "data")),
                         Revision{sequence}};
}

ApiResult<bool> parse_success(ByteView bytes) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return Unexpected{answer.error()};
    }
    return true;
}

std::string create_consumer(const std::string& stream, const std::string& deliver_to,
                            Revision from) {
    const std::int64_t heartbeat_ns = consumer_heartbeat.count();
    const json request = {{"stream_name", stream},
                          {"config",
                           {{"deliver_subject", deliver_to},
                            {"deliver_policy", "by_start_sequence"},
                            {"opt_start_seq", from.value()},
                            {"ack_policy", "none"},
                            {"replay_policy", "instant"},
                            {"max_deliver", 1},
                            {"flow_control", true},
                            {"idle_heartbeat", heartbeat_ns},
                            {"mem_storage", true},
                            {"num_replicas", 1}}}};
    return request.dump();
}

ApiResult<ConsumerInfo> parse_consumer(ByteView bytes) {
    const auto answer = parse_answer(bytes);
    if (!answer) {
        return Unexpected{answer.error()};
    }
    ConsumerInfo info{text(*answer, "name"), number(*answer, "num_pending"),
                      number(member(*answer, "delivered"), "consumer_seq")};
    if (info.name.empty()) {
        return not_understood();
    }
    return info;
}

std::optional<Delivery> parse_delivery(std::string_view reply) {
    // $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or
    // since 2.10 with domain and account hash in between and a token behind: counted from "ACK".
    std::vector<std::string_view> tokens;
    for (std::size_t at = 0; at <= reply.size();) {
        const std::size_t end = std::min(reply.find('.', at), reply.size());
        tokens.push_back(reply.substr(at, end - at));
        at = end + 1;
    }
    if (tokens.size() < 9 || tokens[0] != "$JS" || tokens[1] != "ACK") {
        return std::nullopt;
    }
    const std::size_t first = tokens.size() == 9 ? 5 : 7;
    if (tokens.size() < first + 4) {
        return std::nullopt;
    }
    const auto stream_sequence = to_number(tokens[first]);
    const auto consumer_sequence = to_number(tokens[first + 1]);
    const auto pending = to_number(tokens[first + 3]);
    if (!stream_sequence || !consumer_sequence || !pending) {
        return std::nullopt;
    }
    return Delivery{*stream_sequence, *consumer_sequence, *pending};
}

}  // namespace anyswan::store::js
