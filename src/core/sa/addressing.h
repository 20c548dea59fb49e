// SPDX-License-Identifier: Apache-2.0
// Addresses inside a tunnel that one side gives the other (configuration payload, RFC 7296 2.19).
#pragma once

#include <vector>

#include "base/ip.h"
#include "base/time.h"

namespace anyswan::sa {

/// A tunnel's part in it: it gives its peer addresses, or asks the peer for some, or neither.
struct Addressing {
    /// A peer that asks gets one address per family out of these.
    std::vector<IpPrefix> pool;
    std::vector<IpAddress> dns;       // told with it
    std::vector<IpPrefix> subnets;    // what the peer shall send through the tunnel, as a hint
    std::uint8_t netmask_length = 0;  // of INTERNAL_IP4_NETMASK; 0: none is sent
    /// We ask the peer for an address of each of these families.
    std::vector<IpFamily> request;
    bool operator==(const Addressing&) const = default;
};

/// What an IKE SA's responder gave its initiator. Rekeys of the IKE SA keep it.
struct Assigned {
    std::vector<IpAddress> addresses;
    std::vector<IpAddress> dns;
    bool operator==(const Assigned&) const = default;
};

/// One entry of an AddressBook: `holder` is a hash of a tunnel and the identity of its peer, `edge`
/// the one that may give it without asking the store, and may give it back.
struct AddressLease {
    Bytes holder;
    IpAddress address;
    WallTime granted_at;
    std::string edge;
    bool operator==(const AddressLease&) const = default;
};

}  // namespace anyswan::sa
