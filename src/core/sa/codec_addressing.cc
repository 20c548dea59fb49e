// SPDX-License-Identifier: Apache-2.0
// Addresses that tunnels give, and fetched revocation lists, to protobuf and back.
#include "core/sa/codec_values.h"
#include "records.pb.h"

namespace anyswan::sa {

namespace {

constexpr std::size_t holder_size = 32;  // SHA-256

bool get_families(const v1::Addressing& message, std::vector<IpFamily>& families) {
    for (const std::uint32_t family : message.request()) {
        if ((family != 4 && family != 6) || families.size() == 2) {
            return false;
        }
        families.push_back(static_cast<IpFamily>(family));
    }
    return true;
}

bool get_lease(const v1::AddressLease& message, AddressLease& lease) {
    lease.holder = to_bytes(bytes_of(message.holder()));
    lease.granted_at = WallTime{message.granted_at()};
    return lease.holder.size() == holder_size && get_address(message.address(), lease.address) &&
           get_text(message.edge(), lease.edge);
}

}  // namespace

void put_addresses(const std::vector<IpAddress>& values,
                   google::protobuf::RepeatedPtrField<std::string>& list) {
    for (const IpAddress& value : values) {
        put_bytes(value.bytes(), *list.Add());
    }
}

bool get_addresses(const google::protobuf::RepeatedPtrField<std::string>& list,
                   std::vector<IpAddress>& values) {
    if (static_cast<std::size_t>(list.size()) > list_size_max) {
        return false;
    }
    for (const std::string& field : list) {
        if (!get_address(field, values.emplace_back())) {
            return false;
        }
    }
    return true;
}

void put(const Addressing& value, v1::Addressing& message) {
    put_list(value.pool, *message.mutable_pool());
    put_addresses(value.dns, *message.mutable_dns());
    put_list(value.subnets, *message.mutable_subnets());
    message.set_netmask_length(value.netmask_length);
    for (const IpFamily family : value.request) {
        message.add_request(static_cast<std::uint32_t>(family));
    }
}

bool get(const v1::Addressing& message, Addressing& value) {
    return get_list(message.pool(), value.pool) && get_addresses(message.dns(), value.dns) &&
           get_list(message.subnets(), value.subnets) && message.netmask_length() <= 32 &&
           get_narrow(message.netmask_length(), value.netmask_length) &&
           get_families(message, value.request);
}

void put(const AddressBookRecord& value, v1::AddressBook& message) {
    message.set_account(value.account);
    message.set_changes(value.changes);
    for (const AddressLease& lease : value.leases) {
        v1::AddressLease& added = *message.add_leases();
        put_bytes(lease.holder, *added.mutable_holder());
        put_bytes(lease.address.bytes(), *added.mutable_address());
        added.set_granted_at(lease.granted_at.unix_ns);
        added.set_edge(lease.edge);
    }
}

bool get(const v1::AddressBook& message, AddressBookRecord& value) {
    value.changes = message.changes();
    if (static_cast<std::size_t>(message.leases_size()) > list_size_max) {
        return false;
    }
    for (const v1::AddressLease& lease : message.leases()) {
        if (!get_lease(lease, value.leases.emplace_back())) {
            return false;
        }
    }
    return get_text(message.account(), value.account) && !value.account.empty();
}

void put(const CrlRecord& value, v1::Crl& message) {
    message.set_url(value.url);
    put_bytes(value.der, *message.mutable_der());
    message.set_fetched_at(value.fetched_at.unix_ns);
    message.set_ended(value.ended);
}

bool get(const v1::Crl& message, CrlRecord& value) {
    value.der = to_bytes(bytes_of(message.der()));
    value.fetched_at = WallTime{message.fetched_at()};
    value.ended = message.ended();
    return get_text(message.url(), value.url);
}

}  // namespace anyswan::sa
