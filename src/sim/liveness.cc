// SPDX-License-Identifier: Apache-2.0
// Once faults have stopped, everything must come right again: all edges know the same Child SAs
// (N6), every peer has one that all of them know, packets pass both ways, and an edge can drain.
#include <set>

#include "base/spi.h"
#include "sim/world.h"

namespace anyswan::sim {

namespace {

// Peers find out by liveness checks and retransmissions, and begin anew with pauses of up to a
// minute.
constexpr Duration convergence_max = 400s;
constexpr Duration look_interval = 1s;
// All edges are up and in step by then; what they know must not differ for longer than that.
constexpr Duration settling = 20s;
constexpr Duration difference_max = 4s;
// At least: long enough for rekeys.
constexpr Duration watched = 60s;

std::set<EspSpi> inbound_spis(const edge::Edge& edge) {
    std::set<EspSpi> spis;
    for (const edge::ChildRow& row : edge.child_sas()) {
        spis.insert(row.record->inbound_spi);
    }
    return spis;
}

}  // namespace

std::optional<std::string> World::what_is_amiss() {
    std::optional<std::set<EspSpi>> all;
    for (NodeNumber number = 0; number < edges_; ++number) {
        Node* node = machines_[number].node.get();
        if (node == nullptr || !node->edge().serving()) {
            return machines_[number].name + " does not serve" +
                   (node != nullptr && node->fatal() ? ": " + *node->fatal() : std::string());
        }
        const std::set<EspSpi> here = inbound_spis(node->edge());
        if (all && here != *all) {
            return "N6: " + machines_[number].name + " knows " + std::to_string(here.size()) +
                   " Child SAs, " + machines_[0].name + " " + std::to_string(all->size());
        }
        all = here;
    }
    for (NodeNumber number = edges_; number < machines_.size(); ++number) {
        bool usable = false;
        for (const edge::ChildRow& row : machines_[number].node->edge().child_sas()) {
            usable = usable || all->contains(row.record->outbound_spi);
        }
        if (!usable) {
            return machines_[number].name + " has no Child SA that the fleet knows";
        }
    }
    return std::nullopt;
}

// What an edge knows all edges know a moment later, also that it has ended.
void World::look_for_ghosts() {
    std::map<EspSpi, std::size_t> knowers;
    for (NodeNumber number = 0; number < edges_; ++number) {
        for (const EspSpi spi : inbound_spis(machines_[number].node->edge())) {
            ++knowers[spi];
        }
    }
    std::map<EspSpi, Instant> some;
    for (const auto& [spi, count] : knowers) {
        if (count == edges_) {
            continue;
        }
        const auto before = known_to_some_.find(spi);
        const Instant since = before == known_to_some_.end() ? clockwork_.now() : before->second;
        some.emplace(spi, since);
        if (clockwork_.now() - since > difference_max) {
            oracle_.report("N6", "Child SA " + hex(spi) + " is known to " + std::to_string(count) +
                                     " of " + std::to_string(edges_) + " edges for long");
        }
    }
    known_to_some_ = std::move(some);
}

bool World::converge() {
    const Instant begin = clockwork_.now();
    Instant look = begin + look_interval;
    bool well = false;
    while (clockwork_.now() < begin + convergence_max && !oracle_.violation() &&
           clockwork_.step()) {
        if (clockwork_.now() < look) {
            continue;
        }
        look = clockwork_.now() + look_interval;
        well = well || (!what_is_amiss() && packets_pass());
        if (clockwork_.now() >= begin + settling && peace_drain_ == PeaceDrain::not_yet) {
            look_for_ghosts();
        }
        if (well && clockwork_.now() >= begin + watched && drain_works()) {
            return true;
        }
    }
    return false;
}

// Begins the drain of an edge at its first call; true when the edge has drained, stopped and come
// back, and all is well again.
bool World::drain_works() {
    if (edges_ < 2) {
        return true;
    }
    if (peace_drain_ == PeaceDrain::not_yet) {
        peace_drain_ = PeaceDrain::under_way;
        begin_drain(some_edge());
    }
    return peace_drain_ == PeaceDrain::done && !what_is_amiss() && packets_pass();
}

// Of what was said in the last seconds, most must have come out at the other side.
bool World::packets_pass() {
    const std::uint64_t sent = inner_packets_ - judged_sent_;
    const std::uint64_t received = oracle_.counts().inner - judged_received_;
    judged_sent_ = inner_packets_;
    judged_received_ = oracle_.counts().inner;
    return sent > 0 && received * 10 >= sent * 9;
}

}  // namespace anyswan::sim
