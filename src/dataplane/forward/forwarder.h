// SPDX-License-Identifier: Apache-2.0
// The packet path of our own ESP, without any I/O: batches in, batches out, `now` as an argument.
// The user driver runs it between sockets and TUN interfaces, the fake driver between test queues,
// so that what simulations and unit tests exercise is what carries customers' packets.
//
//   receive():  outer packets -> SA by SPI -> open -> inner packets     (unknown SPI: held)
//   send():     inner packets -> route -> tunnel -> SA -> seal -> outer packets
//                                                                (no numbers: they wait)
//
// Owned by one thread.
#pragma once

#include <map>
#include <memory>

#include "core/esp/overhead.h"
#include "core/route/route_table.h"
#include "dataplane/forward/held_packets.h"
#include "dataplane/forward/sa_table.h"

namespace anyswan::dataplane {

struct InnerPacket {
    esp::Packet packet;
    DomainId domain;
};

/// What a call of the forwarder produced, in order; the caller sends it and clears.
struct ForwarderOutput {
    std::vector<InnerPacket> inner;       // for the network stack of their domain
    std::vector<esp::OuterPacket> outer;  // for peers
    std::vector<Event> events;
    void clear();
};

struct ForwarderOptions {
    /// Leads all our AEAD IVs (N1).
    Incarnation incarnation{1};
    unsigned worker = 0;
    unsigned workers = 1;
    /// Biggest inner packet; bigger ones are answered with "too big", TCP's MSS is clamped to it.
    std::size_t inner_mtu = esp::default_inner_mtu;
    /// Follow a peer whose outer address changes. RFC 7296 2.23: a host that is itself behind a NAT
    /// should not.
    bool follow_moved_peers = true;
};

/// Packets and bytes (of inner packets) since start.
struct ForwarderCounts {
    std::uint64_t packets_in = 0, bytes_in = 0, packets_out = 0, bytes_out = 0;
    std::uint64_t held_unknown_spi = 0;     // packets that were held, whatever came of them
    std::uint64_t waited_for_sequence = 0;  // packets that had to wait
    std::uint64_t too_big_sent = 0;
    std::uint64_t mss_clamped = 0;
    std::uint64_t endpoint_moves = 0;
};

class Forwarder {
public:
    /// `random` (for CBC IVs) and `pool` outlive the forwarder.
    Forwarder(const ForwarderOptions& options, Random& random, esp::PacketPool& pool);

    /// One change; packets that it sets free go to `out`.
    void apply(const Change& change, const Now& now, ForwarderOutput& out);
    /// ESP packets from the outside; moved from.
    void receive(std::span<esp::OuterPacket> packets, const Now& now, ForwarderOutput& out);
    /// Inner packets of one domain on their way to tunnels; moved from.
    void send(DomainId domain, std::span<esp::Packet> packets, const Now& now,
              ForwarderOutput& out);
    /// Timers; to be called about every tick_interval.
    void tick(const Now& now, ForwarderOutput& out);

    [[nodiscard]] std::optional<DomainId> find_domain(const std::string& account) const;
    [[nodiscard]] const ForwarderCounts& counts() const { return counts_; }
    [[nodiscard]] const esp::DropCounts& drops() const { return drops_; }
    /// For the host's own reasons to drop.
    [[nodiscard]] esp::DropCounts& drops() { return drops_; }
    [[nodiscard]] std::size_t sa_count() const { return sas_.size(); }
    [[nodiscard]] std::size_t domain_count() const { return domains_.size(); }

private:
    struct ByName {
        bool operator()(const Tunnel* a, const Tunnel* b) const { return a->id < b->id; }
    };
    struct Domain {
        DomainId id;
        std::string account;
        route::RouteTable<Tunnel*, ByName> routes{};
        /// Its tunnels that have routes.
        std::vector<Tunnel*> routed{};
    };
    /// Where an inner packet goes; `sa` is null if it was dropped.
    struct Routed {
        Sa* sa = nullptr;
        std::uint8_t traffic_class = 0;
    };

