// SPDX-License-Identifier: Apache-2.0
// Whether this edge should get traffic, and how it is taken out of the fleet.
#include <algorithm>

#include "edge/edge.h"
#include "edge/log.h"

namespace anyswan::edge {

void Edge::make_drain() {
    Drain::Parts parts{loop_,   fleet_,  *ike_,   *claims_, *ownership_, config_.id,
                       nullptr, nullptr, nullptr, nullptr,  nullptr};
    parts.withdraw = [this] {
        announce_wanted_ = false;
        if (config_.announce_hook.empty()) {
            // The only sign that routers get.
            take_addresses_off();
        }
        hook_.want(false);
    };
    parts.announce = [this] {
        announce_wanted_ = true;
        announce_if_ready();
    };
    parts.not_withdrawn = [this]() -> std::optional<std::string> {
        if (hook_.told(false)) {
            return std::nullopt;
        }
        return hook_.trouble().empty() ? "the announce hook is running"
                                       : "the announce hook failed: " + hook_.trouble();
    };
    parts.last_traffic = [this] { return dataplane_->last_traffic(); };
    parts.unwritten = [this] { return facts_->unwritten(); };
    parts.on_state = [this](DrainState state) { on_drain(state); };
    drain_ = std::make_unique<Drain>(std::move(parts));
}

void Edge::on_drain(DrainState state) {
    // Others hear of it before they are given anything.
    tell("heartbeat", status());
    put_edge_record();
    if (state == DrainState::drained) {
        take_addresses_off();
    }
}

Status Edge::drain(Duration timeout) {
    if (connector_) {
        return fail("a branch connector serves nobody and has nothing to hand over; just stop it");
    }
    if (std::holds_alternative<config::SqliteStore>(config_.store)) {
        return fail(
            "this edge is a fleet of one (store.type = \"sqlite\"): nobody can take over. Just "
            "stop "
            "it: its tunnels go on when it is back. A fleet needs store.type = \"nats\"");
    }
    if (!serving()) {
        return fail("this edge doesn't serve yet; `anyswan health` says what it lacks");
    }
    if (!store_connected()) {
        return fail(
            "the store is not reachable, so no IKE SA can change its owner; this edge goes on "
            "serving. Try again when `anyswan health` shows the store connected");
    }
    return drain_->begin(timeout);
}

Status Edge::cancel_drain() {
    if (!drain_ || drain_->state() == DrainState::serving) {
        return fail("this edge is not draining");
    }
    drain_->cancel();
    return {};
}

// Once ready, it takes a drain to change that: when the store loses what it had, all edges at once
// read it anew, and routers that heard "not ready" from all of them would have none.
std::vector<std::string> Edge::not_ready() const {
    if (drain_ && drain_->state() != DrainState::serving) {
        return {std::string("this edge is ") + name(drain_->state())};
    }
    if (ready_) {
        return {};
    }
    if (!facts_) {
        return {"the store has not answered since the start"};
    }
    if (!facts_->in_step()) {
        return {"the fleet's records are being read"};
    }
    if (!marks_->met()) {
        return {"the fleet's replay marks are being asked for"};
    }
    if (!dataplane_->settled()) {
        return {"SAs are being given to the dataplane"};
    }
    return {};
}

Health Edge::health() const {
    Health health;
    health.lacks = not_ready();
    health.ready = health.lacks.empty();
    const DrainStatus drain = drain_ ? drain_->status() : DrainStatus{};
    if (drain.state != DrainState::serving) {
        health.lacks = drain.waits_for;
    }
    health.state = drain.state != DrainState::serving ? name(drain.state)
                   : health.ready                     ? "serving"
                                                      : "starting";
    health.given_up = drain.given_up;
    health.announced = hook_.told(true);
    const Heartbeat now = status();
    health.in_step = now.in_step;
    health.applied = now.applied;
    health.applied_in_fleet = now.applied;
    health.ike_sas = now.ike_sas;
    for (const FleetMember& member : fleet()) {
        health.edges_alive += member.alive ? 1U : 0U;
        health.applied_in_fleet = std::max(health.applied_in_fleet, member.last.applied);
    }
    if (!store_connected()) {
        health.trouble.push_back("the store is not reachable: " + store_text());
    }
    if (ready_ && !serving()) {
        health.trouble.emplace_back(
            "the store lost what it had; the fleet's records are read anew");
    }
    if (!hook_.trouble().empty()) {
        health.trouble.push_back("the announce hook failed: " + hook_.trouble());
    }
    const std::size_t failed = dataplane_ ? dataplane_->failed() : 0;
    if (failed > 0) {
        health.trouble.push_back(std::to_string(failed) +
                                 " Child SAs could not be applied; `anyswan sa list` says why");
    }
    return health;
}

net::Command Edge::hook_command(const std::string& word) const {
    net::Command command{config_.announce_hook, {{"ANYSWAN_EDGE", config_.name}}};
    command.words.push_back(word);
    std::string addresses;
    for (const IpAddress& address : config_.anycast) {
        addresses += (addresses.empty() ? "" : " ") + address.to_string();
    }
    command.environment.emplace_back("ANYSWAN_ANYCAST", addresses);
    return command;
}

}  // namespace anyswan::edge
