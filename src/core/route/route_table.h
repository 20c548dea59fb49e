// SPDX-License-Identifier: Apache-2.0
// Inner routing of one routing domain: which tunnels carry packets for an address. Several tunnels
// may have the same prefix (two peers of one site, an old and a new tunnel while the customer
// changes over), so a prefix leads to a list; the caller takes the first that can send.
#pragma once

#include <vector>

#include "core/route/prefix_table.h"
#include "core/sa/records.h"

namespace anyswan::route {

class RouteTable {
public:
    /// Adding a route twice is adding it once. Returns whether the prefix is new in this domain.
    bool add(const sa::TunnelId& tunnel, const IpPrefix& prefix);
    /// Returns whether it was the prefix's last route.
    bool remove(const sa::TunnelId& tunnel, const IpPrefix& prefix);
    /// The tunnels of the longest prefix that contains `address`, by name; null if there is none.
    /// Valid until the next change.
    [[nodiscard]] const std::vector<sa::TunnelId>* lookup(const IpAddress& address) const;
    [[nodiscard]] std::size_t prefix_count() const { return prefixes_.size(); }

private:
    PrefixTable<std::vector<sa::TunnelId>> prefixes_;
};

}  // namespace anyswan::route
