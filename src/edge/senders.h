// SPDX-License-Identifier: Apache-2.0
// Sender rules `per_edge` and `auto`. A Child SA has one sequence space, so two edges with traffic
// for one peer take its lease from each other, and packets wait. The way out: a Child SA for each
// of them, under the same IKE SA and with the same selectors (RFC 7296 2.8: "the protocol allows
// multiple SAs between the same pair of hosts with the same traffic selectors"). An edge that
// notices asks the fleet; the owner of the IKE SA creates one for it. `auto` asks when the lease
// went to and fro, `per_edge` as soon as another edge holds it. Pure.
//
// Nothing depends on it: until the new SA is there, or if the peer refuses it, the lease moves as
// with `pinned`; and what was made for an edge that died can be sent on by others, by its lease.
#pragma once

#include <deque>
#include <map>

#include "core/ike/engine.h"
#include "edge/bus_messages.h"

namespace anyswan::edge {

/// Child SAs for single edges under one IKE SA.
inline constexpr std::size_t own_children_max = 16;
/// One that nobody used for so long is deleted.
inline constexpr Duration own_child_idle_after = std::chrono::minutes(5);
/// After a peer refused one, or deleted it at once, its tunnel stays as it is for so long.
inline constexpr Duration own_child_pause = std::chrono::minutes(10);

/// At each edge: notices that an SA of its own would help.
class SenderNeeds {
public:
    explicit SenderNeeds(EdgeId self) : self_(self) {}

    /// Another edge took an SA's lease; `was_ours`: from us.
    void on_taken(Instant now, const LeaseTaken& lease, bool was_ours);
    /// Numbers of an SA are wanted whose lease isn't `held` here. What to tell the fleet, if it is
    /// time to.
    [[nodiscard]] std::optional<WantSender> on_need(Instant now, const sa::ChildSaRecord& record,
                                                    bool held);
    void forget(EspSpi spi) { seen_.erase(spi); }

private:
    struct Seen {
        EdgeId holder;               // as last heard
        std::deque<Instant> losses;  // when we lost the lease, lately
        std::optional<Instant> asked;
    };

    EdgeId self_;
    std::map<EspSpi, Seen> seen_;
};

/// At the owner of IKE SAs: makes them, and takes them away again.
class SenderGrants {
public:
    /// What the engine is to do about another edge's wish, if its IKE SA runs here.
    [[nodiscard]] std::optional<ike::Input> on_want(Instant now, const WantSender& want,
                                                    const std::vector<ike::IkeSaSummary>& sas,
                                                    const ike::TunnelDirectory& tunnels);
    /// An edge, this one too, tells what a Child SA carried.
    void on_traffic(Instant now, const TrafficRow& row);
    /// About once a second.
    [[nodiscard]] std::vector<ike::Input> decide(Instant now,
                                                 const std::vector<ike::IkeSaSummary>& sas);
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    struct Wanted {
        Instant since;
        std::optional<Instant> made;
    };
    using Key = std::pair<IkeSpi, EdgeId>;  // origin of the IKE SA, the sender

    [[nodiscard]] bool look_after(Instant now, const Key& key, Wanted& wanted,
                                  const std::map<Key, EspSpi>& living);
    void pause(Instant now, IkeSpi origin, const char* counter);

    std::map<Key, Wanted> wanted_;
    std::map<IkeSpi, Instant> paused_until_;
    std::map<EspSpi, Instant> used_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
