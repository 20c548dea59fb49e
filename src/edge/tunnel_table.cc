// SPDX-License-Identifier: Apache-2.0
#include "edge/tunnel_table.h"

#include <algorithm>

namespace anyswan::edge {

void TunnelTable::put(sa::TunnelRecord record) {
    const sa::TunnelId id = record.id;
    configured_crls_[id] = record.credentials.crls.size();
    add_fetched(record);
    tunnels_.insert_or_assign(id, std::move(record));
}

void TunnelTable::add_fetched(sa::TunnelRecord& tunnel) const {
    sa::Credentials& credentials = tunnel.credentials;
    credentials.crls.resize(configured_crls_.at(tunnel.id));
    for (const auto& [url, der] : fetched_crls_) {
        const auto& urls = credentials.crl_urls;
        // A list of a foreign issuer does no harm: it is found by its issuer's name and key.
        if (credentials.crl_points || std::find(urls.begin(), urls.end(), url) != urls.end()) {
            credentials.crls.push_back(der);
        }
    }
}

void TunnelTable::put_crl(const std::string& url, Bytes der) {
    fetched_crls_.insert_or_assign(url, std::move(der));
    for (auto& [id, tunnel] : tunnels_) {
        add_fetched(tunnel);
    }
}

bool TunnelTable::remove(const sa::TunnelId& id) {
    configured_crls_.erase(id);
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
