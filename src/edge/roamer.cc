// SPDX-License-Identifier: Apache-2.0
#include "edge/roamer.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>

#include "edge/log.h"
#include "net/source_address.h"

namespace anyswan::edge {

namespace {

/// How soon a change is seen.
constexpr Duration event_interval = 200ms;
/// Without an event: in case one was lost.
constexpr Duration look_interval = 5s;

std::optional<ike::MovePath> move_due(const ike::IkeSaSummary& sa, const SourceLookup& lookup) {
    const auto to = [&](const IpAddress& local, const IpAddress& remote) {
        return ike::MovePath{sa.tunnel, {local, sa.local.port}, {remote, sa.remote.port}};
    };
    if (const auto source = lookup(sa.remote.address)) {
        return *source != sa.local.address ? std::optional(to(*source, sa.remote.address))
                                           : std::nullopt;
    }
    for (const IpAddress& other : sa.peer_addresses) {
        if (const auto source = sa.mobike ? lookup(other) : std::nullopt) {
            return to(*source, other);
        }
    }
    return std::nullopt;  // nothing leads there: perhaps soon
}

}  // namespace

std::vector<ike::MovePath> moves_due(const std::vector<ike::IkeSaSummary>& sas,
                                     const SourceLookup& lookup) {
    std::vector<ike::MovePath> moves;
    for (const ike::IkeSaSummary& sa : sas) {
        const bool known = std::ranges::any_of(
            moves, [&sa](const ike::MovePath& move) { return move.tunnel == sa.tunnel; });
        if (const auto move = sa.we_initiated && !known ? move_due(sa, lookup) : std::nullopt) {
            moves.push_back(*move);
        }
    }
    return moves;
}

Roamer::Roamer(Loop& loop, IkeRole& ike) : loop_(loop), ike_(ike), timer_(loop) {
    constexpr std::array<unsigned, 5> groups{RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
                                             RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE};
    auto opened = net::NetlinkSocket::open(NETLINK_ROUTE, groups);
    if (opened) {
        events_.emplace(std::move(*opened));
    } else {
        log::warn("roam", "no events of address changes (" + opened.error().message +
                              "); looking every few seconds instead");
    }
    timer_.every(event_interval, [this] { look(); });
}

void Roamer::look() {
    bool changed = false;
    if (events_) {
        const bool complete = events_->receive([&changed](ByteView) { changed = true; });
        changed = changed || !complete;
    }
    const Instant now = loop_.now().instant;
    if (!changed && now - looked_ < look_interval) {
        return;
    }
    looked_ = now;
    for (ike::MovePath& move : moves_due(ike_.list(), net::source_address)) {
        ike_.want(std::move(move));
    }
}

}  // namespace anyswan::edge
