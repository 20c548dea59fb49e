// SPDX-License-Identifier: Apache-2.0
// The ike role of an edge: hosts the engine and executes its outputs in the one order that matters,
// persist -> send, per chain of IKE SAs ("publish before respond"). It never touches a dataplane:
// what it negotiates reaches every dataplane, this machine's too, through the store.
//
// An action of the engine goes in steps: the facts that it makes, then its claims, which decide
// whether it happened at all (N4), then the facts that it ends, then its datagrams. So the fleet
// never lacks an SA that a claim names (N5), and who has lost an IKE SA ends nothing of it.
#pragma once

#include <deque>

#include "edge/claims.h"
#include "edge/facts.h"
#include "edge/live_trace.h"
#include "edge/loop.h"
#include "edge/tunnel_table.h"

namespace anyswan::edge {

/// Sends IKE datagrams; lossy.
using SendIke = std::function<void(std::vector<ike::Datagram>)>;

class IkeRole {
public:
    struct Parts {
        Loop& loop;
        Facts& facts;
        Claims& claims;
        Random& random;
        const TunnelTable& tunnels;
        ike::SpiSource& spis;
        SendIke send;
        std::string edge_name;
        /// An IKE SA was lost, and these Child SAs were made known that its claim may not name.
        std::function<void(IkeSpi, std::vector<EspSpi>)> on_lost = {};
        /// A gateway sent us elsewhere; may be empty.
        std::function<void(const ike::Redirected&)> on_redirected = {};
        /// Leases addresses of a tunnel's pool; null: there are none.
        std::function<void(ike::AddressesWanted, std::function<void(ike::AddressesGiven)>)>
            lease_addresses = nullptr;
        /// A certificate's CRL distribution point, wanted by a tunnel; null: not fetched.
        std::function<void(const std::string& url)> want_crl = nullptr;
    };
    IkeRole(Parts parts, ike::EngineConfig config);

    void on_datagram(ike::DatagramReceived datagram);
    void terminate(const sa::TunnelId& tunnel);
    /// What upkeep decided, or an operator.
    void want(ike::Input input) { feed(std::move(input)); }
    /// `children` as in the store; their keys are not needed.
    void adopt(sa::IkeSaRecord record, std::vector<sa::ChildSaRecord> children);
    /// Another edge owns the IKE SA now: it and those of its chain are forgotten here.
    void lost(IkeSpi spi);
    [[nodiscard]] std::vector<ike::IkeSaSummary> list() const { return engine_.list(); }
    [[nodiscard]] bool runs(IkeSpi spi) const { return engine_.runs(spi); }
    [[nodiscard]] std::vector<IkeSpi> kin(IkeSpi spi) const { return engine_.kin(spi); }
    /// Whether actions of the chain of IKE SAs are on their way to the store, or to the peer.
    [[nodiscard]] bool acting(IkeSpi spi) const { return queues_.contains(chain_of(spi)); }
    /// For `anyswan trace`.
    [[nodiscard]] LiveTrace& live_trace() { return live_trace_; }
    [[nodiscard]] std::optional<ike::ReadingKeys> reading_keys(ike::SpiPair spis) const {
        return engine_.reading_keys(spis);
    }
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    /// An action on its way.
    struct Pending {
        enum class Step : std::uint8_t { queued, making, claiming, ending };
        Step step = Step::queued;
        std::vector<ike::Write> made;
        std::vector<sa::IkeSaRecord> claims;
        std::vector<ike::Write> ended;  // tombstones
        std::vector<ike::Datagram> send;
        std::size_t outstanding = 0;
        bool deferred = false;  // a fact that it makes is not in the store yet
        bool lost = false;
    };
    using PendingPtr = std::shared_ptr<Pending>;
    /// The first IKE SA of those that rekeys made one from the other: they share Child SAs, and
    /// their actions go one after the other.
    using Chain = IkeSpi;

    void feed(ike::Input input);
    void execute(ike::Outputs outputs);
    void enqueue(ike::Action action);
    [[nodiscard]] Chain chain_of(IkeSpi spi) const;
    void advance(Chain chain);
    void step(Chain chain, const PendingPtr& pending);
    void put_fact(Chain chain, const ike::Write& write, const PendingPtr& pending,
                  Patience patience);
    void put_claim(Chain chain, const sa::IkeSaRecord& claim, const PendingPtr& pending);
    void written(Chain chain, const PendingPtr& pending);
    void send(std::vector<ike::Datagram> datagrams);
    void lease_addresses(ike::AddressesWanted wanted);
    void report(const ike::EngineEvent& event);
    void arm();

    Parts parts_;
    ike::Engine engine_;
    LiveTrace live_trace_;
    Timer timer_;
    std::map<Chain, std::deque<PendingPtr>> queues_;
    std::map<IkeSpi, Chain> chains_;
    bool advancing_ = false;
    std::deque<Chain> to_advance_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
