// SPDX-License-Identifier: Apache-2.0
// Which edges live, from their heartbeats: for `anyswan fleet status` and for steering. Pure.
#pragma once

#include <map>
#include <vector>

#include "core/sa/records.h"
#include "edge/bus_messages.h"

namespace anyswan::edge {

/// Heartbeats come every heartbeat_period; an edge that was silent for alive_timeout counts as
/// gone.
inline constexpr Duration heartbeat_period = 300ms;
inline constexpr Duration alive_timeout = 2s;

struct FleetMember {
    Heartbeat last;
    std::optional<Instant> seen;  // nothing: known from the store alone
    bool alive = false;
};

/// Whether an edge was silent for long, or is heard for the first time in this life of it: what it
/// told meanwhile was lost.
enum class Returned : std::uint8_t { no, yes };

class FleetView {
public:
    Returned on_heartbeat(Instant now, Heartbeat beat);
    /// An edge known from the store: listed, though it may be silent.
    void on_record(const sa::EdgeRecord& record);
    [[nodiscard]] bool alive(Instant now, EdgeId id) const;
    /// All edges ever heard of, by name.
    [[nodiscard]] std::vector<FleetMember> members(Instant now) const;

private:
    std::map<std::string, FleetMember> members_;
};

}  // namespace anyswan::edge
