// SPDX-License-Identifier: Apache-2.0
// Inner routing of one routing domain: which tunnels carry packets for an address. Several tunnels
// may have the same prefix (two peers of one site, an old and a new tunnel while the customer
// changes over), so a prefix leads to a list; the caller takes the first that can send.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "core/route/prefix_table.h"

namespace anyswan::route {

/// `Tunnel` is a cheap handle (or a TunnelId); `Less` orders the tunnels of one prefix. Order by
/// name where edges should prefer the same one.
template <class Tunnel, class Less = std::less<Tunnel>>
class RouteTable {
public:
    /// Adding a route twice is adding it once. Returns whether it was added.
    bool add(const Tunnel& tunnel, const IpPrefix& prefix) {
        std::vector<Tunnel>& tunnels = prefixes_.at_or_insert(prefix);
        const auto place = std::ranges::lower_bound(tunnels, tunnel, Less{});
        if (place != tunnels.end() && *place == tunnel) {
            return false;
        }
        tunnels.insert(place, tunnel);
        return true;
    }

    /// Returns whether it was there.
    bool remove(const Tunnel& tunnel, const IpPrefix& prefix) {
        std::vector<Tunnel>* tunnels = prefixes_.find_exact(prefix);
        if (tunnels == nullptr || std::erase(*tunnels, tunnel) == 0) {
            return false;
        }
        if (tunnels->empty()) {
            prefixes_.erase(prefix);
        }
        return true;
    }

    /// Whether any tunnel has exactly this prefix.
    [[nodiscard]] bool has(const IpPrefix& prefix) { return prefixes_.find_exact(prefix); }

    /// The tunnels of the longest prefix that contains `address`; null if there is none. Valid
    /// until the next change.
    [[nodiscard]] const std::vector<Tunnel>* lookup(const IpAddress& address) const {
        return prefixes_.lookup(address);
    }
    [[nodiscard]] std::size_t prefix_count() const { return prefixes_.size(); }

private:
    PrefixTable<std::vector<Tunnel>> prefixes_;
};

}  // namespace anyswan::route
