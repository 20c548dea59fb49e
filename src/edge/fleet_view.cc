// SPDX-License-Identifier: Apache-2.0
#include "edge/fleet_view.h"

#include <algorithm>

namespace anyswan::edge {

void FleetView::on_record(const sa::EdgeRecord& record) {
    FleetMember& member = members_[record.name];
    if (!member.seen) {
        member.last.edge = record.name;
        member.last.id = record.id;
        member.last.site = record.site;
        member.last.address = record.address;
        member.last.draining = record.draining;
        member.last.applied = record.applied;
    }
}

namespace {

bool is_alive(const FleetMember& member, Instant now) {
    return member.seen && now - *member.seen < alive_timeout;
}

}  // namespace

Returned FleetView::on_heartbeat(Instant now, Heartbeat beat) {
    FleetMember& member = members_[beat.edge];
    const bool returned =
        !member.seen || !is_alive(member, now) || member.last.incarnation != beat.incarnation;
    member.last = std::move(beat);
    member.seen = now;
    return returned ? Returned::yes : Returned::no;
}

bool FleetView::alive(Instant now, EdgeId id) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
        return entry.second.last.id == id && is_alive(entry.second, now);
    });
}

std::vector<FleetMember> FleetView::members(Instant now) const {
    std::vector<FleetMember> all;
    for (const auto& [name, member] : members_) {
        all.push_back(member);
        all.back().alive = is_alive(member, now);
    }
    return all;
}

}  // namespace anyswan::edge
