// SPDX-License-Identifier: Apache-2.0
// A fleet, its store and its customers under one seed: first with faults, while the oracle watches
// (safety); then without, when everything has to come right again (liveness).
#pragma once

#include <deque>
#include <string>

#include "sim/node.h"

namespace anyswan::sim {

struct Scenario {
    std::uint64_t seed = 1;
    std::uint64_t steps = 200000;  // of the phase with faults
    std::size_t edges = 0;         // 0: by the seed
    std::size_t peers = 0;         // likewise
    Bugs bugs;
    bool log = false;  // every log line of every node to standard output
};

struct Outcome {
    std::uint64_t steps = 0;
    Duration time{};  // virtual
    std::optional<Violation> violation;
    Oracle::Counts counts;
    std::map<std::string, std::uint64_t> faults;  // how often each was made
    std::vector<std::string> last_events;
};

class World {
public:
    explicit World(const Scenario& scenario);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    [[nodiscard]] Outcome run();

private:
    struct Machine {
        std::string name;
        IpAddress address;
        Duration skew{};
        std::uint64_t starts = 0;
        std::shared_ptr<store::MemoryHub> hub;
        std::unique_ptr<Node> node;  // nothing: it is down
        std::optional<Instant> drains_since;
    };
    struct Fault {
        const char* name;
        unsigned weight;
        void (World::*make)();
    };

    void build();
    void boot(NodeNumber number);
    void crash(NodeNumber number);
    [[nodiscard]] NodePlan plan_of(NodeNumber number);
    [[nodiscard]] sa::TunnelRecord tunnel_of(NodeNumber peer, bool at_peer) const;
    void configure_tunnels();
    void deliver(NodeNumber to, const Datagram& datagram);

    // Traffic.
    void keep_talking(NodeNumber peer);
    void talk(NodeNumber from, NodeNumber peer);
    [[nodiscard]] static Bytes inner_packet(NodeNumber peer, bool to_peer, std::uint64_t number);

    // An attacker who records and repeats.
    void record(const Datagram& datagram);
    void keep_replaying();
    void watch_links();
    void judge_new_sa(const sa::ChildSaRecord& at_peer);

    // Faults (faults.cc).
    void plan_fault();
    void make_fault();
    void heal();
    void crash_edge();
    void drain_edge();
    void begin_drain(NodeNumber edge);
    void watch_drain(NodeNumber edge);
    void drained(NodeNumber edge);
    void route_away_from(NodeNumber edge);
    void crash_peer();
    void move_route();
    void set_leader(store::Leader leader);
    void silence_store();
    void lose_leader();
    void cut_from_store();
    void silence_bus();
    void cut_path();
    void change_weather();
    void drop_fast_path();
    void step_clock();
    void order_rekey();
    void end_silence();

    // Liveness (liveness.cc).
    [[nodiscard]] bool converge();
    [[nodiscard]] std::optional<std::string> what_is_amiss();
    void look_for_ghosts();
    [[nodiscard]] bool drain_works();
    [[nodiscard]] bool packets_pass();

    [[nodiscard]] bool is_edge(NodeNumber number) const { return number < edges_; }
    [[nodiscard]] NodeNumber some_edge() { return random_.below(edges_); }
    [[nodiscard]] NodeNumber some_peer() { return edges_ + random_.below(peers_); }
    [[nodiscard]] Duration up_to(Duration longest);
    void note(const std::string& event);

    Scenario scenario_;
    Clockwork clockwork_;
    SeededRandom random_;
    Oracle oracle_;
    std::shared_ptr<const void> life_ = std::make_shared<int>(0);
    Network network_;
    std::shared_ptr<store::MemoryHub> hub_;
    sa::FleetKeys fleet_keys_;
    std::size_t edges_ = 0;
    std::size_t peers_ = 0;
    std::vector<Machine> machines_;
    bool faults_ = true;
    bool leader_well_ = true;
    /// One edge drains when all is well again: that must work.
    enum class PeaceDrain : std::uint8_t { not_yet, under_way, done };
    PeaceDrain peace_drain_ = PeaceDrain::not_yet;
    std::uint64_t inner_packets_ = 0;
    std::deque<Datagram> recorded_;  // ESP that came to edges
    std::uint64_t judged_sent_ = 0;
    std::uint64_t judged_received_ = 0;
    /// Child SAs that only some edges know, since when.
    std::map<EspSpi, Instant> known_to_some_;
    std::map<std::string, std::uint64_t> fault_counts_;
    std::deque<std::string> events_;
};

}  // namespace anyswan::sim
