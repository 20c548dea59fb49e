// SPDX-License-Identifier: Apache-2.0
#include "core/sa/codec_values.h"

#include <google/protobuf/unknown_field_set.h>

#include <algorithm>

#include "records.pb.h"

namespace anyswan::sa {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownFieldSet;

/// The string is the message's own and about to go: writing to it harms nobody.
void wipe_string(const std::string& text) {
    auto& owned = const_cast<std::string&>(text);
    wipe(MutableBytes(reinterpret_cast<std::uint8_t*>(owned.data()), owned.size()));
}

void wipe_unknown(const UnknownFieldSet& fields) {
    for (int i = 0; i < fields.field_count(); ++i) {
        if (fields.field(i).type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
            wipe_string(fields.field(i).length_delimited());
        }
    }
}

void wipe_message(Message& message);

void wipe_field(Message& message, const Reflection& reflection, const FieldDescriptor* field) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            wipe_message(field->is_repeated()
                             ? *reflection.MutableRepeatedMessage(&message, field, i)
                             : *reflection.MutableMessage(&message, field));
        } else if (field->type() == FieldDescriptor::TYPE_BYTES) {
            std::string unused;
            wipe_string(field->is_repeated()
                            ? reflection.GetRepeatedStringReference(message, field, i, &unused)
                            : reflection.GetStringReference(message, field, &unused));
        }
    }
}

void wipe_message(Message& message) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    for (const FieldDescriptor* field : set) {
        wipe_field(message, reflection, field);
    }
    wipe_unknown(reflection.GetUnknownFields(message));
}

void put(const crypto::CipherSuite& value, v1::CipherSuite& message) {
    message.set_encr(static_cast<std::uint32_t>(value.encr));
    message.set_key_bits(value.key_bits);
    message.set_integ(static_cast<std::uint32_t>(value.integ));
}

bool get(const v1::CipherSuite& message, crypto::CipherSuite& value) {
    return get_narrow(message.encr(), value.encr) &&
           get_narrow(message.key_bits(), value.key_bits) &&
           get_narrow(message.integ(), value.integ);
}

}  // namespace

WipeGuard::~WipeGuard() {
    wipe_message(message_);
}

void put_bytes(ByteView bytes, std::string& field) {
    field.assign(bytes.begin(), bytes.end());
}

void put(const TunnelId& value, v1::TunnelId& message) {
    message.set_account(value.account);
    message.set_name(value.name);
}

bool get(const v1::TunnelId& message, TunnelId& value) {
    std::optional<TunnelId> id = TunnelId::parse(message.account() + "/" + message.name());
    if (!id) {
        return false;
    }
    value = std::move(*id);
    return true;
}

void put(const wire::ike::Identification& value, v1::Identification& message) {
    message.set_type(static_cast<std::uint32_t>(value.type));
    put_bytes(value.data, *message.mutable_data());
}

bool get(const v1::Identification& message, wire::ike::Identification& value) {
    value.data = to_bytes(bytes_of(message.data()));
    return value.data.size() <= blob_size_max && get_narrow(message.type(), value.type);
}

void put(const Endpoint& value, v1::Endpoint& message) {
    put_bytes(value.address.bytes(), *message.mutable_address());
    message.set_port(value.port);
}

bool get(const v1::Endpoint& message, Endpoint& value) {
    return get_address(message.address(), value.address) && get_narrow(message.port(), value.port);
}

void put(const IpPrefix& value, v1::Prefix& message) {
    put_bytes(value.address.bytes(), *message.mutable_address());
    message.set_length(value.length);
}

bool get(const v1::Prefix& message, IpPrefix& value) {
    if (!get_address(message.address(), value.address) ||
        message.length() > value.address.bit_length()) {
        return false;
    }
    value.length = static_cast<std::uint8_t>(message.length());
    const std::optional<IpPrefix> without_host_bits = IpPrefix::parse(value.to_string());
    return without_host_bits == value;
}

void put(const wire::ike::TrafficSelector& value, v1::TrafficSelector& message) {
    message.set_ip_protocol(value.ip_protocol);
    message.set_start_port(value.start_port);
    message.set_end_port(value.end_port);
    put_bytes(value.first.bytes(), *message.mutable_first());
    put_bytes(value.last.bytes(), *message.mutable_last());
}

bool get(const v1::TrafficSelector& message, wire::ike::TrafficSelector& value) {
    return get_narrow(message.ip_protocol(), value.ip_protocol) &&
           get_narrow(message.start_port(), value.start_port) &&
           get_narrow(message.end_port(), value.end_port) &&
           get_address(message.first(), value.first) && get_address(message.last(), value.last) &&
           value.first.family() == value.last.family() && value.first <= value.last;
}

