// SPDX-License-Identifier: Apache-2.0
// The values that several records hold, to protobuf and back. Internal to the codec.
//
// Each pair is put(value, message) and get(message, value); get() is false if the message isn't a
// valid value.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/repeated_field.h>

#include "core/sa/codec.h"

// Generated from records.proto.
namespace anyswan::v1 {
class AddressBook;
class Addressing;
class ChildKeys;
class Mobility;
class NatStatus;
class Credentials;
class Crl;
class Endpoint;
class EspSuite;
class Identification;
class IkeSuite;
class PendingSa;
class Prefix;
class RequestInFlight;
class TrafficSelector;
class TrustAnchor;
class TunnelId;
enum SenderRule : int;
}  // namespace anyswan::v1

namespace anyswan::sa {

/// Limits of what is decoded; far above what is meant, far below what would hurt.
inline constexpr std::size_t list_size_max = 4096;    // entries of any repeated field
inline constexpr std::size_t blob_size_max = 65535;   // an identity, a datagram
inline constexpr std::size_t text_size_max = 255;     // names of edges and sites
inline constexpr std::size_t secret_size_max = 4096;  // a PSK
inline constexpr std::uint32_t incarnation_max = (1U << 24U) - 1;

/// Overwrites every bytes field of a message with zeros when it goes, so that no key outlives the
/// codec in protobuf's memory (N7).
class WipeGuard {
public:
    explicit WipeGuard(google::protobuf::Message& message) : message_(message) {}
    ~WipeGuard();
    WipeGuard(const WipeGuard&) = delete;
    WipeGuard& operator=(const WipeGuard&) = delete;

private:
    google::protobuf::Message& message_;
};

[[nodiscard]] inline ByteView bytes_of(const std::string& field) {
    return as_bytes(field);
}
void put_bytes(ByteView bytes, std::string& field);

void put(const TunnelId& value, v1::TunnelId& message);
[[nodiscard]] bool get(const v1::TunnelId& message, TunnelId& value);
void put(const wire::ike::Identification& value, v1::Identification& message);
[[nodiscard]] bool get(const v1::Identification& message, wire::ike::Identification& value);
void put(const Endpoint& value, v1::Endpoint& message);
[[nodiscard]] bool get(const v1::Endpoint& message, Endpoint& value);
void put(const IpPrefix& value, v1::Prefix& message);
[[nodiscard]] bool get(const v1::Prefix& message, IpPrefix& value);
void put(const wire::ike::TrafficSelector& value, v1::TrafficSelector& message);
[[nodiscard]] bool get(const v1::TrafficSelector& message, wire::ike::TrafficSelector& value);
void put(const crypto::IkeSuite& value, v1::IkeSuite& message);
[[nodiscard]] bool get(const v1::IkeSuite& message, crypto::IkeSuite& value);
void put(const crypto::EspSuite& value, v1::EspSuite& message);
[[nodiscard]] bool get(const v1::EspSuite& message, crypto::EspSuite& value);
void put(const ChildKeys& value, v1::ChildKeys& message);
[[nodiscard]] bool get(const v1::ChildKeys& message, ChildKeys& value);
void put(const Credentials& value, v1::Credentials& message);
[[nodiscard]] bool get(const v1::Credentials& message, Credentials& value);
void put(const PendingSa& value, v1::PendingSa& message);
[[nodiscard]] bool get(const v1::PendingSa& message, PendingSa& value);
void put(const NatStatus& value, v1::NatStatus& message);
void get(const v1::NatStatus& message, NatStatus& value);
void put(const Mobility& value, v1::Mobility& message);
[[nodiscard]] bool get(const v1::Mobility& message, Mobility& value);
void put(const RequestInFlight& value, v1::RequestInFlight& message);
[[nodiscard]] bool get(const v1::RequestInFlight& message, RequestInFlight& value);

void put(const Addressing& value, v1::Addressing& message);
[[nodiscard]] bool get(const v1::Addressing& message, Addressing& value);
void put(const AddressBookRecord& value, v1::AddressBook& message);
[[nodiscard]] bool get(const v1::AddressBook& message, AddressBookRecord& value);
void put(const CrlRecord& value, v1::Crl& message);
[[nodiscard]] bool get(const v1::Crl& message, CrlRecord& value);

[[nodiscard]] bool get_address(const std::string& field, IpAddress& value);
void put_addresses(const std::vector<IpAddress>& values,
                   google::protobuf::RepeatedPtrField<std::string>& list);
[[nodiscard]] bool get_addresses(const google::protobuf::RepeatedPtrField<std::string>& list,
                                 std::vector<IpAddress>& values);
[[nodiscard]] bool get_secret(const std::string& field, Secret& value);
/// Printable ASCII of at most text_size_max bytes.
[[nodiscard]] bool get_text(const std::string& field, std::string& value);
[[nodiscard]] bool get_sender_rule(v1::SenderRule field, SenderRule& value);
void put_texts(const std::vector<std::string>& values,
               google::protobuf::RepeatedPtrField<std::string>& list);
[[nodiscard]] bool get_texts(const google::protobuf::RepeatedPtrField<std::string>& list,
                             std::vector<std::string>& values);
void put_datagrams(const std::vector<Bytes>& values,
                   google::protobuf::RepeatedPtrField<std::string>& list);
[[nodiscard]] bool get_datagrams(const google::protobuf::RepeatedPtrField<std::string>& list,
                                 std::vector<Bytes>& values);

/// An integer or an enum of at most 32 bits out of a wider field; false if it doesn't fit.
template <class Narrow>
[[nodiscard]] bool get_narrow(std::uint32_t field, Narrow& value) {
    if constexpr (std::is_enum_v<Narrow>) {
        std::underlying_type_t<Narrow> raw{};
        if (!get_narrow(field, raw)) {
            return false;
        }
        value = static_cast<Narrow>(raw);
        return true;
    } else {
        value = static_cast<Narrow>(field);
        return value == field;
    }
}

template <class Value, class Message>
void put_list(const std::vector<Value>& values, google::protobuf::RepeatedPtrField<Message>& list) {
    for (const Value& value : values) {
        put(value, *list.Add());
    }
}

template <class Value, class Message>
[[nodiscard]] bool get_list(const google::protobuf::RepeatedPtrField<Message>& list,
                            std::vector<Value>& values) {
    if (static_cast<std::size_t>(list.size()) > list_size_max) {
        return false;
    }
    for (const Message& message : list) {
        if (!get(message, values.emplace_back())) {
            return false;
        }
    }
    return true;
}

}  // namespace anyswan::sa