    // Changes (forwarder_changes.cc).
    void on(const AddDomain& change, const Now& now, ForwarderOutput& out);
    void on(const RemoveDomain& change, const Now& now, ForwarderOutput& out);
    void on(const InstallSa& change, const Now& now, ForwarderOutput& out);
    void on(const RemoveSa& change, const Now& now, ForwarderOutput& out);
    void on(const MoveEndpoint& change, const Now& now, ForwarderOutput& out);
    void on(const AddRoute& change, const Now& now, ForwarderOutput& out);
    void on(const RemoveRoute& change, const Now& now, ForwarderOutput& out);
    // The kernel's side alone.
    static void on(const AddAddress& /*change*/, const Now& /*now*/, ForwarderOutput& /*out*/) {}
    static void on(const RemoveAddress& /*change*/, const Now& /*now*/, ForwarderOutput& /*out*/) {}
    void on(const GrantSequence& change, const Now& now, ForwarderOutput& out);
    void on(const RevokeSequence& change, const Now& now, ForwarderOutput& out);
    void on(const LiftReplay& change, const Now& now, ForwarderOutput& out);
    void on(const DenySpi& change, const Now& now, ForwarderOutput& out);
    void on(const Settled& /*change*/, const Now& /*now*/, ForwarderOutput& /*out*/) {}
    [[nodiscard]] std::vector<esp::Packet> remove_sa(EspSpi spi);
    [[nodiscard]] std::vector<esp::Packet> take_waiting(Sa& sa);
    [[nodiscard]] Domain* domain_of(const std::string& account);

    // Inbound (forwarder.cc).
    void receive_run(Sa& sa, std::span<esp::OuterPacket> packets, const Now& now,
                     ForwarderOutput& out);
    void hold_run(EspSpi spi, std::span<esp::OuterPacket> packets, const Now& now,
                  ForwarderOutput& out);
    void deliver(Sa& sa, esp::OuterPacket& outer, const esp::Opened& opened, ForwarderOutput& out);
    void follow_peer(Sa& sa, const esp::OuterPacket& from, const Now& now, ForwarderOutput& out);

    // Outbound (forwarder_send.cc).
    [[nodiscard]] Routed route(Domain& domain, esp::Packet& packet, const Now& now,
                               ForwarderOutput& out);
    [[nodiscard]] Expected<Sa*, esp::DropReason> choose_sa(const std::vector<Tunnel*>& tunnels,
                                                           const wire::ip::IpView& packet,
                                                           const Now& now);
    [[nodiscard]] bool must_wait(const Sa& sa, const wire::ip::IpView& packet,
                                 const Now& now) const;
    void answer_too_big(const Domain& domain, const esp::Packet& packet,
                        const wire::ip::IpView& view, ForwarderOutput& out);
    void seal_run(Sa& sa, std::span<esp::Packet> packets, std::span<const Routed> routed,
                  const Now& now, ForwarderOutput& out);
    void wait(Sa& sa, esp::Packet& packet, std::uint8_t traffic_class, Instant now);
    void send_waiting(Sa& sa, const Now& now, ForwarderOutput& out);
    void emit(Sa& sa, esp::Packet& packet, std::uint8_t traffic_class, std::size_t inner_size,
              ForwarderOutput& out);
    void ask_for_sequence(Sa& sa, Instant now, ForwarderOutput& out);

    void drop(esp::DropReason reason, esp::Packet& packet);
    void mark_used(Sa& sa);
    void expire_waiting(Sa& sa, Instant now);
    void report_marks(ForwarderOutput& out);
    void report(const Now& now, ForwarderOutput& out);

    ForwarderOptions options_;
    Random& random_;
    esp::PacketPool& pool_;
    esp::IvAllocator ivs_;
    esp::DropCounts drops_{};
    ForwarderCounts counts_;
    SaTable sas_;
    HeldPackets held_;
    std::map<std::string, std::unique_ptr<Domain>> domains_;
    std::unordered_map<DomainId, Domain*> domains_by_id_;
    DomainId next_domain_{1};
    std::size_t waiting_count_ = 0;
    /// SAs with packets waiting, that drain, with a mark, usage or a move to report.
    std::vector<EspSpi> waiting_sas_;
    std::vector<EspSpi> draining_sas_;
    std::vector<EspSpi> marked_sas_;
    std::vector<EspSpi> used_sas_;
    std::vector<EspSpi> moved_sas_;
    std::optional<Instant> reported_;
    Instant marks_reported_{};
    // Scratch space of one call, kept so that packets cost no allocation.
    std::vector<esp::Opened> opened_;
    std::vector<Routed> routed_;
    std::vector<std::size_t> sizes_;
};

}  // namespace anyswan::dataplane
