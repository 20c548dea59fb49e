// SPDX-License-Identifier: Apache-2.0
#include "core/route/route_table.h"

#include <algorithm>

namespace anyswan::route {

bool RouteTable::add(const sa::TunnelId& tunnel, const IpPrefix& prefix) {
    std::vector<sa::TunnelId>& tunnels = prefixes_.at_or_insert(prefix);
    const bool first = tunnels.empty();
    const auto place = std::ranges::lower_bound(tunnels, tunnel);
    if (place == tunnels.end() || *place != tunnel) {
        tunnels.insert(place, tunnel);
    }
    return first;
}

bool RouteTable::remove(const sa::TunnelId& tunnel, const IpPrefix& prefix) {
    std::vector<sa::TunnelId>* tunnels = prefixes_.find_exact(prefix);
    if (tunnels == nullptr || std::erase(*tunnels, tunnel) == 0 || !tunnels->empty()) {
        return false;
    }
    return prefixes_.erase(prefix);
}

const std::vector<sa::TunnelId>* RouteTable::lookup(const IpAddress& address) const {
    return prefixes_.lookup(address);
}

}  // namespace anyswan::route
