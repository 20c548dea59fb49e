// SPDX-License-Identifier: Apache-2.0
// Giving the addresses of a pool to peers (configuration payload). One book for each account,
// changed by compare-and-swap: two edges can't give one address to two peers, whichever tunnels
// share a pool.
//
// A lease belongs to a tunnel and an identity and is not given back: whoever comes again gets the
// same address. Only when a pool is full does the oldest lease go, of those that no Child SA uses
// and that were not granted within the last hour. For that hour an edge may rely on a lease that it
// remembers without asking the store.
#pragma once

#include <functional>

#include "base/result.h"
#include "core/sa/records.h"

namespace anyswan::sa {

/// How long a granted lease is nobody else's, used or not.
inline constexpr Duration lease_protection = 1h;
inline constexpr std::size_t address_book_size_max = 4096;

/// Addresses of a prefix that can be given: not the network's own and, of an IPv4 network, not the
/// broadcast address; a prefix of full length is one address.
[[nodiscard]] std::uint64_t host_count(const IpPrefix& prefix);
/// `index` < host_count (checked).
[[nodiscard]] IpAddress host_at(const IpPrefix& prefix, std::uint64_t index);

/// Who holds a lease.
[[nodiscard]] Bytes lease_holder(const TunnelId& tunnel, const wire::ike::Identification& peer);

/// The addresses that a tunnel with a pool of single addresses gives, one for each family: no book
/// is needed. Nothing if the pool is a real one.
[[nodiscard]] std::optional<std::vector<IpAddress>> fixed_addresses(
    const Addressing& addressing, const std::vector<IpFamily>& families);

struct AddressQuestion {
    Bytes holder;
    const Addressing& addressing;
    std::vector<IpFamily> families;
    WallTime now;
    /// Addresses that must not be given: others have them without a lease.
    std::function<bool(const IpAddress&)> taken = nullptr;
    /// Addresses that a living Child SA is for.
    std::function<bool(const IpAddress&)> used = nullptr;
};
struct AddressAnswer {
    std::vector<IpAddress> addresses;
    /// The book was changed, and must be written before the addresses are given.
    bool changed = false;
};
/// Finds or grants a lease for each family; families whose pool is full are left out.
[[nodiscard]] AddressAnswer lease_addresses(AddressBookRecord& book,
                                            const AddressQuestion& question);
/// Without changing the book: what `holder` has and nobody else can be given meanwhile. Nothing if
/// that isn't known of each family.
[[nodiscard]] std::optional<std::vector<IpAddress>> leased_for_sure(
    const AddressBookRecord& book, const AddressQuestion& question);

}  // namespace anyswan::sa
