// SPDX-License-Identifier: Apache-2.0
#include "edge/tunnel_table.h"

#include <algorithm>

namespace anyswan::edge {

void TunnelTable::put(sa::TunnelRecord record) {
    const sa::TunnelId id = record.id;
    tunnels_.insert_or_assign(id, std::move(record));
}

bool TunnelTable::remove(const sa::TunnelId& id) {
    return tunnels_.erase(id) > 0;
}

std::vector<const sa::TunnelRecord*> TunnelTable::by_address(const IpAddress& remote) const {
    std::vector<const sa::TunnelRecord*> found;
    for (const auto& [id, tunnel] : tunnels_) {
        const auto& allowed = tunnel.remote_addresses;
        const bool fits = allowed.empty() ||
                          std::any_of(allowed.begin(), allowed.end(), [&](const IpPrefix& prefix) {
                              return prefix.contains(remote);
                          });
        if (fits) {
            found.push_back(&tunnel);
        }
    }
    return found;
}

const sa::TunnelRecord* TunnelTable::by_id(const sa::TunnelId& id) const {
    const auto found = tunnels_.find(id);
    return found == tunnels_.end() ? nullptr : &found->second;
}

}  // namespace anyswan::edge
