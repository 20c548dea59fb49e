// SPDX-License-Identifier: Apache-2.0
// The ike role of an edge: hosts the engine and executes its outputs in the one order that matters,
// persist -> send, per IKE SA ("publish before respond"). It never touches a dataplane: what it
// negotiates reaches every dataplane, this machine's too, through the store.
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
    void lost(IkeSpi spi);
    [[nodiscard]] std::vector<ike::IkeSaSummary> list() const { return engine_.list(); }
    [[nodiscard]] bool runs(IkeSpi spi) const;
    /// For `anyswan trace`.
    [[nodiscard]] LiveTrace& live_trace() { return live_trace_; }
    [[nodiscard]] std::optional<ike::ReadingKeys> reading_keys(ike::SpiPair spis) const {
        return engine_.reading_keys(spis);
    }
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    /// An action on its way: its datagrams wait until no write is outstanding.
    struct Pending {
        std::vector<ike::Datagram> send;
        std::size_t outstanding = 0;
        bool lost = false;
    };
    using PendingPtr = std::shared_ptr<Pending>;

    void feed(ike::Input input);
    void execute(ike::Outputs outputs);
    void lease_addresses(ike::AddressesWanted wanted);
    void persist(IkeSpi spi, const ike::Write& write, const PendingPtr& pending);
    void written(IkeSpi spi, const PendingPtr& pending);
    void drain(IkeSpi spi);
    void report(const ike::EngineEvent& event);
    void arm();

    Parts parts_;
    ike::Engine engine_;
    LiveTrace live_trace_;
    Timer timer_;
    std::map<IkeSpi, std::deque<PendingPtr>> queues_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
