// SPDX-License-Identifier: Apache-2.0
// A dataplane as the edge sees it: batches of changes go in, batches of events come out. The same
// interface serves the kernel (xfrm), our userspace ESP and a fake. A driver never speaks IKE and
// knows no store; it knows tunnels only as (account, routes, SAs).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/esp/replay_window.h"
#include "core/sa/records.h"

namespace anyswan::dataplane {

/// An inner routing domain: one per account. Accounts may use the same prefixes and never meet.
struct AddDomain {
    std::string account;
};
struct RemoveDomain {
    std::string account;
};

/// Which of a tunnel's Child SAs to send on: one of our own (sender rule `per_edge`), else one that
/// all share, else another edge's. Among equals the newest.
enum class SendOn : std::uint8_t { own = 0, shared = 1, others = 2 };

/// Both directions of a Child SA, to be installed. Installing an SPI that is installed is a no-op.
/// An SA with outbound_waits isn't sent on while the one it replaces can be, until a packet came
/// in; if it replaces none, while any other of the tunnel can be, until then or for outbound_wait.
struct InstallSa {
    sa::ChildSaRecord record;
    Endpoint local;
    Endpoint remote;
    bool udp_encapsulation = false;
    /// We are behind a NAT: a peer whose packets come from elsewhere isn't followed (RFC 7296
    /// 2.23).
    bool behind_nat = false;
    /// What other edges have received on it: the replay window starts there (N3).
    esp::FleetMark mark{};
    SendOn send_on = SendOn::shared;
};
/// Nothing is sent on the SA any more. With `drain` what is still under way to us is received for a
/// few seconds (it was replaced by a rekey); without it the SA is cut off at once.
struct RemoveSa {
    EspSpi inbound_spi;
    bool drain = false;
};
/// The peer of an IKE SA moved: all its Child SAs follow.
struct MoveEndpoint {
    IkeSpi ike_spi;
    Endpoint local;
    Endpoint remote;
    bool udp_encapsulation = false;
    bool behind_nat = false;  // as in InstallSa
};
/// Inner routing: packets for `prefix` go to the tunnel's best Child SA that may be sent on.
struct AddRoute {
    sa::TunnelId tunnel;
    IpPrefix prefix;
};
struct RemoveRoute {
    sa::TunnelId tunnel;
    IpPrefix prefix;
};
/// An inner address of ours, which the peer of a tunnel gave us: it is put on the account's
/// interface. Counted: as many removals as additions take it off.
struct AddAddress {
    std::string account;
    IpAddress address;
};
struct RemoveAddress {
    std::string account;
    IpAddress address;
};
/// Answer to NeedSequence: this edge may use numbers first..last on the SA's outbound side. A grant
/// that follows on the last one extends it; a higher `first` skips. SAs whose peer doesn't check
/// replay (sender rule `spread`, RFC 9827's unspecified numbers) need none: each edge counts.
struct GrantSequence {
    EspSpi inbound_spi;
    SequenceNumber first;
    SequenceNumber last;
};
/// Another edge is the sender now: use no more numbers of the SA until the next grant.
struct RevokeSequence {
    EspSpi inbound_spi;
};
/// Other edges have received on the SA: the replay window follows (N3).
struct LiftReplay {
    EspSpi inbound_spi;
    esp::FleetMark mark;
};
/// Answer to UnknownSpi when nobody knows it: drop what is held.
struct DenySpi {
    EspSpi inbound_spi;
};

/// All that the store has was given: what a driver found of the daemon's earlier life and was not
/// named since can go. May come more than once.
struct Settled {};

using Change = std::variant<AddDomain, RemoveDomain, InstallSa, RemoveSa, MoveEndpoint, AddRoute,
                            RemoveRoute, AddAddress, RemoveAddress, GrantSequence, RevokeSequence,
                            LiftReplay, DenySpi, Settled>;

/// Packets for the peer wait, or soon will: numbers are needed. `used_up_to` is the highest number
/// used (0 none); `rate` is the recent sending rate in packets per second. Repeated every 200 ms
/// while packets wait unanswered; they wait for up to a second.
struct NeedSequence {
    EspSpi inbound_spi;
    SequenceNumber used_up_to;
    std::uint64_t rate_per_s = 0;
};
/// An ESP packet with an SPI that isn't installed; it is held for a bounded time.
struct UnknownSpi {
    EspSpi inbound_spi;
    Endpoint remote;
};
/// An authenticated packet with a new highest number came from a new outer address.
struct EndpointMoved {
    EspSpi inbound_spi;
    Endpoint local;
    Endpoint remote;
};
/// Authentic packets came in, and `highest`, where the window stands, was not told yet. At most
/// every mark_interval for one SA: other edges lift their windows by it. A packet below a mark that
/// lifted the window counts, too: no other edge has it.
struct Received {
    EspSpi inbound_spi;
    SequenceNumber highest;
};
inline constexpr Duration mark_interval = 100ms;
/// Traffic in either direction since the last report; sent about once a second for SAs that had
/// any.
struct Usage {
    EspSpi inbound_spi;
    std::uint64_t bytes_in = 0, packets_in = 0, bytes_out = 0, packets_out = 0;
    SequenceNumber highest_in;   // authenticated
    SequenceNumber highest_out;  // used
};
/// The driver could not apply a change to this SA.
struct SaFailed {
    EspSpi inbound_spi;
    std::string why;
};

/// An SA that had failed is in force now: the driver tried again.
struct SaApplied {
    EspSpi inbound_spi;
};

/// The driver could not set up an account's routing domain, or one of its routes.
struct DomainFailed {
    std::string account;
    std::string why;
};

using Event = std::variant<NeedSequence, UnknownSpi, EndpointMoved, Received, Usage, SaFailed,
                           SaApplied, DomainFailed>;

/// A UDP datagram on an IKE port that is IKE (RFC 3948: non-ESP marker removed on 4500). One to be
/// sent that has no bytes is a NAT-keepalive: the octet 0xff alone (RFC 3948 2.3).
struct IkeDatagram {
    Endpoint local;
    Endpoint remote;
    Bytes bytes;
};

/// Where a driver's events go. Called from the driver's thread(s): the host posts them to its loop.
struct DriverSink {
    std::function<void(std::vector<Event>)> on_events;
    /// Userspace drivers own the UDP sockets; what is IKE comes out here.
    std::function<void(std::vector<IkeDatagram>)> on_ike;
};

class Driver {
public:
    virtual ~Driver() = default;
    /// Applies in order. Returns when the changes are in force for every packet that arrives from
    /// now on. Failures of single SAs come as SaFailed events.
    virtual void apply(std::span<const Change> changes) = 0;
    /// Sends IKE datagrams (the marker on port 4500 is the driver's work). Lossy.
    virtual void send_ike(std::span<const IkeDatagram> datagrams) = 0;
    /// Counters by name ("drop_replay", "packets_in", ...), since start.
    [[nodiscard]] virtual std::map<std::string, std::uint64_t> counters() const = 0;
    [[nodiscard]] virtual std::string describe() const = 0;
    virtual void stop() = 0;
};

}  // namespace anyswan::dataplane
