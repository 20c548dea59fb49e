// SPDX-License-Identifier: Apache-2.0
// One edge: the wiring of store, roles, driver and bus. No protocol is decided here.
//
// Start: open the store -> claim number, incarnation and SPIs -> driver -> watch the facts -> in
// step -> the fleet's replay marks -> all SAs in the driver -> announce the anycast addresses.
#pragma once

#include "config/config.h"
#include "edge/addresses.h"
#include "edge/announce_hook.h"
#include "edge/bootstrap.h"
#include "edge/capture_trace.h"
#include "edge/crls.h"
#include "edge/dataplane_role.h"
#include "edge/drain.h"
#include "edge/fleet_view.h"
#include "edge/host.h"
#include "edge/ike_role.h"
#include "edge/keeper.h"
#include "edge/leases.h"
#include "edge/mark_exchange.h"
#include "edge/ownership.h"
#include "edge/roamer.h"
#include "edge/sa_orders.h"
#include "edge/spi_source.h"
#include "edge/upkeep.h"
#include "net/http_fetcher.h"

namespace anyswan::edge {

/// A branch connector's own part: the tunnels it brings up and where to.
struct ConnectorPlan {
    Endpoint local;  // address unspecified: as the routes say, also when they change
    Endpoint remote;
    std::vector<sa::TunnelRecord> tunnels;
};

/// Where this edge sends peers that support REDIRECT (RFC 5685): new ones, and with `existing` also
/// those that are here. Without `to` nobody any more.
struct RedirectOrder {
    std::optional<sa::TunnelId> tunnel;  // nothing: all
    std::optional<ike::Gateway> to;
    bool existing = false;
};

/// Whether peers' traffic should come here.
struct Health {
    bool ready = false;
    std::string state;                 // starting, serving, draining, drained
    std::vector<std::string> lacks;    // why it is not ready, or not drained
    std::vector<std::string> trouble;  // what is wrong and doesn't keep it from serving
    std::string given_up;              // why the last drain was
    bool announced = false;            // routers are told to send traffic here
    bool in_step = false;
    Revision applied;
    Revision applied_in_fleet;    // the highest that any edge says
    std::size_t edges_alive = 0;  // this one among them
    std::size_t ike_sas = 0;
};

class Edge {
public:
    /// `host` outlives the edge.
    Edge(Host& host, config::EdgeConfig config, std::optional<ConnectorPlan> connector);
    ~Edge();
    Edge(const Edge&) = delete;
    Edge& operator=(const Edge&) = delete;

    /// Opens what can fail at once; the rest goes on in the loop. `on_fatal` hears why the edge
    /// can't run.
    Status start(std::function<void(Error)> on_fatal);
    /// Withdraws the addresses and stops the driver.
    void stop();

    // For the API.
    [[nodiscard]] const config::EdgeConfig& config() const { return config_; }
    [[nodiscard]] const TunnelTable& tunnels() const { return tunnels_; }
    [[nodiscard]] std::vector<ChildRow> child_sas() const;
    [[nodiscard]] std::vector<ike::IkeSaSummary> ike_sas() const;
    [[nodiscard]] std::vector<FleetMember> fleet() const;
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;
    [[nodiscard]] Heartbeat status() const;
    [[nodiscard]] std::string store_text() const;
    [[nodiscard]] bool store_connected() const;
    [[nodiscard]] std::string driver_text() const;
    /// Has all that the fleet knows: records, and what was received.
    [[nodiscard]] bool serving() const {
        return ike_ != nullptr && facts_->in_step() && marks_->met();
    }
    /// The store has answered since the start; before that, there is nowhere to write to.
    [[nodiscard]] bool can_write() const { return facts_ != nullptr; }
    /// Writes a tunnel's configuration for the whole fleet. Only if can_write().
    void apply_tunnel(const sa::TunnelRecord& record, std::function<void(Written)> done);
    /// Ends the tunnel's SAs everywhere and forgets it. False: there is none of that name.
    bool delete_tunnel(const sa::TunnelId& id, std::function<void(Written)> done);

    /// Rekeys or ends an SA whose IKE SA this edge runs; order_input() says how `spi` names it.
    Status order(SaOrder order, const std::string& spi);
    /// How many IKE SAs were told to go.
    Result<std::size_t> redirect(const RedirectOrder& order);

    /// For routers' health checks and `anyswan health`.
    [[nodiscard]] Health health() const;
    /// Hands everything over to the other edges; health() says how far it is. Given up, and served
    /// again, if it is not done in time.
    Status drain(Duration timeout);
    Status cancel_drain();
    [[nodiscard]] bool drained() const {
        return drain_ != nullptr && drain_->state() == DrainState::drained;
    }

    // `anyswan trace`; only while serving().
    [[nodiscard]] LiveTrace::Page live_trace(std::uint64_t last);
    void trace(std::vector<wire::pcap::UdpDatagram> capture,
               std::function<void(std::vector<std::string>)> done);

private:
    void on_link(store::LinkState state, const std::string& why);
    void begin(const Bootstrap::Held& held);
    Status make_driver(Incarnation incarnation);
    void make_roles();
    void listen_bus();
    void more_spis();
    void plan_repair();
    void keep_up();
    void flush();
    void tell_traffic();
    void make_crls();
    void on_record(const sa::Record& record);
    void on_in_step();
    void begin_serving();
    void on_ike(std::vector<dataplane::IkeDatagram> datagrams);
    void give_ike(ike::DatagramReceived datagram, unsigned hops);
    void on_bus(const store::BusMessage& message);
    void tell(const std::string& subject, const BusBody& body);
    void make_drain();
    void on_drain(DrainState state);
    void put_edge_record();
    void announce_if_ready();
    void announce();
    void take_addresses_off();
    [[nodiscard]] std::vector<std::string> not_ready() const;
    [[nodiscard]] net::Command hook_command(const std::string& word) const;

    Host& host_;
    Loop& loop_;
    Random& random_;
    config::EdgeConfig config_;
    std::optional<ConnectorPlan> connector_;
    std::function<void(Error)> on_fatal_;
    TunnelTable tunnels_;
    FleetView fleet_;
    Troubles troubles_;
    sa::SpiPool spi_pool_;
    SpiSource spis_;
    bool claiming_spis_ = false;
    bool ready_ = false;  // was, since the start
    bool announce_wanted_ = false;
    bool announced_ = false;  // the addresses are on lo
    std::map<std::string, std::uint64_t> counters_;
    AnnounceHook hook_;
    Timer heartbeat_;
    Timer repair_;
    Timer second_;
    Upkeep upkeep_;
    SenderGrants grants_;
    bool repair_planned_ = false;
    unsigned seconds_ = 0;  // that the store has been there
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<Bootstrap> bootstrap_;
    std::unique_ptr<Facts> facts_;
    std::unique_ptr<Claims> claims_;
    std::unique_ptr<Leases> leases_;
    std::unique_ptr<Addresses> addresses_;
    std::unique_ptr<Crls> crls_;
    std::unique_ptr<net::HttpFetcher> fetcher_;  // made when first needed
    std::unique_ptr<dataplane::Driver> driver_;
    std::unique_ptr<MarkExchange> marks_;
    std::unique_ptr<DataplaneRole> dataplane_;
    std::unique_ptr<IkeRole> ike_;
    std::unique_ptr<Ownership> ownership_;
    std::unique_ptr<Drain> drain_;
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Roamer> roamer_;
};

}  // namespace anyswan::edge
