// SPDX-License-Identifier: Apache-2.0
// One life of one machine: an edge, or a branch connector (which is an edge of a fleet of one),
// with its loop on virtual time, its client of the store and its dataplane between queues. All of
// it but this file is what the daemon runs. Destroying it is a crash.
#pragma once

#include <functional>
#include <map>

#include "core/esp/transform.h"
#include "dataplane/fake/fake_driver.h"
#include "edge/edge.h"
#include "sim/bugs.h"
#include "sim/network.h"
#include "sim/oracle.h"
#include "store/memory/memory.h"

namespace anyswan::sim {

class SimLoop final : public edge::Loop {
public:
    /// `skew`: how wrong this machine's wall clock is.
    SimLoop(Clockwork& clockwork, Life life, Duration skew)
        : clockwork_(clockwork), life_(std::move(life)), skew_(skew) {}
    [[nodiscard]] Now now() const override;
    void post(std::function<void()> task) override { clockwork_.after({}, life_, std::move(task)); }
    void set_skew(Duration skew) { skew_ = skew; }

private:
    [[nodiscard]] std::unique_ptr<edge::Alarm> make_alarm() override;
    Clockwork& clockwork_;
    Life life_;
    Duration skew_;
};

/// What all nodes share.
struct Surroundings {
    Clockwork& clockwork;
    Network& network;
    Oracle& oracle;
    Bugs bugs;
};

struct NodePlan {
    NodeNumber number = 0;
    std::string name;
    std::uint64_t life = 0;  // counts this machine's starts
    std::uint64_t seed = 0;
    Duration skew{};
    std::shared_ptr<store::MemoryHub> hub;
    Duration store_latency{};  // at most, one way
    config::EdgeConfig config;
    std::optional<edge::ConnectorPlan> connector;
    /// Hears of each Child SA that comes into force here, if anybody wants to know.
    std::function<void(const sa::ChildSaRecord&)> on_new_sa;
};

class Node final : public edge::Host {
public:
    Node(const Surroundings& around, NodePlan plan);
    ~Node() override;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    void start();
    void receive(const Datagram& datagram);
    /// A packet of the customer's own network, or of the fleet's side, goes into the tunnel.
    void send_inner(ByteView packet);

    [[nodiscard]] edge::Edge& edge() { return *edge_; }
    [[nodiscard]] const std::string& name() const { return plan_.name; }
    [[nodiscard]] Life life() const { return life_; }
    [[nodiscard]] SimLoop& sim_loop() { return loop_; }
    /// Null before the store was opened.
    [[nodiscard]] store::LocalStore* store() { return store_; }
    /// Whether the bus carries nothing from and to this node; the rest of the store works.
    void set_bus_silent(bool silent) { bus_silent_ = silent; }
    /// Notes that the hub has cut it off, or not any more.
    void set_cut_off(bool cut_off) { cut_off_ = cut_off; }
    [[nodiscard]] bool cut_off() const { return cut_off_; }
    [[nodiscard]] bool hears_bus() const { return !bus_silent_ && !cut_off_; }
    /// Whether routers are told to send what goes to the anycast address here.
    [[nodiscard]] bool announced() const { return announced_; }
    [[nodiscard]] const std::optional<std::string>& fatal() const { return fatal_; }

    // Host.
    [[nodiscard]] edge::Loop& loop() override { return loop_; }
    [[nodiscard]] Random& random() override { return random_; }
    [[nodiscard]] Result<std::unique_ptr<store::Store>> open_store(
        const config::StoreChoice& choice) override;
    [[nodiscard]] Result<std::unique_ptr<dataplane::Driver>> make_driver(
        const edge::DriverWishes& wishes, dataplane::DriverSink sink) override;
    [[nodiscard]] Status announce(const IpAddress& address) override;
    [[nodiscard]] Status withdraw(const IpAddress& address) override;
    void run(net::Command command, std::function<void(Status)> done) override;
    [[nodiscard]] Status run_and_wait(const net::Command& command) override;

private:
    /// The outbound half of a Child SA.
    struct Sender {
        EspSpi inbound;
        esp::Transform transform;
    };

    friend class SimDriver;
    void advance_driver();
    void note_sas(std::span<const dataplane::Change> changes);
    [[nodiscard]] EspSpi sender_of(ByteView packet);
    /// Takes what the driver made to the network and to the oracle.
    void drain();

    Surroundings around_;
    NodePlan plan_;
    std::shared_ptr<const void> life_ = std::make_shared<int>(0);
    SimLoop loop_;
    SeededRandom random_;
    SeededRandom driver_random_;
    store::LocalStore* store_ = nullptr;       // owned by the edge
    dataplane::FakeDriver* driver_ = nullptr;  // likewise
    Instant store_answers_{};                  // answers keep their order
    /// By outbound SPI. A peer whose request two owners answered has one SPI for two Child SAs.
    std::map<EspSpi, std::vector<Sender>> senders_;
    bool announced_ = false;
    bool bus_silent_ = false;
    bool cut_off_ = false;
    std::optional<std::string> fatal_;
    std::unique_ptr<edge::Edge> edge_;
};

}  // namespace anyswan::sim