namespace {

template <class Suite>
void put_additional(const crypto::AdditionalKe& additional, Suite& message) {
    std::size_t used = additional.size();
    while (used > 0 && additional[used - 1] == crypto::KeMethod::none) {
        --used;
    }
    for (std::size_t i = 0; i < used; ++i) {
        message.add_additional_ke(static_cast<std::uint32_t>(additional[i]));
    }
}

template <class Suite>
bool get_additional(const Suite& message, crypto::AdditionalKe& additional) {
    const auto size = static_cast<std::size_t>(message.additional_ke_size());
    if (size > additional.size()) {
        return false;
    }
    for (std::size_t i = 0; i < size; ++i) {
        if (!get_narrow(message.additional_ke(static_cast<int>(i)), additional[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace

void put(const crypto::IkeSuite& value, v1::IkeSuite& message) {
    put(value.cipher, *message.mutable_cipher());
    message.set_prf(static_cast<std::uint32_t>(value.prf));
    message.set_ke(static_cast<std::uint32_t>(value.ke));
    put_additional(value.additional, message);
}

bool get(const v1::IkeSuite& message, crypto::IkeSuite& value) {
    return get(message.cipher(), value.cipher) && get_narrow(message.prf(), value.prf) &&
           get_narrow(message.ke(), value.ke) && get_additional(message, value.additional);
}

void put(const crypto::EspSuite& value, v1::EspSuite& message) {
    put(value.cipher, *message.mutable_cipher());
    message.set_sn(static_cast<std::uint32_t>(value.sn));
    message.set_ke(static_cast<std::uint32_t>(value.ke));
    put_additional(value.additional, message);
}

bool get(const v1::EspSuite& message, crypto::EspSuite& value) {
    return get(message.cipher(), value.cipher) && get_narrow(message.sn(), value.sn) &&
           get_narrow(message.ke(), value.ke) && get_additional(message, value.additional);
}

void put(const ChildKeys& value, v1::ChildKeys& message) {
    put_bytes(value.encr.reveal(), *message.mutable_encr());
    put_bytes(value.integ.reveal(), *message.mutable_integ());
}

bool get(const v1::ChildKeys& message, ChildKeys& value) {
    return get_secret(message.encr(), value.encr) && get_secret(message.integ(), value.integ);
}

void put(const PendingSa& value, v1::PendingSa& message) {
    if (const auto* child = std::get_if<ChildAgreement>(&value.agreement)) {
        message.set_inbound_spi(child->inbound_spi.value());
        message.set_outbound_spi(child->outbound_spi.value());
        put(child->suite, *message.mutable_esp_suite());
        put_list(child->local_ts, *message.mutable_local_ts());
        put_list(child->remote_ts, *message.mutable_remote_ts());
        message.set_replaces(value.replaces.value());
    } else {
        const auto& ike = std::get<IkeAgreement>(value.agreement);
        message.set_our_spi(ike.our_spi.value());
        message.set_peer_spi(ike.peer_spi.value());
        put(ike.suite, *message.mutable_ike_suite());
    }
    put_bytes(value.nonce_i, *message.mutable_nonce_i());
    put_bytes(value.nonce_r, *message.mutable_nonce_r());
    put_bytes(value.first.reveal(), *message.mutable_first());
    put_bytes(value.additional.reveal(), *message.mutable_additional());
    message.set_done(value.done);
    put_bytes(value.link, *message.mutable_link());
}

namespace {

bool get_agreement(const v1::PendingSa& message, PendingSa& value) {
    if (message.our_spi() != 0) {
        auto& ike = value.agreement.emplace<IkeAgreement>();
        ike.our_spi = IkeSpi(message.our_spi());
        ike.peer_spi = IkeSpi(message.peer_spi());
        return message.peer_spi() != 0 && sa::get(message.ike_suite(), ike.suite);
    }
    auto& child = value.agreement.emplace<ChildAgreement>();
    child.inbound_spi = EspSpi(message.inbound_spi());
    child.outbound_spi = EspSpi(message.outbound_spi());
    value.replaces = EspSpi(message.replaces());
    return message.inbound_spi() > 255 && message.outbound_spi() > 255 &&
           sa::get(message.esp_suite(), child.suite) &&
           get_list(message.local_ts(), child.local_ts) &&
           get_list(message.remote_ts(), child.remote_ts);
}

}  // namespace

bool get(const v1::PendingSa& message, PendingSa& value) {
    value.nonce_i = to_bytes(bytes_of(message.nonce_i()));
    value.nonce_r = to_bytes(bytes_of(message.nonce_r()));
    value.link = to_bytes(bytes_of(message.link()));
    value.additional = Secret::copy_of(bytes_of(message.additional()));
    return get_agreement(message, value) && get_secret(message.first(), value.first) &&
           value.additional.size() <= crypto::additional_ke_max * secret_size_max &&
           get_narrow(message.done(), value.done) && value.done <= crypto::additional_ke_max &&
           value.nonce_i.size() <= blob_size_max && value.nonce_r.size() <= blob_size_max &&
           value.link.size() <= blob_size_max;
}

void put(const Mobility& value, v1::Mobility& message) {
    message.set_supported(value.supported);
    for (const IpAddress& address : value.peer_addresses) {
        put_bytes(address.bytes(), *message.add_peer_addresses());
    }
    message.set_unchecked(value.unchecked);
    message.set_update_owed(value.update_owed);
    put_bytes(value.seen_as, *message.mutable_seen_as());
}

bool get(const v1::Mobility& message, Mobility& value) {
    value.supported = message.supported();
    value.unchecked = message.unchecked();
    value.update_owed = message.update_owed();
    value.seen_as = to_bytes(bytes_of(message.seen_as()));
    return static_cast<std::size_t>(message.peer_addresses_size()) <= list_size_max &&
           value.seen_as.size() <= text_size_max &&
           std::all_of(message.peer_addresses().begin(), message.peer_addresses().end(),
                       [&value](const std::string& address) {
                           return get_address(address, value.peer_addresses.emplace_back());
                       });
}

void put(const RequestInFlight& value, v1::RequestInFlight& message) {
    message.set_message_id(value.message_id.value());
    put_datagrams(value.datagrams, *message.mutable_datagrams());
    put_bytes(value.seed.reveal(), *message.mutable_seed());
    message.set_rival(value.rival);
    put_bytes(value.rival_nonce, *message.mutable_rival_nonce());
    for (const EspSpi spi : value.gone) {
        message.add_gone(spi.value());
    }
    if (value.pending) {
        put(*value.pending, *message.mutable_pending());
    }
    if (value.path) {
        put(value.path->local, *message.mutable_path_local());
        put(value.path->remote, *message.mutable_path_remote());
    }
    message.set_made_for(value.made_for.value());
}

bool get(const v1::RequestInFlight& message, RequestInFlight& value) {
    value.message_id = MessageId(message.message_id());
    value.rival = message.rival();
    value.made_for = EdgeId(static_cast<std::uint16_t>(message.made_for()));
    value.rival_nonce = to_bytes(bytes_of(message.rival_nonce()));
    if (static_cast<std::size_t>(message.gone_size()) > list_size_max) {
        return false;
    }
    for (const std::uint32_t spi : message.gone()) {
        value.gone.emplace_back(spi);
    }
    if (message.has_pending() && !get(message.pending(), value.pending.emplace())) {
        return false;
    }
    if (message.has_path_local() && (!get(message.path_local(), value.path.emplace().local) ||
                                     !get(message.path_remote(), value.path->remote))) {
        return false;
    }
    return get_datagrams(message.datagrams(), value.datagrams) &&
           get_secret(message.seed(), value.seed) && value.rival_nonce.size() <= blob_size_max;
}

void put(const NatStatus& value, v1::NatStatus& message) {
    message.set_peer_supports(value.peer_supports);
    message.set_we_are_behind(value.we_are_behind);
    message.set_peer_is_behind(value.peer_is_behind);
    message.set_udp_encapsulation(value.udp_encapsulation);
}

void get(const v1::NatStatus& message, NatStatus& value) {
    value = {message.peer_supports(), message.we_are_behind(), message.peer_is_behind(),
             message.udp_encapsulation()};
}

void put_texts(const std::vector<std::string>& values,
               google::protobuf::RepeatedPtrField<std::string>& list) {
    for (const std::string& value : values) {
        list.Add(std::string(value));
    }
}

bool get_texts(const google::protobuf::RepeatedPtrField<std::string>& list,
               std::vector<std::string>& values) {
    return static_cast<std::size_t>(list.size()) <= list_size_max &&
           std::all_of(list.begin(), list.end(), [&values](const std::string& text) {
               return get_text(text, values.emplace_back());
           });
}

bool get_address(const std::string& field, IpAddress& value) {
    const std::optional<IpAddress> address = IpAddress::from_bytes(bytes_of(field));
    value = address.value_or(IpAddress());
    return address.has_value();
}

bool get_secret(const std::string& field, Secret& value) {
    value = Secret::copy_of(bytes_of(field));
    return value.size() <= secret_size_max;
}

bool get_text(const std::string& field, std::string& value) {
    value = field;
    return value.size() <= text_size_max &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool get_sender_rule(v1::SenderRule field, SenderRule& value) {
    value = static_cast<SenderRule>(field);
    return v1::SenderRule_IsValid(field);
}

void put_datagrams(const std::vector<Bytes>& values,
                   google::protobuf::RepeatedPtrField<std::string>& list) {
    for (const Bytes& value : values) {
        put_bytes(value, *list.Add());
    }
}

bool get_datagrams(const google::protobuf::RepeatedPtrField<std::string>& list,
                   std::vector<Bytes>& values) {
    if (static_cast<std::size_t>(list.size()) > list_size_max) {
        return false;
    }
    for (const std::string& datagram : list) {
        if (datagram.size() > blob_size_max) {
            return false;
        }
        values.push_back(to_bytes(bytes_of(datagram)));
    }
    return true;
}

}  // namespace anyswan::sa
