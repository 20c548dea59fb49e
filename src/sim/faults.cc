// SPDX-License-Identifier: Apache-2.0
// What may go wrong in a World, and how it comes right again.
#include <array>

#include "base/spi.h"
#include "sim/world.h"

namespace anyswan::sim {

namespace {
constexpr Duration between_faults = 4s;
constexpr Duration down_max = 15s;
constexpr Duration store_outage_max = 8s;
constexpr Duration cut_max = 10s;
constexpr Duration drain_timeout = 40s;
// Its timeout, and the time in which a daemon that hangs would be noticed.
constexpr Duration drain_max = drain_timeout + 5s;
constexpr Duration routes_follow_max = 300ms;
constexpr Duration between_drain_looks = 200ms;
}  // namespace

void World::plan_fault() {
    clockwork_.after(up_to(2 * between_faults), life_, [this] {
        if (faults_) {
            make_fault();
            plan_fault();
        }
    });
}

void World::make_fault() {
    static constexpr std::array<Fault, 13> faults{{
        {"crash_edge", 3, &World::crash_edge},
        {"drain_edge", 3, &World::drain_edge},
        {"crash_peer", 1, &World::crash_peer},
        {"move_route", 6, &World::move_route},
        {"silence_store", 2, &World::silence_store},
        {"lose_leader", 2, &World::lose_leader},
        {"cut_from_store", 2, &World::cut_from_store},
        {"silence_bus", 2, &World::silence_bus},
        {"cut_path", 2, &World::cut_path},
        {"change_weather", 3, &World::change_weather},
        {"drop_fast_path", 1, &World::drop_fast_path},
        {"step_clock", 1, &World::step_clock},
        {"order_rekey", 4, &World::order_rekey},
    }};
    unsigned total = 0;
    for (const Fault& fault : faults) {
        total += fault.weight;
    }
    std::uint64_t draw = random_.below(total);
    for (const Fault& fault : faults) {
        if (draw < fault.weight) {
            ++fault_counts_[fault.name];
            (this->*fault.make)();
            return;
        }
        draw -= fault.weight;
    }
}

void World::crash_edge() {
    const NodeNumber edge = some_edge();
    crash(edge);
    clockwork_.after(up_to(down_max), life_, [this, edge] { boot(edge); });
}

// An edge drains, stops and comes back. Other faults go on meanwhile.
void World::drain_edge() {
    begin_drain(some_edge());
}

void World::begin_drain(NodeNumber edge) {
    Machine& machine = machines_[edge];
    if (machine.node == nullptr || machine.drains_since ||
        !machine.node->edge().drain(drain_timeout)) {
        return;
    }
    note(machine.name + " is told to drain");
    machine.drains_since = clockwork_.now();
    watch_drain(edge);
}

void World::watch_drain(NodeNumber edge) {
    clockwork_.after(between_drain_looks, machines_[edge].node->life(), [this, edge] {
        Machine& machine = machines_[edge];
        const edge::Health health = machine.node->edge().health();
        if (health.state == "draining") {
            if (clockwork_.now() - *machine.drains_since > drain_max) {
                oracle_.report("liveness", "the drain of " + machine.name + " does not end");
            }
            if (!machine.node->announced()) {
                clockwork_.after(up_to(routes_follow_max), machine.node->life(),
                                 [this, edge] { route_away_from(edge); });
            }
            watch_drain(edge);
            return;
        }
        machine.drains_since.reset();
        if (health.state == "drained") {
            drained(edge);
        } else if (peace_drain_ == PeaceDrain::under_way) {
            oracle_.report("liveness",
                           "the drain of " + machine.name + " was given up: " + health.given_up);
        }
    });
}

void World::drained(NodeNumber edge) {
    note(machines_[edge].name + " is drained and stops");
    ++fault_counts_["drained"];
    const bool owns_some = !machines_[edge].node->edge().ike_sas().empty();
    if (owns_some && peace_drain_ == PeaceDrain::under_way) {
        oracle_.report("liveness", machines_[edge].name + " is drained, and owns IKE SAs");
    }
    machines_[edge].node->edge().stop();
    clockwork_.after({}, life_, [this, edge] {
        machines_[edge].node.reset();
        clockwork_.after(faults_ ? up_to(down_max) : Duration{}, life_,
                         [this, edge] { boot(edge); });
        if (peace_drain_ == PeaceDrain::under_way) {
            peace_drain_ = PeaceDrain::done;
        }
    });
}

void World::route_away_from(NodeNumber edge) {
    for (NodeNumber peer = edges_; peer < machines_.size(); ++peer) {
        for (NodeNumber other = 0; other < edges_ && network_.route_of(peer) == edge; ++other) {
            const Node* node = machines_[other].node.get();
            if (other != edge && node != nullptr && node->announced()) {
                network_.route(peer, other);
            }
        }
    }
}

void World::crash_peer() {
    const NodeNumber peer = some_peer();
    crash(peer);
    clockwork_.after(up_to(down_max), life_, [this, peer] { boot(peer); });
}

void World::move_route() {
    const NodeNumber peer = some_peer();
    const NodeNumber edge = some_edge();
    note("packets of " + machines_[peer].name + " land at " + machines_[edge].name);
    network_.route(peer, edge);
}

void World::set_leader(store::Leader leader) {
    hub_->set_leader(leader);
    leader_well_ = leader == store::Leader::present;
    oracle_.store_troubled(clockwork_.now());
}

void World::silence_store() {
    note("the store's leader is silent");
    set_leader(store::Leader::silent);
    // Clients give up after five seconds: the write may or may not have happened.
    clockwork_.after(up_to(5s), life_, [this] { end_silence(); });
}

void World::end_silence() {
    note("the store's leader answers again");
    if (random_.below(2) == 0) {
        hub_->expire_held(random_.below(2) == 0 ? store::Fate::lost : store::Fate::carried_out);
    }
    set_leader(store::Leader::present);
}

void World::lose_leader() {
    note("the store has no leader");
    set_leader(store::Leader::absent);
    clockwork_.after(up_to(store_outage_max), life_, [this] {
        note("the store has a leader");
        set_leader(store::Leader::present);
    });
}

void World::cut_from_store() {
    const NodeNumber edge = some_edge();
    Node* node = machines_[edge].node.get();
    if (node == nullptr || node->store() == nullptr) {
        return;
    }
    note(machines_[edge].name + " is cut off from the store");
    hub_->cut(*node->store());
    node->set_cut_off(true);
    oracle_.marks_lost(clockwork_.now());
    clockwork_.after(up_to(cut_max), node->life(), [this, node] {
        note(node->name() + " reaches the store again");
        hub_->heal(*node->store());
        node->set_cut_off(false);
        oracle_.marks_lost(clockwork_.now());
    });
}

// Its heartbeats are missed, so others take what it runs, while it can write its claims.
void World::silence_bus() {
    const NodeNumber edge = some_edge();
    Node* node = machines_[edge].node.get();
    if (node == nullptr) {
        return;
    }
    note("the bus carries nothing from and to " + machines_[edge].name);
    node->set_bus_silent(true);
    oracle_.marks_lost(clockwork_.now());
    clockwork_.after(up_to(cut_max), node->life(), [this, node] {
        node->set_bus_silent(false);
        oracle_.marks_lost(clockwork_.now());
    });
}

void World::cut_path() {
    const NodeNumber peer = some_peer();
    const NodeNumber edge = some_edge();
    note("nothing passes between " + machines_[peer].name + " and " + machines_[edge].name);
    network_.cut(peer, edge);
    clockwork_.after(up_to(cut_max), life_, [this] { network_.mend_all(); });
}

void World::change_weather() {
    static constexpr std::array<Weather, 4> weathers{
        {{0, 0, 0, 10ms}, {20, 20, 50, 30ms}, {100, 100, 100, 100ms}, {300, 50, 200, 200ms}}};
    network_.weather = weathers[random_.below(weathers.size())];
    note(std::to_string(network_.weather.lost) + " of 1000 datagrams are lost");
}

void World::drop_fast_path() {
    note("the fast path is gone");
    hub_->drop_fast_path();
    clockwork_.after(up_to(cut_max), life_, [this] { hub_->restore_fast_path(); });
}

void World::step_clock() {
    const NodeNumber edge = some_edge();
    machines_[edge].skew = up_to(2s) - Duration(1s);
    note("the wall clock of " + machines_[edge].name + " is stepped");
    if (machines_[edge].node != nullptr) {
        machines_[edge].node->sim_loop().set_skew(machines_[edge].skew);
    }
}

void World::order_rekey() {
    const NodeNumber number = random_.below(machines_.size());
    Node* node = machines_[number].node.get();
    if (node == nullptr || !node->edge().serving()) {
        return;
    }
    for (const ike::IkeSaSummary& sa : node->edge().ike_sas()) {
        const bool child = !sa.children.empty() && random_.below(2) == 0;
        note(machines_[number].name + " is told to rekey " + (child ? "a Child SA" : "an IKE SA"));
        // What can't be rekeyed just now is the node's to refuse.
        (void)node->edge().order(edge::SaOrder::rekey,
                                 child ? hex(sa.children.front().inbound_spi) : hex(sa.our_spi));
    }
}

void World::heal() {
    note("no more faults");
    faults_ = false;
    network_.weather = {};
    network_.mend_all();
    set_leader(store::Leader::present);
    hub_->restore_fast_path();
    for (NodeNumber number = 0; number < machines_.size(); ++number) {
        Node* node = machines_[number].node.get();
        if (node == nullptr) {
            boot(number);
        } else if (is_edge(number) && node->store() != nullptr) {
            hub_->heal(*node->store());
            node->set_bus_silent(false);
            node->set_cut_off(false);
        }
    }
    oracle_.marks_lost(clockwork_.now());
}

}  // namespace anyswan::sim
