// SPDX-License-Identifier: Apache-2.0
// The IKE role of one edge: every IKE SA it owns, both roles, as one object without I/O.
//
// Contract: step(now, input) -> Outputs. The output is all there is: the engine calls nobody. The
// host executes it in one order, per IKE SA: persist, then send. That is the rule "publish before
// respond" (ARCHITECTURE.md): an action's datagrams leave only when its writes, and those of every
// earlier action of the same IKE SA, are durable. If a write of an action is lost to another owner,
// the host drops the action's datagrams and feeds LostOwnership.
//
// Why no callbacks: an SA that calls a socket or a store in the middle of a state change can fail
// half-way; a list of actions can be tested, simulated, executed late, or thrown away whole.
#pragma once

#include <functional>
#include <memory>

#include "base/random.h"
#include "core/ike/drop_reason.h"
#include "core/ike/keys.h"
#include "core/ike/redirect.h"
#include "core/sa/records.h"

namespace anyswan::ike {

struct EngineConfig {
    std::string edge_name;
    EdgeId edge_id;
    /// Fleet-wide secret of COOKIEs (RFC 7296 2.6), so that any edge checks any cookie. 32 bytes.
    Secret cookie_secret;
    /// Half-open IKE SAs from which on COOKIE is demanded (RFC 7296 2.6).
    std::size_t cookie_threshold = 128;
    std::size_t half_open_max = 4096;
    Duration half_open_timeout = 30s;
    /// First retransmission; each further one waits 1.8 times longer (RFC 7296 2.1: exponential
    /// back-off).
    Duration retransmit_first = 1s;
    unsigned retransmit_tries = 5;
    /// Ours that a peer may speak to; those it doesn't use are named to it (RFC 4555 3.4).
    std::vector<IpAddress> addresses = {};
    /// What a peer that we sent to another gateway gets to leave by itself (RFC 5685 5).
    Duration redirect_grace = 60s;
};

/// Hands out inbound SPIs from the blocks this edge holds. Nothing: no block left just now.
class SpiSource {
public:
    virtual ~SpiSource() = default;
    virtual std::optional<EspSpi> allocate() = 0;
};

/// The tunnels the engine may serve. Pointers are borrowed until the next change of the directory.
class TunnelDirectory {
public:
    virtual ~TunnelDirectory() = default;
    /// All tunnels whose remote_addresses allow `remote` (for IKE_SA_INIT: which suites to accept).
    [[nodiscard]] virtual std::vector<const sa::TunnelRecord*> by_address(
        const IpAddress& remote) const = 0;
    [[nodiscard]] virtual const sa::TunnelRecord* by_id(const sa::TunnelId& id) const = 0;
};

// Inputs.
struct DatagramReceived {
    Endpoint local;
    Endpoint remote;
    Bytes bytes;  // without the non-ESP marker
};
/// Start an IKE SA and its first Child SA for this tunnel; `local` is the address to start from
/// (port 500, or 4500 to begin there). Nothing happens while an IKE SA that we
/// initiated for the tunnel, or its heir by rekeys, is being set up or established.
struct Initiate {
    sa::TunnelId tunnel;
    Endpoint local;
    Endpoint remote;
    std::optional<IpAddress> redirected_from =
        std::nullopt;  // the gateway that sent us to `remote`
};
/// End all IKE SAs of a tunnel politely (DELETE, then gone), or with `our_spi` one of them.
struct Terminate {
    sa::TunnelId tunnel;
    std::optional<IkeSpi> our_spi = std::nullopt;
};
// The life of an established IKE SA. Each of these waits for its turn (one request at a time); what
// is wanted or under way already, or has no object any more, changes nothing.
/// One more Child SA with the tunnel's selectors, also beside one that has the same. For one edge
/// (0: for all) there is one: see sa::ChildSaRecord::made_for.
struct CreateChild {
    IkeSpi our_spi;
    EdgeId made_for = {};
};
/// A new Child SA in place of the one with this inbound SPI (RFC 7296 2.8).
struct RekeyChild {
    IkeSpi our_spi;
    EspSpi inbound_spi;
};
struct DeleteChild {
    IkeSpi our_spi;
    EspSpi inbound_spi;
};
/// A new IKE SA in place of this one; it takes over the Child SAs (RFC 7296 2.18).
struct RekeyIke {
    IkeSpi our_spi;
};
/// Ask the peer whether it lives (empty INFORMATIONAL), RFC 7296 2.4.
struct ProbeLiveness {
    IkeSpi our_spi;
};
/// The Endpoint fact of an IKE SA (its `origin`) says that the peer is there, perhaps because an
/// edge saw its ESP come from there: requests of ours follow if a peer behind a NAT is to be
/// followed.
struct PeerMoved {
    IkeSpi origin;
    Endpoint local;
    Endpoint remote;
};
/// Our own address changed (or the way to the peer did): the IKE SAs of the tunnel that we
/// initiated use this path from now on, and tell the peer so by MOBIKE (RFC 4555). Those that can't
/// end without a word: the tunnel must be initiated anew.
struct MovePath {
    sa::TunnelId tunnel;
    Endpoint local;
    Endpoint remote;
};
/// From now on, peers that begin an IKE SA here (of this tunnel, else of any) and support it are
/// sent to another gateway (RFC 5685); nothing: no longer. Those of a tunnel are told so after they
/// have authenticated themselves.
struct RedirectNew {
    std::optional<sa::TunnelId> tunnel;
    std::optional<Gateway> to;
};
/// The same for the peer of an established IKE SA that it initiated.
struct Redirect {
    IkeSpi our_spi;
    Gateway to;
};
/// Go on with an IKE SA whose claim this edge now owns (restart, takeover). `record` is what the
/// winning compare-and-swap wrote: owner this edge, epoch raised by one (also after a restart: N1
/// rests on it). `children` are the ChildSa facts of its `children`; keys are not needed and
/// dropped. A request in flight is sent again with the same bytes.
struct Adopt {
    sa::IkeSaRecord record;
    std::vector<sa::ChildSaRecord> children = {};
};
/// Answer to AddressesWanted. Without addresses: there are none, and `why`.
struct AddressesGiven {
    IkeSpi our_spi;
    sa::TunnelId tunnel;
    std::vector<IpAddress> addresses;
    std::string why = {};
};
/// Another edge owns it now: forget it, say nothing.
struct LostOwnership {
    IkeSpi our_spi;
};
struct TimePassed {};

using Input = std::variant<DatagramReceived, Initiate, Terminate, CreateChild, RekeyChild,
                           DeleteChild, RekeyIke, ProbeLiveness, PeerMoved, MovePath, RedirectNew,
                           Redirect, Adopt, AddressesGiven, LostOwnership, TimePassed>;

// Outputs.
using Write = std::variant<sa::ChildSaRecord, sa::EndpointRecord, sa::IkeSaRecord>;

struct Datagram {
    Endpoint local;
    Endpoint remote;
    Bytes bytes;
};

/// One state change of one IKE SA (or a stateless answer: our_spi 0): make `writes` durable, then
/// send.
struct Action {
    IkeSpi our_spi;
    std::vector<Write> writes;
    std::vector<Datagram> send;
};

/// What an operator would want to read; the host logs and counts it.
enum class EventKind : std::uint8_t {
    ike_sa_established,
    ike_sa_rekeyed,
    child_sa_established,
    child_sa_rekeyed,
    child_sa_ended,
    ike_sa_ended,
    peer_refused,
    we_refused,
    authentication_failed,
    retransmission,
    peer_unreachable,
    cookie_demanded,
    weak_algorithm,  // broken, but the tunnel allows it
    peer_moved,      // MOBIKE: its addresses changed
    we_moved,        // ours did
    redirected,      // to another gateway (RFC 5685)
};
[[nodiscard]] const char* name(EventKind kind);
struct EngineEvent {
    EventKind kind{};
    IkeSpi our_spi;
    IkeSpi peer_spi;
    std::optional<sa::TunnelId> tunnel;
    Endpoint remote;
    EspSpi inbound_spi;
    /// One line: what happened and, for a refusal, the notify, what was offered and what would be
    /// accepted.
    std::string text;
};

struct Dropped {
    DropReason reason{};
    Endpoint remote;
    std::string detail;
};

/// An authenticated peer asks for addresses of its tunnel's pool, one for each family: its IKE_AUTH
/// request waits for AddressesGiven. The same peer should get the same ones again.
struct AddressesWanted {
    IkeSpi our_spi;
    sa::TunnelId tunnel;
    wire::ike::Identification peer_id;
    std::vector<IpFamily> families;
};
/// A gateway sent us elsewhere; the IKE SA with it is gone or ending. To be initiated there, if
/// that doesn't happen too often (RFC 5685 7).
struct Redirected {
    sa::TunnelId tunnel;
    IpAddress from;
    Gateway to;
};

struct Outputs {
    std::vector<Action> actions;
    std::vector<EngineEvent> events;
    std::vector<Dropped> drops;
    std::vector<AddressesWanted> addresses_wanted = {};
    /// URLs of revocation lists that certificates of peers name, if their tunnel wants them.
    std::vector<std::string> crls_wanted = {};
    std::vector<Redirected> redirected;
};

struct ChildSummary {
    EspSpi inbound_spi;
    WallTime expires_at;
    /// It is being replaced or deleted, or has been: don't begin either.
    bool rekeying = false;
    EdgeId made_for = {};
};

/// A row of `anyswan sa list`.
struct IkeSaSummary {
    IkeSpi our_spi;
    IkeSpi peer_spi;
    sa::TunnelId tunnel;
    std::string state;
    Endpoint local;
    Endpoint remote;
    std::string suite;
    std::vector<std::string> weak;  // words of allow_weak that it needed (core/sa/weak.h)
    std::vector<ChildSummary> children;
    bool mobike = false;
    std::vector<IpAddress> peer_addresses;  // further ones, by its own word (MOBIKE)
    bool redirectable = false;              // its peer may be sent to another gateway
    bool we_initiated = false;              // the first IKE SA of the chain of rekeys
    IkeSpi origin;                          // our SPI of that: the key of the Endpoint fact
    std::vector<IkeSpi> kin;                // see Engine::kin
    EspSpi making;                          // inbound SPI of the Child SA that we are asking for
    WallTime established_at;                // or rekeyed
    /// It is being rekeyed (or ended), or was; then `state` says "rekeyed".
    bool rekeying = false;
    sa::Assigned assigned;  // to its initiator
    std::string peer_id;    // as it was authenticated
};

class Engine {
public:
    /// `random`, `spis` and `tunnels` are borrowed and must outlive the engine.
    Engine(EngineConfig config, Random& random, SpiSource& spis, const TunnelDirectory& tunnels);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    [[nodiscard]] Outputs step(Now now, Input input);
    /// When TimePassed is due at the latest; nothing when no timer runs.
    [[nodiscard]] std::optional<Instant> next_deadline() const;
    [[nodiscard]] std::vector<IkeSaSummary> list() const;
    /// Whether this engine has the IKE SA, half-open ones and those that just ended among them.
    [[nodiscard]] bool runs(IkeSpi ours) const;
    /// The IKE SAs by which a rekey ties this one to others: one owner should have them all.
    [[nodiscard]] std::vector<IkeSpi> kin(IkeSpi ours) const;
    /// For tracing alone: nothing if the IKE SA is not here, or has no keys yet. IKE_INTERMEDIATE
    /// changes them.
    [[nodiscard]] std::optional<ReadingKeys> reading_keys(SpiPair spis) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace anyswan::ike
