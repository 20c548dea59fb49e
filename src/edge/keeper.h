// SPDX-License-Identifier: Apache-2.0
// Keeps up the tunnels that this side starts: brings each up, and again with growing pauses when it
// is gone.
#pragma once

#include "edge/ike_role.h"

namespace anyswan::edge {

inline constexpr Duration keeper_pause_first = 1s;
inline constexpr Duration keeper_pause_max = 60s;

class Keeper {
public:
    Keeper(Loop& loop, IkeRole& ike, Endpoint local, Endpoint remote);
    void keep(const sa::TunnelId& tunnel);
    void drop(const sa::TunnelId& tunnel) { kept_.erase(tunnel); }

private:
    struct Kept {
        Instant next_try;
        Duration pause = keeper_pause_first;
    };
    void look();

    IkeRole& ike_;
    Endpoint local_;
    Endpoint remote_;
    std::map<sa::TunnelId, Kept> kept_;
    Timer timer_;
};

}  // namespace anyswan::edge
