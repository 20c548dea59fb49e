// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include <cstdio>

#include "core/wire/ip/compose.h"
#include "edge/log.h"

namespace anyswan::sim {

namespace {

const IpAddress anycast = IpAddress::v4(0xc0000201);  // 192.0.2.1
constexpr std::uint32_t edge_net = 0xcb007100;        // 203.0.113.0
constexpr std::uint32_t peer_net = 0xc6336400;        // 198.51.100.0
constexpr std::string_view psk = "only for the simulation";
constexpr std::size_t events_kept = 60;
constexpr Duration between_packets = 100ms;
constexpr std::size_t recorded_max = 4096;
constexpr std::size_t recorded_lately = 64;
constexpr Duration between_replays = 150ms;
constexpr Duration between_looks = 50ms;

std::string number_text(std::size_t number) {
    return std::to_string(number);
}

IpPrefix prefix(const std::string& text) {
    return *IpPrefix::parse(text);
}

sa::FleetKeys clone(const sa::FleetKeys& keys) {
    sa::FleetKeys copy;
    copy.current = keys.current;
    for (const auto& [id, key] : keys.keys) {
        copy.keys.emplace(id, key.clone());
    }
    return copy;
}

}  // namespace

World::World(const Scenario& scenario)
    : scenario_(scenario),
      random_(scenario.seed),
      network_(clockwork_, random_,
               [this](NodeNumber to, const Datagram& datagram) { deliver(to, datagram); }),
      hub_(store::MemoryHub::create()),
      edges_(scenario.edges != 0 ? scenario.edges : 2 + random_.below(3)),
      peers_(scenario.peers != 0 ? scenario.peers : 1 + random_.below(3)) {
    edge::log::set_sink([this](edge::log::Level, const char* topic, const std::string& text) {
        note(std::string(topic) + ": " + text);
    });
    build();
}

World::~World() {
    machines_.clear();
    edge::log::set_sink({});
}

Duration World::up_to(Duration longest) {
    return Duration(random_.below(static_cast<std::uint64_t>(longest.count()) + 1));
}

void World::note(const std::string& event) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(clockwork_.now().since_start).count();
    oracle_.seen(as_bytes(event), "in the log");
    events_.push_back(std::to_string(ms) + " ms " + event);
    if (scenario_.log) {
        std::printf("%s\n", events_.back().c_str());
    }
    if (events_.size() > events_kept) {
        events_.pop_front();
    }
}

void World::build() {
    fleet_keys_.current = 1;
    fleet_keys_.keys.emplace(1, random_.secret(32));
    oracle_.secrets().add(fleet_keys_.keys.at(1).reveal());
    oracle_.secrets().add(as_bytes(psk));
    network_.set_anycast(anycast);
    for (NodeNumber number = 0; number < edges_ + peers_; ++number) {
        Machine machine;
        const auto offset = static_cast<std::uint32_t>(number + 1);
        machine.name = is_edge(number) ? "edge" + number_text(number + 1)
                                       : "peer" + number_text(number - edges_ + 1);
        machine.address = IpAddress::v4((is_edge(number) ? edge_net : peer_net) + offset);
        machine.hub = is_edge(number) ? hub_ : nullptr;
        network_.attach(machine.address, number);
        machines_.push_back(std::move(machine));
    }
    for (NodeNumber number = 0; number < machines_.size(); ++number) {
        if (!is_edge(number)) {
            network_.route(number, some_edge());
        }
        clockwork_.after(is_edge(number) ? up_to(100ms) : Duration(1s) + up_to(500ms), life_,
                         [this, number] { boot(number); });
    }
    clockwork_.after(500ms, life_, [this] { configure_tunnels(); });
    for (NodeNumber peer = edges_; peer < machines_.size(); ++peer) {
        clockwork_.after(2s, life_, [this, peer] { keep_talking(peer); });
    }
    clockwork_.after(2s, life_, [this] { keep_replaying(); });
    watch_links();
}

