// SPDX-License-Identifier: Apache-2.0
// Once faults have stopped, everything must come right again: all edges know the same Child SAs
// (N6), every peer has one that all of them know, and packets pass both ways.
#include <set>

#include "sim/world.h"

namespace anyswan::sim {

namespace {

// Peers find out by liveness checks and retransmissions, and begin anew with pauses of up to a
// minute.
constexpr Duration convergence_max = 400s;
constexpr Duration look_interval = 1s;

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

bool World::converge() {
    const Instant limit = clockwork_.now() + convergence_max;
    Instant look = clockwork_.now() + look_interval;
    while (clockwork_.now() < limit && !oracle_.violation() && clockwork_.step()) {
        if (clockwork_.now() >= look) {
            look = clockwork_.now() + look_interval;
            if (!what_is_amiss() && packets_pass()) {
                return true;
            }
        }
    }
    return false;
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
