// SPDX-License-Identifier: Apache-2.0
#include "edge/troubles.h"

namespace anyswan::edge {

void Troubles::on_report(Instant now, SaTroubles report) {
    if (report.rows.empty()) {
        by_edge_.erase(report.edge);
        return;
    }
    Report& last = by_edge_[report.edge];
    last.heard = now;
    last.rows.clear();
    for (SaTrouble& row : report.rows) {
        last.rows[row.inbound_spi] = std::move(row.why);
    }
}

std::vector<TroubleElsewhere> Troubles::of(Instant now, EspSpi spi) const {
    std::vector<TroubleElsewhere> list;
    for (const auto& [edge, report] : by_edge_) {
        const auto found = report.rows.find(spi);
        if (found != report.rows.end() && now - report.heard < trouble_timeout) {
            list.push_back({edge, found->second});
        }
    }
    return list;
}

}  // namespace anyswan::edge
