// SPDX-License-Identifier: Apache-2.0
// Giving the addresses of a pool to peers (configuration payload). One book for each account,
// changed by compare-and-swap: two edges can't give one address to two peers, whichever tunnels
// share a pool.
//
// A lease belongs to a tunnel and an identity: whoever comes again gets the same address. Only when
// a pool is full does the oldest lease go, of those that no IKE SA has and that were either given
// back (when the IKE SA ended) or not granted within the last hour. For that hour the edge that
// granted a lease may rely on it without asking the store, so it alone gives it back.
#pragma once

#include <functional>

#include "base/result.h"
#include "core/sa/records.h"

namespace anyswan::sa {

/// How long a granted lease is nobody else's, used or not, unless it is given back.
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
    std::string edge;  // that asks
    /// Addresses that must not be given: others have them without a lease.
    std::function<bool(const IpAddress&)> taken = nullptr;
    /// Addresses that a living IKE SA has.
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
/// Those of the leases of these addresses that `edge` may give back.
[[nodiscard]] std::vector<AddressLease> leases_of(const AddressBookRecord& book,
                                                  const std::string& edge,
                                                  const std::vector<IpAddress>& addresses);
/// Gives leases back that are still as they were seen; whoever renewed one meanwhile has it in use.
/// False: the book is unchanged.
[[nodiscard]] bool give_back(AddressBookRecord& book, const std::vector<AddressLease>& seen,
                             WallTime now);
/// Without changing the book: what `holder` has and nobody else can be given meanwhile. Nothing if
/// that isn't known of each family.
[[nodiscard]] std::optional<std::vector<IpAddress>> leased_for_sure(
    const AddressBookRecord& book, const AddressQuestion& question);

}  // namespace anyswan::sa
