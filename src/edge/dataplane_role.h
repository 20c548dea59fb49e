// SPDX-License-Identifier: Apache-2.0
// The dataplane role of an edge: turns the stream of facts into driver changes, and the driver's
// events into leases, questions and facts. It speaks no IKE and does not know which edge negotiated
// an SA.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "dataplane/driver.h"
#include "edge/bus_messages.h"
#include "edge/facts.h"
#include "edge/leases.h"
#include "edge/loop.h"
#include "edge/mark_exchange.h"
#include "edge/nat_keepalives.h"
#include "edge/senders.h"
#include "edge/troubles.h"

namespace anyswan::edge {

/// A row of `anyswan sa list`.
struct ChildRow {
    const sa::ChildSaRecord* record = nullptr;  // borrowed until the next change
    std::optional<sa::EndpointRecord> endpoint;
    std::optional<WallTime> applied_at;       // when the driver had it in force
    std::string trouble;                      // why this edge could not apply it
    std::vector<TroubleElsewhere> elsewhere;  // why others could not
    dataplane::Usage usage;                   // sums since this edge applied it
    bool sender = false;                      // holds the SequenceLease
};

class DataplaneRole {
public:
    struct Parts {
        Loop& loop;
        Facts& facts;
        dataplane::Driver& driver;
        Leases& leases;
        /// Sends a bus message; lossy.
        std::function<void(const std::string& subject, const BusBody&)> tell;
        std::string edge_name;
        Duration nat_keepalive{};       // 0: none are sent
        MarkExchange* marks = nullptr;  // null: windows begin at zero, and nobody is told
        EdgeId edge{};
    };
    explicit DataplaneRole(Parts parts);

    // Facts.
    void on_tunnel(const sa::TunnelRecord& record);
    void on_tunnel_deleted(const sa::TunnelId& id);
    void on_child(const sa::ChildSaRecord& record);
    void on_endpoint(const sa::EndpointRecord& record);
    /// All facts that the store had were handed over.
    void on_in_step();
    /// Until on_in_step() the driver gets nothing: windows would begin without the fleet's marks.
    void hold_back() { held_back_ = true; }

    // From the driver, and from the bus.
    void on_events(std::vector<dataplane::Event> events);
    void on_lease_taken(const LeaseTaken& lease);
    void lift(dataplane::LiftReplay lift) { change(lift); }
    /// An IKE datagram went there: no NAT-keepalive is needed for a while.
    void sent_to_peer(const Endpoint& local, const Endpoint& remote);
    /// Where the peer of an IKE SA (its `origin`) is.
    [[nodiscard]] std::optional<sa::EndpointRecord> endpoint(IkeSpi origin) const;

    [[nodiscard]] std::vector<ChildRow> list() const;
    /// Null if this edge knows no such Child SA; borrowed until the next change.
    [[nodiscard]] const sa::ChildSaRecord* find(EspSpi spi) const;
    [[nodiscard]] std::size_t installed() const;
    /// Whether a peer of the account has the address out of one of its pools.
    [[nodiscard]] bool is_assigned(const std::string& account, const IpAddress& address) const;
    /// What the SAs carried here since the last call.
    [[nodiscard]] std::vector<TrafficRow> take_traffic() { return std::exchange(traffic_, {}); }
    /// What this edge could not apply, for the others; nothing: the same as last time, none.
    [[nodiscard]] std::optional<std::vector<SaTrouble>> take_troubles();
    /// SAs that could not be applied here.
    [[nodiscard]] std::size_t failed() const { return failed_.size(); }
    /// Everything that was known at on_in_step() is with the driver.
    [[nodiscard]] bool settled() const { return settled_; }
    /// When the driver last spoke of packets, inbound or outbound.
    [[nodiscard]] Instant last_traffic() const { return last_traffic_; }
    /// Publish to applied, of the last record that another edge published; milliseconds.
    [[nodiscard]] std::int64_t lag_ms() const { return lag_ms_; }

private:
    struct Child {
        sa::ChildSaRecord record;
        std::optional<WallTime> applied_at;
        std::string trouble;
        dataplane::Usage usage;
    };

    [[nodiscard]] dataplane::SendOn send_on(const sa::ChildSaRecord& record) const;
    void install(Child& child);
    void report_applied(Child& child, WallTime now);
    void remove(dataplane::RemoveSa removal);
    void expire();
    void keep_nat_mappings();
    /// Puts a change into the batch that goes to the driver when this turn of the loop is over; a
    /// big one goes in parts, with turns of the loop between.
    void change(dataplane::Change change);
    void apply_batch();
    void on_event(const dataplane::NeedSequence& event);
    void on_event(const dataplane::UnknownSpi& event);
    void on_event(const dataplane::EndpointMoved& event);
    void on_event(const dataplane::Received& event);
    void on_event(const dataplane::Usage& event);
    void on_event(const dataplane::SaFailed& event);
    void on_event(const dataplane::SaApplied& event);
    static void on_event(const dataplane::DomainFailed& event);

    Parts parts_;
    Timer expiry_;
    Timer keepalive_;
    NatKeepalives keepalives_;
    SenderNeeds needs_;
    std::map<EspSpi, Child> children_;
    std::map<IkeSpi, sa::EndpointRecord> endpoints_;
    std::map<IkeSpi, std::set<EspSpi>> without_endpoint_;  // Child SAs that wait for it
    std::map<sa::TunnelId, std::vector<IpPrefix>> routes_;
    std::map<std::string, std::size_t> domains_;  // account -> number of its tunnels
    std::int64_t lag_ms_ = 0;
    std::vector<TrafficRow> traffic_;
    Instant last_traffic_;
    bool held_back_ = false;
    bool in_step_ = false;
    bool settled_ = false;
    std::set<EspSpi> failed_;  // what has trouble
    bool told_trouble_ = false;
    std::deque<dataplane::Change> batch_;
};

}  // namespace anyswan::edge
