// SPDX-License-Identifier: Apache-2.0
// The Internet between nodes: loses, doubles, delays and so reorders datagrams, cuts paths, and
// takes what goes to an anycast address to the edge that the sender's route leads to just now.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "base/ip.h"
#include "base/random.h"
#include "sim/clockwork.h"

namespace anyswan::sim {

/// A node's place in the world: edges first, then peers.
using NodeNumber = std::size_t;

struct Datagram {
    Endpoint from;
    Endpoint to;
    Bytes bytes;
    bool esp = false;
    bool udp_encapsulation = false;
};

/// Of each datagram, in thousandths.
struct Weather {
    std::uint64_t lost = 0;
    std::uint64_t doubled = 0;
    std::uint64_t delayed = 0;  // by up to a second
    Duration latency = 10ms;    // at most, of those that are not delayed
};

class Network {
public:
    using Deliver = std::function<void(NodeNumber, const Datagram&)>;
    Network(Clockwork& clockwork, Random& random, Deliver deliver);

    Weather weather;

    void attach(const IpAddress& address, NodeNumber node) { nodes_[address] = node; }
    void set_anycast(const IpAddress& address) { anycast_ = address; }
    /// What `peer` sends to the anycast address arrives at this edge from now on.
    void route(NodeNumber peer, NodeNumber edge) { routes_[peer] = edge; }
    [[nodiscard]] NodeNumber route_of(NodeNumber peer) const { return routes_.at(peer); }
    /// Nothing passes between the two until mend_all().
    void cut(NodeNumber a, NodeNumber b) { cuts_.insert({std::min(a, b), std::max(a, b)}); }
    void mend_all() { cuts_.clear(); }

    void send(NodeNumber sender, Datagram datagram);

private:
    void put_under_way(NodeNumber sender, const Datagram& datagram);

    Clockwork& clockwork_;
    Random& random_;
    Deliver deliver_;
    std::shared_ptr<const void> life_ = std::make_shared<int>(0);
    IpAddress anycast_;
    std::map<IpAddress, NodeNumber> nodes_;
    std::map<NodeNumber, NodeNumber> routes_;
    std::set<std::pair<NodeNumber, NodeNumber>> cuts_;
};

}  // namespace anyswan::sim