sa::TunnelRecord World::tunnel_of(NodeNumber peer, bool at_peer) const {
    const std::string number = number_text(peer - edges_ + 1);
    sa::TunnelRecord tunnel;
    tunnel.id = {"acme", "hq" + number};
    tunnel.local_id = wire::ike::Identification::from_text("edge.example");
    tunnel.remote_id = wire::ike::Identification::from_text("hq" + number + ".example");
    tunnel.psk = Secret::copy_of(as_bytes(psk));
    tunnel.remote_addresses = {prefix(machines_[peer].address.to_string() + "/32")};
    tunnel.ike_suites = {*crypto::parse_ike_suite("aes256gcm16-prfsha256-x25519")};
    tunnel.esp_suites = {*crypto::parse_esp_suite("aes256gcm16")};
    tunnel.local_prefixes = {prefix("10.0.0.0/24")};
    tunnel.remote_prefixes = {prefix("10." + number + ".0.0/16")};
    // Each seed has its own pace of rekeys; the two sides need not agree.
    const std::uint64_t pace = scenario_.seed + (at_peer ? 1 : 0);
    tunnel.child_lifetime_s = static_cast<std::uint32_t>(40 + 20 * (pace % 5));
    tunnel.ike_lifetime_s = static_cast<std::uint32_t>(120 + 60 * (pace % 3));
    tunnel.dpd_s = 5;
    tunnel.sender_rule = std::array{sa::SenderRule::automatic, sa::SenderRule::pinned,
                                    sa::SenderRule::per_edge}[pace % 3];
    tunnel.replay_window = 64;
    if (at_peer) {
        std::swap(tunnel.local_id, tunnel.remote_id);
        std::swap(tunnel.local_prefixes, tunnel.remote_prefixes);
        tunnel.remote_addresses = {prefix(anycast.to_string() + "/32")};
        tunnel.initiate = true;
    }
    return tunnel;
}

NodePlan World::plan_of(NodeNumber number) {
    Machine& machine = machines_[number];
    NodePlan plan;
    plan.number = number;
    plan.name = machine.name;
    plan.life = ++machine.starts;
    plan.seed = random_.u64();
    plan.skew = machine.skew;
    plan.config.name = machine.name;
    plan.config.id = EdgeId(static_cast<std::uint16_t>(number + 1));
    plan.config.site = "sim";
    plan.config.address = machine.address;
    plan.config.announce_hook = {"announce"};
    plan.config.store = config::MemoryStore{};
    if (is_edge(number)) {
        plan.hub = hub_;
        plan.store_latency = 20ms;
        plan.config.anycast = {anycast};
        plan.config.fleet_keys = clone(fleet_keys_);
        return plan;
    }
    plan.hub = store::MemoryHub::create();  // a peer that restarts has forgotten everything
    plan.config.anycast = {machine.address};
    plan.config.announce = false;
    plan.config.announce_hook.clear();
    plan.config.fleet_keys.current = 1;
    plan.config.fleet_keys.keys.emplace(1, random_.secret(32));
    edge::ConnectorPlan connector;
    connector.local = {machine.address, 500};
    connector.remote = {anycast, 500};
    connector.tunnels.push_back(tunnel_of(number, true));
    plan.connector = std::move(connector);
    plan.on_new_sa = [this](const sa::ChildSaRecord& record) { judge_new_sa(record); };
    return plan;
}

void World::boot(NodeNumber number) {
    Machine& machine = machines_[number];
    if (machine.node == nullptr) {
        note(machine.name + " starts");
        machine.node = std::make_unique<Node>(
            Surroundings{clockwork_, network_, oracle_, scenario_.bugs}, plan_of(number));
        machine.node->start();
    }
}

void World::crash(NodeNumber number) {
    if (machines_[number].node != nullptr) {
        note(machines_[number].name + " crashes");
        oracle_.crashed(clockwork_.now(), machines_[number].name);
        machines_[number].node.reset();
        machines_[number].drains_since.reset();
    }
}

// By the first edge that serves, as an operator would.
void World::configure_tunnels() {
    for (NodeNumber number = 0; number < edges_; ++number) {
        Node* node = machines_[number].node.get();
        if (node != nullptr && node->edge().serving()) {
            for (NodeNumber peer = edges_; peer < machines_.size(); ++peer) {
                node->edge().apply_tunnel(tunnel_of(peer, false), [](edge::Written) {});
            }
            plan_fault();
            return;
        }
    }
    clockwork_.after(100ms, life_, [this] { configure_tunnels(); });
}

void World::deliver(NodeNumber to, const Datagram& datagram) {
    if (machines_[to].node != nullptr) {
        if (is_edge(to) && datagram.esp) {
            record(datagram);
        }
        machines_[to].node->receive(datagram);
    }
}

