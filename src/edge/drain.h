// SPDX-License-Identifier: Apache-2.0
// Taking an edge out of the fleet without a loss, and back:
//
//   serving -> draining -> drained -> (the operator stops the daemon)
//      ^__________|___________|   cancelled, or not done in time
//
// Draining: routers are told (announce hook); IKE SAs go to other edges, each when it is in no
// exchange; what still comes is served or relayed; it ends when nothing has come for two seconds
// and everything is in the store. A drain that can't end is given up and says why: an edge that
// is half out of service is worse than one that serves.
#pragma once

#include "edge/ownership.h"

namespace anyswan::edge {

enum class DrainState : std::uint8_t { serving, draining, drained };
[[nodiscard]] const char* name(DrainState state);

struct DrainStatus {
    DrainState state = DrainState::serving;
    std::vector<std::string> waits_for;  // why it is not drained yet
    std::string given_up;                // why the last drain was; empty: it was not
};

/// For so long nothing may have come, from peers or to be sent to them.
inline constexpr Duration quiet_time = 2s;
/// What is in an exchange is waited for; after this it is handed over as it is, and the heir sends
/// our request again.
inline constexpr Duration exchange_patience = 10s;
inline constexpr std::size_t given_at_once = 64;

class Drain {
public:
    struct Parts {
        Loop& loop;
        const FleetView& fleet;
        const IkeRole& ike;
        const Claims& claims;
        Ownership& ownership;
        EdgeId self;
        /// Peers' traffic is to go elsewhere, or may come again.
        std::function<void()> withdraw;
        std::function<void()> announce;
        /// Why withdraw() has not worked yet; nothing: it has.
        std::function<std::optional<std::string>()> not_withdrawn;
        /// The last packet through our dataplane.
        std::function<Instant()> last_traffic;
        /// Facts and claims that the store has not acknowledged.
        std::function<std::size_t()> unwritten;
        /// The state is another one now.
        std::function<void(DrainState)> on_state = {};
    };
    explicit Drain(Parts parts) : parts_(std::move(parts)), timer_(parts_.loop) {}

    /// Fails if nobody can take over. Begun already: only the time it has is new.
    Status begin(Duration timeout);
    /// Serves again. IKE SAs that were handed over stay where they are.
    void cancel();
    /// The edge stops.
    void stop() { timer_.cancel(); }

    // What happens at this edge meanwhile.
    /// An IKE datagram came from the network.
    void on_ike() { last_ike_ = parts_.loop.now().instant; }
    /// Another edge received on these Child SAs: their peers' traffic goes there now.
    void on_marks(const Marks& marks);

    [[nodiscard]] DrainState state() const { return state_; }
    [[nodiscard]] DrainStatus status() const { return {state_, waits_for_, given_up_}; }
    /// While not serving: an edge that stays, another one each time; nothing if there is none.
    [[nodiscard]] std::optional<EdgeId> heir();
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    /// IKE SAs that rekeys made one from the other: they go together.
    struct Chain {
        std::vector<IkeSpi> spis;
        bool busy = false;
        bool given = false;
        std::optional<EdgeId> seen;  // where its peer's traffic came in last
    };

    void become(DrainState state);
    void look();
    void hand_over();
    void give(const Chain& chain);
    void wait_for_quiet(Instant now);
    [[nodiscard]] std::map<IkeSpi, Chain> chains() const;
    [[nodiscard]] std::vector<EdgeId> others() const;

    Parts parts_;
    Timer timer_;
    DrainState state_ = DrainState::serving;
    Instant deadline_;
    std::optional<Instant> withdrawn_;
    Instant last_ike_;
    std::map<EspSpi, EdgeId> seen_;
    std::size_t next_heir_ = 0;
    std::vector<std::string> waits_for_;
    std::string given_up_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
