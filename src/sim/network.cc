// SPDX-License-Identifier: Apache-2.0
#include "sim/network.h"

namespace anyswan::sim {

namespace {
constexpr std::uint64_t thousand = 1000;
}  // namespace

Network::Network(Clockwork& clockwork, Random& random, Deliver deliver)
    : clockwork_(clockwork), random_(random), deliver_(std::move(deliver)) {}

void Network::send(NodeNumber sender, Datagram datagram) {
    if (random_.below(thousand) < weather.lost) {
        return;
    }
    if (random_.below(thousand) < weather.doubled) {
        put_under_way(sender, datagram);
    }
    put_under_way(sender, datagram);
}

void Network::put_under_way(NodeNumber sender, const Datagram& datagram) {
    const bool late = random_.below(thousand) < weather.delayed;
    const Duration longest = late ? Duration(1s) : weather.latency;
    const Duration delay(random_.below(static_cast<std::uint64_t>(longest.count()) + 1));
    clockwork_.after(delay, life_, [this, sender, datagram] {
        NodeNumber to = 0;
        if (datagram.to.address == anycast_) {
            to = routes_.at(sender);
        } else if (const auto found = nodes_.find(datagram.to.address); found != nodes_.end()) {
            to = found->second;
        } else {
            return;
        }
        if (!cuts_.contains({std::min(sender, to), std::max(sender, to)})) {
            deliver_(to, datagram);
        }
    });
}

}  // namespace anyswan::sim
