// SPDX-License-Identifier: Apache-2.0
#include "edge/nat_keepalives.h"

namespace anyswan::edge {

void NatKeepalives::on_endpoint(Instant now, const sa::EndpointRecord& record) {
    const Path path{record.local, record.remote};
    const bool wanted = !record.ended && record.behind_nat && interval_ > Duration{};
    const auto known = by_ike_sa_.find(record.ike_spi);
    if (known != by_ike_sa_.end() && wanted && known->second == path) {
        return;
    }
    forget(record.ike_spi);
    if (wanted) {
        by_ike_sa_.emplace(record.ike_spi, path);
        ++paths_.try_emplace(path, Kept{now}).first->second.users;
    }
}

void NatKeepalives::forget(IkeSpi spi) {
    const auto known = by_ike_sa_.find(spi);
    if (known == by_ike_sa_.end()) {
        return;
    }
    const auto path = paths_.find(known->second);
    if (--path->second.users == 0) {
        paths_.erase(path);
    }
    by_ike_sa_.erase(known);
}

void NatKeepalives::sent(Instant now, const Path& path) {
    if (const auto known = paths_.find(path); known != paths_.end()) {
        known->second.last_sent = now;
    }
}

std::vector<NatKeepalives::Path> NatKeepalives::due(Instant now) {
    std::vector<Path> due;
    for (auto& [path, kept] : paths_) {
        if (now - kept.last_sent >= interval_) {
            kept.last_sent = now;
            due.push_back(path);
        }
    }
    return due;
}

}  // namespace anyswan::edge
