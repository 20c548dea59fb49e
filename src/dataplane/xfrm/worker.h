// SPDX-License-Identifier: Apache-2.0
// The kernel dataplane's one thread: changes and events in, netlink out. Packets pass here only
// while their tunnel has no SA to send on, and IKE.
#pragma once

#include <deque>

#include "core/route/route_table.h"
#include "dataplane/user/domain_io.h"
#include "dataplane/user/outer_sockets.h"
#include "dataplane/xfrm/kernel.h"
#include "dataplane/xfrm/model.h"
#include "dataplane/xfrm/outrun.h"
#include "dataplane/xfrm/waiting_packets.h"
#include "dataplane/xfrm/xfrm_driver.h"
#include "net/poller.h"
#include "net/raw_ip.h"

namespace anyswan::dataplane::xfrm {

/// What the driver remembers of an SA besides the model: reports and questions.
struct SaBook {
    Usage seen;  // sums that the kernel reported, and were reported on
    std::uint64_t in_bytes = 0, in_packets = 0, out_bytes = 0, out_packets = 0;  // kernel's counts
    std::optional<Instant> asked;    // for sequence numbers, unanswered
    std::optional<Instant> sent_at;  // when packets were last seen to go out
    std::uint64_t rate_per_s = 0;
    std::optional<Instant> moved_at;
    SequenceNumber highest_at_move;
    SequenceNumber told;                 // the highest number in a Received
    std::optional<esp::FleetMark> mark;  // that the window is to follow
    std::uint64_t packets_at_mark = 0;   // the kernel's count when the mark was last looked at
    bool adopted = false;  // goes on with numbers of an earlier life until it is first used
    std::string trouble;   // why it isn't in force, as reported
    Duration retry_pause{};
    Instant retry_at;
};

class Worker {
public:
    /// What it works with.
    struct Parts {
        OuterSockets sockets;
        net::Poller poller;
        net::Waker waker;
        net::RouteNetlink netlink;
        Kernel kernel;
        net::NetlinkSocket events;
        net::RawIpSender injector;
        /// Without: packets that outrun their SA are lost, and `outrun_trouble` says why.
        std::optional<net::EspTap> tap{};
        std::string outrun_trouble{};
    };
    static Result<std::unique_ptr<Worker>> make(XfrmDriverConfig config, DriverSink sink);
    /// With these parts, of which tests make up some.
    static Result<std::unique_ptr<Worker>> make(XfrmDriverConfig config, DriverSink sink,
                                                Parts parts, Mode mode);

    void run_once();
    void apply(std::span<const Change> changes);
    void send_ike(std::span<const IkeDatagram> datagrams);
    [[nodiscard]] std::map<std::string, std::uint64_t> counters();
    [[nodiscard]] std::string describe() const;
    /// The TUN interfaces go; what is in the kernel stays.
    void close() { domains_.clear(); }
    [[nodiscard]] const net::Waker& waker() const { return waker_; }

private:
    struct DomainState {
        std::string account;
        std::unique_ptr<DomainIo> io;
        route::RouteTable<Tunnel*> routes;
    };
    Worker(XfrmDriverConfig config, DriverSink sink, Parts parts, Mode mode);
    static Result<Parts> open_parts(const XfrmDriverConfig& config);
    Status start();
    Status set_up_interface();
    Status load();

    // Changes (worker_changes.cc).
    void on(const AddDomain& change);
    void on(const RemoveDomain& change);
    void on(const InstallSa& change);
    void on(const RemoveSa& change);
    void on(const MoveEndpoint& change);
    void on(const AddRoute& change);
    void on(const RemoveRoute& change);
    void on(const AddAddress& change);
    void on(const RemoveAddress& change);
    void on(const GrantSequence& change);
    void on(const RevokeSequence& change);
    void on(const LiftReplay& change);
    void on(const DenySpi& change);
    void on(const Settled& change);
    void extend(Sa& sa, std::uint64_t first, std::uint64_t last);
    void move(Sa& sa, const Endpoint& local, const Endpoint& remote, bool udp_encapsulation);
    void adopt(Tunnel& tunnel);
    void remove_sa(Sa& sa);
    void account_failed(const std::string& account, const Status& status);
    void sa_failed(EspSpi spi, const std::string& why);

