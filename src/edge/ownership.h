// SPDX-License-Identifier: Apache-2.0
// Which edge runs an IKE SA, and how that changes (invariant N4). Anycast may put any datagram of
// an IKE SA on any edge:
//
//   runs here                    -> the engine
//   its owner lives elsewhere    -> relayed over the bus
//   its owner is dead, or it is  -> read its claim; take it over by compare-and-swap, epoch + 1;
//   ours of an earlier life         then the engine goes on with it
//
// An owner that loses the compare-and-swap, or hears of a higher epoch, forgets the IKE SA and says
// nothing more. IKE SAs whose owner died without a word from their peers are taken over too, by one
// edge, so that they are rekeyed in time.
//
// A draining edge gives its IKE SAs away (ownership_handover.cc): it holds their datagrams, tells
// an heir, which takes them as if we were dead, and relays what it held. So the peer's request
// finds an owner at every moment.
#pragma once

#include <deque>
#include <map>

#include "edge/dataplane_role.h"
#include "edge/fleet_view.h"
#include "edge/ike_role.h"

namespace anyswan::edge {

/// Claims are read for that many IKE SAs at once; more wait for the peer's retransmission. Bounds
/// what somebody who invents SPIs can make the store do.
inline constexpr std::size_t claims_asked_max = 256;
/// An owner that was silent for so long has lost its IKE SAs, also those nobody asks for.
inline constexpr Duration orphaned_after = 5s;

class Ownership {
public:
    struct Parts {
        Loop& loop;
        store::Store& store;
        const sa::FleetKeys& keys;
        Random& random;
        Claims& claims;
        IkeRole& ike;
        const FleetView& fleet;
        /// Sends a bus message; lossy.
        std::function<void(const std::string& subject, const BusBody&)> tell;
        EdgeId self;
        Facts& facts;
        const DataplaneRole& dataplane;
        /// While this edge drains: another edge that should run what would begin here. Nothing:
        /// this edge stays, or there is none.
        std::function<std::optional<EdgeId>()> heir = {};
    };
    explicit Ownership(Parts parts) : parts_(std::move(parts)), look_(parts_.loop) {}

    /// A datagram that landed here, or was relayed to us (`hops` times).
    void receive(ike::DatagramReceived datagram, unsigned hops);
    /// Another edge says that it owns an IKE SA now.
    void on_owner(const OwnerIs& owner);
    /// We have lost an IKE SA after we had made these Child SAs known. Those that its claim doesn't
    /// name have never come to be.
    void on_lost(IkeSpi spi, std::vector<EspSpi> made);
    /// The store is there again: asks it whether what runs here is still ours.
    void on_connected();
    /// Goes on with what this edge owned in an earlier life. Resuming after a restart is a takeover
    /// from oneself: the same claim, epoch + 1 (N1: a new epoch starts its IVs anew).
    void resume();
    // Handing over.
    /// Gives IKE SAs of one chain to another edge: what comes for them is held until it says that
    /// it has them. If it doesn't, give_up_late() ends the attempt.
    void give(const std::vector<IkeSpi>& spis, EdgeId heir);
    [[nodiscard]] bool is_given(IkeSpi spi) const { return giving_.contains(spi); }
    [[nodiscard]] std::size_t giving() const { return giving_.size(); }
    /// Asks the store about what was given a second ago, and goes on with what is still ours.
    void give_up_late();
    /// Nothing is given away any more.
    void keep_all();
    /// Another edge gives us IKE SAs.
    void on_hand_over(const HandOver& hand_over);

    /// About once a second: tries resume() again if the store did not answer, and looks for IKE SAs
    /// whose owners are gone.
    void keep_up();

    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    /// Why a claim is being read: datagrams wait for it, or it may be an orphan.
    struct Asking {
        std::deque<ike::DatagramReceived> waiting;
        unsigned hops = 0;
        unsigned tries = 0;
        unsigned looks = 0;  // for Child SAs that the claim names
        /// The living owner that gives it to us; 0: none.
        EdgeId giver;
    };
    /// An IKE SA that is on its way to another edge.
    struct Giving {
        struct Held {
            ike::DatagramReceived datagram;
            unsigned hops = 0;
        };
        EdgeId heir;
        Instant since;
        std::deque<Held> held;
    };
    struct Known {
        EdgeId owner;
        Epoch epoch;
    };
    /// Whose IKE SAs a sweep over all claims takes.
    enum class Sweep : std::uint8_t { own, orphans };

    [[nodiscard]] std::optional<sa::IkeSaRecord> open(
        IkeSpi spi, const std::optional<store::Claim>& claim) const;
    void ask(IkeSpi spi);
    void on_claim(IkeSpi spi, const std::optional<store::Claim>& claim);
    void take(const sa::IkeSaRecord& claim, Revision revision);
    void taken(const sa::IkeSaRecord& mine, Revision revision);
    [[nodiscard]] std::optional<EdgeId> heir() const;
    void given(IkeSpi spi, EdgeId owner);
    void not_given(IkeSpi spi);
    void relay(EdgeId owner, ike::DatagramReceived datagram, unsigned hops);
    void adopt(const sa::IkeSaRecord& mine);
    void to_engine(IkeSpi spi);
    void give_up(IkeSpi spi, const char* counter);
    void sweep(Sweep what);
    void judge(Sweep what, const std::string& key);
    [[nodiscard]] bool gone(EdgeId owner) const;
    void verify();
    void verify(IkeSpi spi);
    void judge_made(IkeSpi spi, const std::vector<EspSpi>& made);
    /// Ends the Child SAs that were made known for IKE SAs we took and that no claim names: who
    /// made them died before they came to be.
    void tidy();
    void end_child(const sa::ChildSaRecord& child);
    [[nodiscard]] bool knows_children(const sa::IkeSaRecord& claim) const;
    [[nodiscard]] EdgeId owner_of(IkeSpi spi) const;
    [[nodiscard]] bool first_of_the_living() const;

    Parts parts_;
    std::map<IkeSpi, Asking> asking_;
    std::map<IkeSpi, Giving> giving_;
    /// Whose Child SAs are awaited.
    std::vector<IkeSpi> to_look_;
    Timer look_;
    /// Owners that are not the edge which allocated the SPI. Only a hint: a claim decides.
    std::map<IkeSpi, Known> known_;
    bool resume_wanted_ = true;
    /// Edges whose orphans were looked for since they went silent.
    std::map<EdgeId, Incarnation> swept_;
    /// IKE SAs that run here and of which the store is to say whether they are ours.
    std::deque<IkeSpi> to_verify_;
    std::multimap<IkeSpi, std::vector<EspSpi>> made_in_vain_;
    /// Origins of IKE SAs that were taken over, and when to tidy up after the former owner.
    std::map<IkeSpi, Instant> to_tidy_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