void World::record(const Datagram& datagram) {
    recorded_.push_back(datagram);
    if (recorded_.size() > recorded_max) {
        recorded_.pop_front();
    }
}

// A packet of the last minutes, or of the last seconds, sent again to every edge at once. Not to
// the one that drains in peace: a packet that is repeated before its mark came is traffic to it.
void World::keep_replaying() {
    if (!recorded_.empty()) {
        const std::size_t lately = std::min(recorded_lately, recorded_.size());
        const std::size_t age = random_.below(random_.below(2) == 0 ? lately : recorded_.size());
        const Datagram again = recorded_[recorded_.size() - 1 - age];
        for (NodeNumber number = 0; number < edges_; ++number) {
            const bool spared =
                peace_drain_ == PeaceDrain::under_way && machines_[number].drains_since;
            if (machines_[number].node != nullptr && !spared) {
                machines_[number].node->receive(again);
            }
        }
    }
    clockwork_.after(up_to(2 * between_replays), life_, [this] { keep_replaying(); });
}

void World::watch_links() {
    bool some_serve = false;
    bool all_hear = true;
    bool all_reach_store = leader_well_;
    for (NodeNumber number = 0; number < edges_; ++number) {
        if (Node* node = machines_[number].node.get()) {
            some_serve = some_serve || node->edge().serving();
            all_hear = all_hear && node->hears_bus();
            all_reach_store = all_reach_store && !node->cut_off();
        }
    }
    if (!all_reach_store) {
        oracle_.store_troubled(clockwork_.now());
    }
    if (!some_serve || !all_hear) {
        oracle_.marks_lost(clockwork_.now());
    }
    clockwork_.after(between_looks, life_, [this] { watch_links(); });
}

// N5: if it asked for it, it has the answer; so the fleet made it known before.
void World::judge_new_sa(const sa::ChildSaRecord& at_peer) {
    if (!at_peer.outbound_waits) {
        const auto stored = hub_->stored_fact(sa::child_sa_key(at_peer.outbound_spi));
        oracle_.sa_answered(clockwork_.now(), at_peer.outbound_spi, stored.has_value());
    }
}

Bytes World::inner_packet(NodeNumber peer, bool to_peer, std::uint64_t number) {
    wire::ip::IpFields fields;
    const IpAddress fleet_side = IpAddress::v4(0x0a000001);
    const IpAddress peer_side =
        IpAddress::v4(0x0a000001 + (static_cast<std::uint32_t>(peer) << 16U));
    fields.source = to_peer ? fleet_side : peer_side;
    fields.destination = to_peer ? peer_side : fleet_side;
    Writer payload;
    payload.u64(number);
    return wire::ip::compose_udp(fields, {1000, 2000}, payload.view());
}

void World::talk(NodeNumber from, NodeNumber peer) {
    if (machines_[from].node != nullptr) {
        const Bytes packet = inner_packet(peer - edges_ + 1, is_edge(from), ++inner_packets_);
        machines_[from].node->send_inner(packet);
    }
}

// The peer talks, and the edge where its packets land answers; now and then any edge has something
// to say, unless routers on the inside know too that it drains.
void World::keep_talking(NodeNumber peer) {
    talk(peer, peer);
    const NodeNumber edge = random_.below(20) == 0 ? some_edge() : network_.route_of(peer);
    if (edge == network_.route_of(peer) || !machines_[edge].drains_since) {
        talk(edge, peer);
    }
    clockwork_.after(up_to(2 * between_packets), life_, [this, peer] { keep_talking(peer); });
}

Outcome World::run() {
    while (clockwork_.steps() < scenario_.steps && !oracle_.violation() && clockwork_.step()) {
    }
    if (!oracle_.violation()) {
        heal();
        if (!converge() && !oracle_.violation()) {
            oracle_.report("liveness", what_is_amiss().value_or("it took too long"));
        }
    }
    Outcome outcome;
    outcome.steps = clockwork_.steps();
    outcome.time = clockwork_.now().since_start;
    outcome.violation = oracle_.violation();
    outcome.counts = oracle_.counts();
    outcome.faults = fault_counts_;
    outcome.last_events.assign(events_.begin(), events_.end());
    return outcome;
}

}  // namespace anyswan::sim