    // The kernel (worker_kernel.cc).
    void touch(const Tunnel& tunnel) { dirty_.insert(tunnel.number); }
    void reconcile();
    void bring(std::span<const std::uint32_t> numbers);
    void refused(const std::vector<Refusal>& refusals);
    void refused(Tunnel& tunnel, const Refusal& refusal);
    void gone(Tunnel& tunnel, const StateId& id);
    void refused(Sa& sa, bool inbound, const Refusal& refusal);
    void retry();
    void update_routes(std::span<const std::uint32_t> numbers);
    void update_route(const Domain& domain, const IpPrefix& prefix);
    [[nodiscard]] net::KernelRoute tunnel_route(const IpPrefix& prefix, std::uint32_t table,
                                                std::uint32_t if_id) const;
    [[nodiscard]] bool carries(const Tunnel& tunnel) const;
    void release_waiting(Tunnel& tunnel);

    // Packets that came before their SA (worker_events.cc).
    void receive_outrun();
    void release_outrun();
    void forget_spi(EspSpi spi);

    // Events and timers (worker_events.cc).
    void read_events();
    void on_event(const State& /*event*/) {}
    void on_event(const Policy& /*event*/) {}
    void on_event(const Expired& event);
    void on_event(const Acquire& event);
    void on_event(const Mapping& event);
    void on_event(const UseReport& event);
    void used(Sa& sa, const UseReport& report, bool inbound);
    void ask(Sa& sa, std::uint64_t waiting);
    /// It may be sent on like any other now.
    void stop_waiting(Sa& sa);
    void tick();
    void poll_some();
    void lift_some();
    void receive_ike(std::size_t socket);
    void read_tun(DomainState& domain);
    bool read_one(DomainState& domain);
    void hold(DomainState& domain, const esp::Packet& packet);
    void flush();

    const XfrmDriverConfig config_;
    const DriverSink sink_;
    OuterSockets sockets_;
    net::Poller poller_;
    net::Waker waker_;
    net::RouteNetlink netlink_;
    Kernel kernel_;
    net::NetlinkSocket kernel_events_;
    net::RawIpSender injector_;
    Model model_;
    std::string interface_;
    unsigned interface_index_ = 0;
    esp::DropCounts drops_{};
    WaitingPackets waiting_;
    std::optional<Outrun> outrun_;
    std::set<EspSpi> unknown_;  // SAs that the tap was not told of yet
    esp::PacketPool pool_;
    std::map<std::uint32_t, DomainState> domains_;  // by table
    std::unordered_map<EspSpi, SaBook> books_;
    std::set<std::uint32_t> dirty_;      // tunnels by number
    std::set<std::uint32_t> leftovers_;  // of an earlier life, until settled
    std::map<std::pair<std::uint32_t, IpPrefix>, std::uint32_t> routes_;  // to if_id
    std::deque<EspSpi> poll_;
    std::deque<EspSpi> to_lift_;  // SAs with a mark in their book
    std::vector<EspSpi> draining_;
    std::vector<EspSpi> letting_others_go_first_;  // with waits_until
    std::set<EspSpi> failed_;                      // worth another try
    std::set<EspSpi> retried_;                     // being tried again
    std::set<std::uint32_t> late_;  // tunnels of which the kernel refused a change or a route
    bool settled_ = false;
    bool sockets_kept_ = false;
    Instant now_;
    Instant next_tick_;
    Instant next_retry_;
    std::map<std::string, std::uint64_t> counts_;
    std::map<std::string, std::uint64_t> statistics_at_start_;
    std::string outrun_trouble_;  // why there is none

    std::vector<Event> out_;
    std::vector<IkeDatagram> ike_;
    std::vector<esp::OuterPacket> stray_;
};

/// The kernel's counters (/proc/net/xfrm_stat) of this network namespace.
[[nodiscard]] std::map<std::string, std::uint64_t> read_xfrm_statistics();

}  // namespace anyswan::dataplane::xfrm
