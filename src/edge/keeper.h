// SPDX-License-Identifier: Apache-2.0
// Keeps up the tunnels that this side starts: brings each up, and again with growing pauses when it
// is gone. Follows gateways that send us to others (RFC 5685), but not in circles.
#pragma once

#include <deque>

#include "edge/ike_role.h"
#include "net/resolver.h"

namespace anyswan::edge {

inline constexpr Duration keeper_pause_first = 1s;
inline constexpr Duration keeper_pause_max = 60s;
/// RFC 5685 7: defaults of MAX_REDIRECTS and REDIRECT_LOOP_DETECT_PERIOD.
inline constexpr std::size_t redirects_max = 5;
inline constexpr Duration redirect_period = 300s;
/// Tries at a gateway that we were sent to, before we go back to the configured one.
inline constexpr unsigned redirect_tries = 2;

/// Whether one more redirect is followed: not more than redirects_max within redirect_period.
class RedirectLimit {
public:
    [[nodiscard]] bool allow(Instant now);

private:
    std::deque<Instant> followed_;
};

class Keeper {
public:
    /// An unspecified address in `local`: from the one that the route to the gateway gives.
    Keeper(Loop& loop, IkeRole& ike, Endpoint local, Endpoint remote);
    void keep(const sa::TunnelId& tunnel);
    void drop(const sa::TunnelId& tunnel) { kept_.erase(tunnel); }
    /// The gateway sent us away.
    void redirected(const ike::Redirected& away);

private:
    struct Kept {
        Instant next_try{};
        Duration pause = keeper_pause_first;
        RedirectLimit limit{};
        /// Where we were sent, by whom, and how often we tried there in vain.
        std::optional<Endpoint> remote{};
        std::optional<IpAddress> redirected_from{};
        unsigned tries = 0;
    };
    void look();
    void initiate(const sa::TunnelId& tunnel, Kept& kept);
    void go_to(const ike::Redirected& away, const IpAddress& address);

    Loop& loop_;
    IkeRole& ike_;
    Endpoint local_;
    Endpoint remote_;
    std::map<sa::TunnelId, Kept> kept_;
    net::Resolver resolver_;
    Timer timer_;
};

}  // namespace anyswan::edge
