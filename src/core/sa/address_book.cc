// SPDX-License-Identifier: Apache-2.0
#include "core/sa/address_book.h"

#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "core/crypto/crypto.h"

namespace anyswan::sa {

namespace {

/// More hosts than a book has leases are never looked at.
constexpr unsigned host_bits_max = 16;

unsigned host_bits(const IpPrefix& prefix) {
    return std::min(prefix.address.bit_length() - prefix.length, host_bits_max);
}

std::uint64_t first_host(const IpPrefix& prefix) {
    return prefix.address.bit_length() - prefix.length >= 2 ? 1 : 0;
}

AddressLease* lease_of(AddressBookRecord& book, const AddressQuestion& question, IpFamily family) {
    const auto in_pool = [&question](const IpAddress& address) {
        return std::any_of(question.addressing.pool.begin(), question.addressing.pool.end(),
                           [&](const IpPrefix& prefix) { return prefix.contains(address); });
    };
    for (AddressLease& lease : book.leases) {
        if (lease.holder == question.holder && lease.address.family() == family &&
            in_pool(lease.address)) {
            return &lease;
        }
    }
    return nullptr;
}

bool older_than(const AddressLease& lease, Duration age, WallTime now) {
    return lease.granted_at.unix_ns + age.count() <= now.unix_ns;
}

/// True: the lease was changed.
bool renew(AddressLease& lease, const AddressQuestion& question) {
    const bool ours = lease.edge == question.edge;
    if (ours && !older_than(lease, lease_protection / 2, question.now)) {
        return false;
    }
    // Within its hour another edge may rely on it still, and stays the one to give it back; that it
    // is in use again, it learns by losing the swap.
    if (older_than(lease, lease_protection, question.now)) {
        lease.edge = question.edge;
    }
    lease.granted_at = question.now;
    return true;
}

/// Where the search begins: spread by holder, so that a book that was lost gives most peers what
/// they had.
std::uint64_t start_of(const Bytes& holder, std::uint64_t count) {
    return load_u64(ByteView(holder).first(8)) % count;
}

std::optional<IpAddress> free_address(const AddressBookRecord& book,
                                      const AddressQuestion& question, const IpPrefix& prefix) {
    const std::uint64_t count = host_count(prefix);
    std::unordered_set<IpAddress> leased;
    for (const AddressLease& lease : book.leases) {
        leased.insert(lease.address);
    }
    const std::uint64_t start = start_of(question.holder, count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const IpAddress candidate = host_at(prefix, (start + i) % count);
        if (!leased.contains(candidate) && !(question.taken && question.taken(candidate))) {
            return candidate;
        }
    }
    return std::nullopt;
}

/// The lease that may go, of one prefix or (null) of any.
AddressLease* oldest_unused(AddressBookRecord& book, const AddressQuestion& question,
                            const IpPrefix* prefix) {
    AddressLease* oldest = nullptr;
    for (AddressLease& lease : book.leases) {
        const bool idle = (prefix == nullptr || prefix->contains(lease.address)) &&
                          older_than(lease, lease_protection, question.now) &&
                          !(question.used && question.used(lease.address)) &&
                          !(question.taken && question.taken(lease.address));
        if (idle && (oldest == nullptr || lease.granted_at < oldest->granted_at)) {
            oldest = &lease;
        }
    }
    return oldest;
}

std::optional<IpAddress> grant(AddressBookRecord& book, const AddressQuestion& question,
                               const IpPrefix& prefix) {
    if (book.leases.size() >= address_book_size_max) {
        AddressLease* gone = oldest_unused(book, question, nullptr);
        if (gone == nullptr) {
            return std::nullopt;
        }
        book.leases.erase(book.leases.begin() + (gone - book.leases.data()));
    }
    if (const auto address = free_address(book, question, prefix)) {
        book.leases.push_back({question.holder, *address, question.now, question.edge});
        return address;
    }
    if (AddressLease* lease = oldest_unused(book, question, &prefix)) {
        *lease = {question.holder, lease->address, question.now, question.edge};
        return lease->address;
    }
    return std::nullopt;
}

}  // namespace

std::uint64_t host_count(const IpPrefix& prefix) {
    const std::uint64_t all = std::uint64_t{1} << host_bits(prefix);
    const bool whole = prefix.address.bit_length() - prefix.length <= host_bits_max;
    const bool broadcast = prefix.address.is_v4() && first_host(prefix) == 1 && whole;
    return all - first_host(prefix) - (broadcast ? 1 : 0);
}

IpAddress host_at(const IpPrefix& prefix, std::uint64_t index) {
    check(index < host_count(prefix), "no such host in the prefix");
    Bytes bytes = to_bytes(prefix.address.bytes());
    std::uint64_t rest = index + first_host(prefix);
    for (std::size_t i = bytes.size(); i-- > 0 && rest != 0; rest >>= 8U) {
        bytes[i] = static_cast<std::uint8_t>(bytes[i] | (rest & 0xffU));
    }
    return *IpAddress::from_bytes(bytes);
}

Bytes lease_holder(const TunnelId& tunnel, const wire::ike::Identification& peer) {
    const std::array type{static_cast<std::uint8_t>(peer.type)};
    return crypto::sha256({as_bytes(tunnel.to_string()), type, peer.data});
}

std::optional<std::vector<IpAddress>> fixed_addresses(const Addressing& addressing,
                                                      const std::vector<IpFamily>& families) {
    std::vector<IpAddress> addresses;
    for (const IpFamily family : families) {
        for (const IpPrefix& prefix : addressing.pool) {
            if (prefix.address.family() != family) {
                continue;
            }
            if (prefix.length != prefix.address.bit_length()) {
                return std::nullopt;
            }
            addresses.push_back(prefix.address);
            break;
        }
    }
    return addresses;
}

AddressAnswer lease_addresses(AddressBookRecord& book, const AddressQuestion& question) {
    AddressAnswer answer;
    for (const IpFamily family : question.families) {
        if (AddressLease* lease = lease_of(book, question, family)) {
            answer.changed = renew(*lease, question) || answer.changed;
            answer.addresses.push_back(lease->address);
            continue;
        }
        for (const IpPrefix& prefix : question.addressing.pool) {
            const auto granted =
                prefix.address.family() == family ? grant(book, question, prefix) : std::nullopt;
            if (granted) {
                answer.addresses.push_back(*granted);
                answer.changed = true;
                break;
            }
        }
    }
    book.changes += answer.changed ? 1 : 0;
    return answer;
}

std::vector<AddressLease> leases_of(const AddressBookRecord& book, const std::string& edge,
                                    const std::vector<IpAddress>& addresses) {
    std::vector<AddressLease> found;
    std::copy_if(book.leases.begin(), book.leases.end(), std::back_inserter(found),
                 [&](const AddressLease& lease) {
                     return lease.edge == edge && std::find(addresses.begin(), addresses.end(),
                                                            lease.address) != addresses.end();
                 });
    return found;
}

bool give_back(AddressBookRecord& book, const std::vector<AddressLease>& seen, WallTime now) {
    bool changed = false;
    for (AddressLease& lease : book.leases) {
        if (std::find(seen.begin(), seen.end(), lease) != seen.end() &&
            !older_than(lease, lease_protection, now)) {
            lease.granted_at.unix_ns = now.unix_ns - lease_protection.count();
            changed = true;
        }
    }
    book.changes += changed ? 1 : 0;
    return changed;
}

std::optional<std::vector<IpAddress>> leased_for_sure(const AddressBookRecord& book,
                                                      const AddressQuestion& question) {
    AddressBookRecord copy = book;
    std::vector<IpAddress> addresses;
    for (const IpFamily family : question.families) {
        const AddressLease* lease = lease_of(copy, question, family);
        if (lease == nullptr || lease->edge != question.edge ||
            older_than(*lease, lease_protection, question.now)) {
            return std::nullopt;
        }
        addresses.push_back(lease->address);
    }
    return addresses;
}

}  // namespace anyswan::sa
