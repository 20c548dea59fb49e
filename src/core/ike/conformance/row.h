// SPDX-License-Identifier: Apache-2.0
// The words of the table of refusals: what is done to a true message, and how the receiver reacts.
// An octet string is written in hexadecimal, spaces between fields.
#pragma once

#include <functional>

#include "core/ike/conformance/moment.h"

namespace anyswan::ike::test {

/// One change to a true message.
using Edit = std::function<void(Draft&)>;

// Names of payloads as in RFC 7296 3.2.
inline constexpr auto SA = wire::ike::PayloadType::security_association;
inline constexpr auto KE = wire::ike::PayloadType::key_exchange;
inline constexpr auto IDi = wire::ike::PayloadType::id_initiator;
inline constexpr auto IDr = wire::ike::PayloadType::id_responder;
inline constexpr auto CERT = wire::ike::PayloadType::certificate;
inline constexpr auto CERTREQ = wire::ike::PayloadType::certificate_request;
inline constexpr auto AUTH = wire::ike::PayloadType::authentication;
inline constexpr auto Ni = wire::ike::PayloadType::nonce;
inline constexpr auto Nr = wire::ike::PayloadType::nonce;
inline constexpr auto N = wire::ike::PayloadType::notify;
inline constexpr auto D = wire::ike::PayloadType::delete_;
inline constexpr auto V = wire::ike::PayloadType::vendor_id;
inline constexpr auto TSi = wire::ike::PayloadType::ts_initiator;
inline constexpr auto TSr = wire::ike::PayloadType::ts_responder;
inline constexpr auto SK = wire::ike::PayloadType::encrypted;
inline constexpr auto SKF = wire::ike::PayloadType::encrypted_fragment;
inline constexpr auto CP = wire::ike::PayloadType::configuration;
inline constexpr auto EAP = wire::ike::PayloadType::eap;
/// A payload type that nobody has assigned.
inline constexpr auto unassigned = static_cast<wire::ike::PayloadType>(99);

using Type = wire::ike::PayloadType;

// Payloads; where several have the type, the first one.
Edit drop(Type type);
Edit twice(Type type);
Edit only(Type type);
Edit no_payloads();
Edit add(Type type, std::string_view body = "");
Edit add_first(Type type, std::string_view body = "");
Edit add_critical(Type type, std::string_view body = "");
Edit many(std::size_t count, Type type, std::string_view body = "");
Edit put(Type type, std::string_view body);
Edit patch(Type type, std::size_t at, std::string_view octets);
/// `size` octets of `value` from `at` on.
Edit fill(Type type, std::size_t at, std::size_t size, std::uint8_t value);
Edit resize(Type type, std::size_t size);
Edit append(Type type, std::string_view octets);
/// A lie in Payload Length.
Edit length(Type type, std::uint16_t length);
Edit mark_critical(Type type);
Edit relabel(Type type, Type as);
Edit reverse();
/// The last payload announces one more.
Edit announce(Type type);

// Header: offsets are those of RFC 7296 3.1.
Edit header(std::size_t at, std::string_view octets);
Edit exchange(wire::ike::ExchangeType type);
Edit version(std::string_view octet);
Edit initiator_spi(std::string_view octets);
Edit responder_spi(std::string_view octets);
Edit flags(std::string_view octet);
Edit message_id(std::int32_t plus);
Edit message_length(std::int32_t plus);

// Protection.
Edit unprotected();
Edit before_sk(Type type, std::string_view body);
Edit after_sk(Type type, std::string_view body);
Edit sk_body(std::size_t size);
Edit sk_length(std::uint16_t length);
Edit padding(std::size_t size);
Edit pad_length(std::uint8_t length);
Edit damage_icv();
Edit damage_text();
Edit keys_of_receiver();
Edit fragments(std::vector<RawFragment> fragments);

/// What the receiver does.
struct Reaction {
    enum class Kind : std::uint8_t {
        silent,            // drops it, says nothing, keeps nothing
        refuses,           // says so unprotected; keeps nothing
        repeats,           // sends its last response once more
        answers,           // says so protected; the IKE SA lives
        ends,              // says so protected; the IKE SA ends
        takes,             // as if nothing had been done to it
        comes_to_nothing,  // the two sides talk on; in the end neither has an IKE SA
        recovers,          // the two sides talk on; the IKE SA lives, and they agree in the end
    };
    Kind kind{};
    std::optional<wire::ike::NotifyType> notify = {};
    std::string data = {};
    std::optional<DropReason> drop = {};
    std::optional<EventKind> event = {};
    bool misleads = false;
};
Reaction silent(DropReason drop);
/// Silent, and nothing to count: the rest of the message may still come.
Reaction waits();
Reaction repeats();
Reaction refuses(wire::ike::NotifyType notify, DropReason drop, std::string data = "");
Reaction answers(wire::ike::NotifyType notify, std::string data = "");
Reaction answers_nothing();
/// As answers(); but the asker had asked for something else, and now believes what isn't so.
Reaction misleads(wire::ike::NotifyType notify);
Reaction ends(wire::ike::NotifyType notify, EventKind event = EventKind::we_refused,
              std::string data = "");
Reaction ends_quietly(EventKind event);
Reaction takes();
Reaction comes_to_nothing(EventKind event);
Reaction recovers(EventKind event);

struct Row {
    std::string what;
    const char* rfc;  // where it says so; RFC 7296 unless named
    std::vector<Edit> edits;
    Reaction reaction;
};

/// Rows that alter the same true message.
struct Table {
    const char* name;
    Moment moment;
    std::vector<Row> rows;
};

std::vector<Table> init_tables();
std::vector<Table> key_exchange_tables();
std::vector<Table> auth_tables();
std::vector<Table> configuration_tables();
std::vector<Table> protection_tables();
std::vector<Table> established_tables();
std::vector<Table> response_tables();

}  // namespace anyswan::ike::test
