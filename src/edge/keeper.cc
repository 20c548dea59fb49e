// SPDX-License-Identifier: Apache-2.0
#include "edge/keeper.h"

#include <algorithm>

#include "edge/log.h"
#include "net/source_address.h"

namespace anyswan::edge {

bool RedirectLimit::allow(Instant now) {
    while (!followed_.empty() && now - followed_.front() >= redirect_period) {
        followed_.pop_front();
    }
    if (followed_.size() >= redirects_max) {
        return false;
    }
    followed_.push_back(now);
    return true;
}

Keeper::Keeper(Loop& loop, IkeRole& ike, Endpoint local, Endpoint remote)
    : loop_(loop),
      ike_(ike),
      local_(local),
      remote_(remote),
      resolver_([&loop](std::function<void()> task) { loop.post(std::move(task)); }),
      timer_(loop) {
    timer_.every(200ms, [this] { look(); });
}

void Keeper::keep(const sa::TunnelId& tunnel) {
    kept_.try_emplace(tunnel);
}

void Keeper::look() {
    const Instant now = loop_.now().instant;
    const std::vector<ike::IkeSaSummary> sas = ike_.list();
    for (auto& [tunnel, kept] : kept_) {
        const auto of_tunnel = [&id = tunnel](const auto& sa) { return sa.tunnel == id; };
        const auto complete = [&](const auto& sa) { return of_tunnel(sa) && !sa.children.empty(); };
        if (std::ranges::any_of(sas, complete)) {
            kept.pause = keeper_pause_first;
            kept.tries = 0;
            continue;
        }
        const auto bare = std::ranges::find_if(sas, [&](const auto& sa) {
            return of_tunnel(sa) && sa.state == "established" && !sa.rekeying;
        });
        const bool under_way = bare == sas.end() && std::ranges::any_of(sas, of_tunnel);
        if (under_way || now < kept.next_try) {
            continue;
        }
        kept.next_try = now + kept.pause;
        kept.pause = std::min(kept.pause * 2, keeper_pause_max);
        if (bare != sas.end()) {
            ike_.want(ike::CreateChild{bare->our_spi});  // the peer deleted the Child SA alone
        } else {
            initiate(tunnel, kept);
        }
    }
}

void Keeper::initiate(const sa::TunnelId& tunnel, Kept& kept) {
    if (kept.remote && kept.tries++ >= redirect_tries) {
        log::warn("keeper", "tunnel " + tunnel.to_string() + " does not come up at " +
                                kept.remote->address.to_string() +
                                ", where we were sent: back to the configured gateway");
        kept.remote.reset();
        kept.redirected_from.reset();
    }
    const Endpoint remote = kept.remote.value_or(remote_);
    Endpoint local = local_;
    if (local.address.is_unspecified() || remote.address.is_v4() != local.address.is_v4()) {
        const auto source = net::source_address(remote.address);
        if (!source) {
            log::debug("keeper", "no route to " + remote.address.to_string() + " just now");
            return;
        }
        local.address = *source;
    }
    ike_.want(ike::Initiate{tunnel, local, remote, kept.redirected_from});
}

void Keeper::redirected(const ike::Redirected& away) {
    const auto kept = kept_.find(away.tunnel);
    if (kept == kept_.end()) {
        return;
    }
    if (!kept->second.limit.allow(loop_.now().instant)) {
        // RFC 5685 7: "the client SHOULD be configured to not accept more than a certain number of
        // redirects ... within a short time period".
        log::warn("keeper", "tunnel " + away.tunnel.to_string() + " was sent from gateway to " +
                                "gateway too often, last to " + ike::text_of(away.to) +
                                ": back to the configured one");
        kept->second.remote.reset();
        kept->second.redirected_from.reset();
        return;
    }
    if (const auto* address = std::get_if<IpAddress>(&away.to)) {
        return go_to(away, *address);
    }
    const std::string& name = std::get<std::string>(away.to);
    resolver_.look_up(name, [this, away](const std::vector<IpAddress>& addresses) {
        if (addresses.empty()) {
            log::warn("keeper", "the gateway name " + ike::text_of(away.to) +
                                    ", where we were sent, has no address");
            return;
        }
        go_to(away, addresses.front());
    });
}

void Keeper::go_to(const ike::Redirected& away, const IpAddress& address) {
    const auto kept = kept_.find(away.tunnel);
    if (kept == kept_.end()) {
        return;
    }
    kept->second.remote = Endpoint{address, remote_.port};
    kept->second.redirected_from = away.from;
    kept->second.tries = 0;
    kept->second.next_try = {};
}

}  // namespace anyswan::edge
