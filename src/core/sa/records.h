// SPDX-License-Identifier: Apache-2.0
// What the fleet shares, as plain values. sa/codec turns them into versioned protobuf, sa/seal
// seals those bytes, the store carries them. See ARCHITECTURE.md, "Records".
//
// Two kinds. Facts have one writer at a time and are watched by everyone; per key the higher
// (epoch, counter) wins, so they may arrive twice, late and by two ways. Claims are contended and
// change by compare-and-swap alone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/secret.h"
#include "base/strong.h"
#include "base/time.h"
#include "core/crypto/suites.h"
#include "core/sa/addressing.h"
#include "core/sa/credentials.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::sa {

/// "account/tunnel", both of [a-z0-9-], 1..63 characters each.
struct TunnelId {
    std::string account;
    std::string name;
    static std::optional<TunnelId> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const { return account + "/" + name; }
    auto operator<=>(const TunnelId&) const = default;
};

/// Which of two versions of one fact is newer: epoch first, then counter.
struct Version {
    Epoch epoch;
    std::uint64_t counter = 0;
    auto operator<=>(const Version&) const = default;
};

enum class SenderRule : std::uint8_t { automatic = 0, pinned = 1, spread = 2, per_edge = 3 };
[[nodiscard]] std::string name(SenderRule rule);

enum class NatTraversal : std::uint8_t {
    automatic = 0,  // UDP encapsulation where NAT detection asks for it
    force = 1,      // always: we announce ourselves as behind a NAT
};

/// Tunnel (fact, key account/tunnel): the configured relation of one peer and the fleet.
struct TunnelRecord {
    TunnelId id;
    wire::ike::Identification local_id;
    /// What the peer must call itself, or a pattern: "*", "*.branch.example", "*@example.com", a
    /// distinguished name with "*" as values (core/ike/auth/identity.h).
    wire::ike::Identification remote_id;
    Secret psk;
    Credentials credentials;
    /// Weak algorithms that this tunnel uses nevertheless (core/sa/weak.h).
    std::vector<std::string> allow_weak;
    /// Where the peer must come from; empty: anywhere. The initiator's remote address is the first.
    std::vector<IpPrefix> remote_addresses;
    // In order of preference, as configured; ike_suites_of() (core/sa/weak.h) says which count.
    std::vector<crypto::IkeSuite> ike_suites;
    std::vector<crypto::EspSuite> esp_suites;
    std::vector<IpPrefix> local_prefixes;   // our side's traffic selectors
    std::vector<IpPrefix> remote_prefixes;  // the peer's; also what is routed to it
    Addressing addressing;
    SenderRule sender_rule = SenderRule::automatic;
    NatTraversal nat_traversal = NatTraversal::automatic;
    // Lifetimes are hard limits; SAs are rekeyed at 80 to 90 % of them (edge/upkeep.h).
    std::uint32_t child_lifetime_s = 28800;
    std::uint64_t child_lifetime_bytes = 0;    // of one direction, fleet-wide; 0: no limit
    std::uint64_t child_lifetime_packets = 0;  // likewise
    std::uint32_t ike_lifetime_s = 86400;
    std::uint32_t dpd_s = 0;             // ask after this silence; 0 never
    std::uint16_t replay_window = 1024;  // packets; 0 switches replay protection off
    bool initiate = false;               // the side that holds this record brings the tunnel up
    bool mobike = false;                 // RFC 4555: the initiator's addresses may change
    bool mobike_check = true;            // its new one must answer before ESP goes there
    bool follow_redirects = false;       // as initiator: to other gateways (RFC 5685)
    /// Initiator: IKE_AUTH makes no Child SA if the peer agrees (RFC 6023). The first one comes by
    /// CREATE_CHILD_SA and has its own key exchange if the suite names one.
    bool childless = false;
    bool ended = false;  // a tombstone: deleted by the operator, psk empty

    [[nodiscard]] TunnelRecord clone() const;
    [[nodiscard]] bool allows_weak(std::string_view what) const;
    /// What is routed to the peer: its prefixes and the addresses that it may be given.
    [[nodiscard]] std::vector<IpPrefix> routed_prefixes() const;
    bool operator==(const TunnelRecord&) const = default;
};

/// Keys of one direction of a Child SA.
struct ChildKeys {
    Secret encr;
    Secret integ;
    [[nodiscard]] ChildKeys clone() const { return {encr.clone(), integ.clone()}; }
    bool operator==(const ChildKeys&) const = default;
};

/// ChildSa (fact, key inbound SPI): both directions of a Child SA; immutable but for its end.
struct ChildSaRecord {
    EspSpi inbound_spi;   // allocated by us from a leased block
    EspSpi outbound_spi;  // the peer's
    IkeSpi ike_spi;       // our SPI of the IKE SA it belongs to
    TunnelId tunnel;
    crypto::EspSuite suite;
    ChildKeys inbound;
    ChildKeys outbound;
    std::vector<wire::ike::TrafficSelector> local_ts;
    std::vector<wire::ike::TrafficSelector> remote_ts;
    /// Addresses that the peer gave us for this tunnel: they are ours while the SA lives.
    std::vector<IpAddress> our_addresses;
    SenderRule sender_rule = SenderRule::pinned;
    /// The edge that it was made for, so that it can send without asking anybody (sender rule
    /// `per_edge`); 0: made for all. Others send on it only if they have no better one. Heirs by
    /// rekeys are for the same edge.
    EdgeId made_for;
    std::uint16_t replay_window = 1024;
    std::string negotiated_on;  // name of the edge
    WallTime published_at;      // when the negotiating edge handed it to the store
    WallTime expires_at;        // hard lifetime; every edge drops it by itself then
    /// The Child SA (its inbound SPI) that this one was made to replace by a rekey; 0: none.
    EspSpi replaces;
    /// The peer asked for it: until it has our response it can't receive on this SA. Edges go on
    /// sending on `replaces` until that one ends or a packet came in on this one (RFC 7296 2.8).
    /// If it replaces none (a re-authentication, a further Child SA), they go on for a second on
    /// what other Child SA the tunnel has.
    bool outbound_waits = false;
    bool ended = false;  // a tombstone: keys empty; it never comes back (N6)
    /// Of a tombstone: it was replaced, not revoked. What is still under way is received for a few
    /// seconds; nothing is sent on it any more.
    bool drain = false;

    [[nodiscard]] ChildSaRecord clone() const;
    bool operator==(const ChildSaRecord&) const = default;
};

/// What NAT detection told about a path (RFC 7296 2.23).
struct NatStatus {
    bool peer_supports = false;  // it sent NAT_DETECTION_*
    bool we_are_behind = false;
    bool peer_is_behind = false;
    /// ESP travels in UDP: a NAT was seen (or announced), or IKE_SA_INIT began on port 4500.
    bool udp_encapsulation = false;
    bool operator==(const NatStatus&) const = default;
};

/// Endpoint (fact, key IKE SA): where the peer is now.
struct EndpointRecord {
    IkeSpi ike_spi;
    Endpoint local;  // the anycast address (and port) the peer speaks to
    Endpoint remote;
    bool udp_encapsulation = false;
    bool ended = false;
    /// We are behind a NAT: its mapping is kept alive, and the peer's address isn't followed.
    bool behind_nat = false;
    /// What we gave the peer out of the account's pools, and the account: its own while this lives.
    std::string account = {};
    std::vector<IpAddress> assigned = {};
    bool operator==(const EndpointRecord&) const = default;
};

/// Edge (fact, key name).
struct EdgeRecord {
    std::string name;
    EdgeId id;
    Incarnation incarnation;
    std::string site;
    IpAddress address;  // unicast
    bool draining = false;
    Revision applied;
    bool operator==(const EdgeRecord&) const = default;
};

/// What both sides agreed on for a Child SA; `local_ts`, `remote_ts` from our point of view.
struct ChildAgreement {
    crypto::EspSuite suite;
    EspSpi inbound_spi;
    EspSpi outbound_spi;
    std::vector<wire::ike::TrafficSelector> local_ts;
    std::vector<wire::ike::TrafficSelector> remote_ts;
    bool operator==(const ChildAgreement&) const = default;
};
/// The same for an IKE SA that takes the place of another.
struct IkeAgreement {
    crypto::IkeSuite suite;
    IkeSpi our_spi;
    IkeSpi peer_spi;
    bool operator==(const IkeAgreement&) const = default;
};

/// An SA that CREATE_CHILD_SA agreed on. It is made when all its key exchanges are done, which with
/// additional ones takes IKE_FOLLOWUP_KE exchanges (RFC 9370 2.2.4).
struct PendingSa {
    std::variant<ChildAgreement, IkeAgreement> agreement;
    EspSpi replaces = {};  // the Child SA that a Child SA replaces; 0: none
    Bytes nonce_i = {};    // of CREATE_CHILD_SA, by its initiator
    Bytes nonce_r = {};
    Secret first = {};       // SK(0)
    Secret additional = {};  // SK(1) | ... SK(n) of those that are done
    std::uint8_t done = 0;   // how many those are
    Bytes link = {};         // what links the next exchange to this one

    [[nodiscard]] PendingSa clone() const;
    bool operator==(const PendingSa&) const = default;
};

/// MOBIKE (RFC 4555) of an IKE SA.
struct Mobility {
    bool supported = false;                   // both sides said so
    std::vector<IpAddress> peer_addresses{};  // further ones, which it said it can be reached at
    /// Responder: the peer moved and has not yet answered at its new address; ESP goes to the old
    /// one.
    bool unchecked = false;
    /// Initiator: the peer has not yet confirmed our present address.
    bool update_owed = false;
    /// Initiator behind a NAT: the hash of our address as the peer saw it last.
    Bytes seen_as{};
    bool operator==(const Mobility&) const = default;
};

/// Two ends of a path, ours first.
struct EndpointPair {
    Endpoint local;
    Endpoint remote;
    bool operator==(const EndpointPair&) const = default;
};

/// A request of our own that may still be unanswered: its datagrams, to be sent again as they are.
struct RequestInFlight {
    MessageId message_id;
    std::vector<Bytes> datagrams;
    /// Of a CREATE_CHILD_SA or IKE_FOLLOWUP_KE: what its nonce and its side of the key exchange
    /// were drawn from.
    Secret seed = {};
    /// What the peer made at the same time by a rekey of the same SA: an inbound ESP SPI or our SPI
    /// of an IKE SA; 0: nothing. With the lowest nonce of that exchange (RFC 7296 2.8.1).
    std::uint64_t rival = 0;
    Bytes rival_nonce = {};
    /// SPIs that the peer deleted meanwhile; the one it has made for us may be among them.
    std::vector<EspSpi> gone = {};
    /// Of an IKE_FOLLOWUP_KE: what it is part of.
    std::optional<PendingSa> pending = std::nullopt;
    /// Of a MOBIKE request: the path that it is about.
    std::optional<EndpointPair> path = std::nullopt;
    /// Of the Child SA that it asks for.
    EdgeId made_for = {};

    [[nodiscard]] RequestInFlight clone() const;
    bool operator==(const RequestInFlight&) const = default;
};

/// IkeSa (claim, key our SPI): all that another edge needs to go on with it.
struct IkeSaRecord {
    IkeSpi our_spi;
    IkeSpi peer_spi;
    bool we_initiated = false;
    TunnelId tunnel;
    wire::ike::Identification peer_id;
    crypto::IkeSuite suite;
    Secret sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;
    Endpoint local;
    Endpoint remote;
    EdgeId owner;
    Epoch epoch;
    /// The message ID the peer's next request carries.
    MessageId expected_request;
    /// The message ID our next request will carry.
    MessageId next_request;
    /// AEAD IV counter of our next message under (sk_e, epoch) (N1).
    std::uint64_t next_iv = 0;
    /// What answered the request before `expected_request`; resent byte for byte (N4).
    std::vector<Bytes> last_response;
    std::optional<RequestInFlight> request;
    std::vector<EspSpi> children;  // inbound SPIs
    WallTime established_at;
    bool ended = false;
    // Rekeying an IKE SA makes another one (RFC 7296 2.18); these tie the chain together.
    /// Our SPI of its first IKE SA: the key of the Endpoint fact and `ike_spi` of all Child SAs,
    /// which thus need not change. In the store 0 stands for `our_spi`.
    IkeSpi origin;
    /// Which side initiated the first IKE SA of the chain; in the store only if `origin` is there.
    bool origin_initiated = false;
    /// The IKE SA that has replaced this one and has its Child SAs now; 0: none.
    IkeSpi successor;
    /// Made by the peer's rekey of this IKE SA, and not heard from since; 0: no.
    IkeSpi heir_of;
    /// The peer takes fragments (RFC 7383).
    bool fragmentation = false;
    /// Nothing: written by a release that didn't keep it.
    std::optional<NatStatus> nat;
    Mobility mobility;
    /// The peer may be sent to another gateway (RFC 5685).
    bool redirect_supported = false;
    Assigned assigned;
    /// What the peer has asked for and goes on with by IKE_FOLLOWUP_KE.
    std::vector<PendingSa> pending = {};

    [[nodiscard]] IkeSaRecord clone() const;
    bool operator==(const IkeSaRecord&) const = default;
};

/// Incarnation (claim, key number) and SpiBlock (claim, key block number): which edge start holds
/// it.
struct HolderRecord {
    std::string edge;
    EdgeId edge_id;
    Incarnation incarnation;
    WallTime since;
    bool operator==(const HolderRecord&) const = default;
};

/// SequenceLease (claim, key inbound SPI of the Child SA): who may send on its outbound SA and how
/// far. Numbers up to and including `reserved_up_to` belong to `sender`; the next sender starts
/// above.
struct SequenceLeaseRecord {
    EspSpi inbound_spi;
    EdgeId sender;
    Incarnation incarnation;
    Epoch epoch;
    SequenceNumber reserved_up_to;
    bool operator==(const SequenceLeaseRecord&) const = default;
};

/// AddressBook (claim, key account): who has which address of the pools of the account's tunnels.
struct AddressBookRecord {
    std::string account;
    std::uint64_t changes = 0;  // so far
    std::vector<AddressLease> leases;
    bool operator==(const AddressBookRecord&) const = default;
};

/// Crl (fact, key hash of the URL): a revocation list as it was fetched last.
struct CrlRecord {
    std::string url;
    Bytes der;
    WallTime fetched_at;
    bool ended = false;
    bool operator==(const CrlRecord&) const = default;
};

using Record = std::variant<TunnelRecord, ChildSaRecord, EndpointRecord, EdgeRecord, IkeSaRecord,
                            HolderRecord, SequenceLeaseRecord, AddressBookRecord, CrlRecord>;

// Store keys: dot-free tokens joined by '/', e.g. "child/0001a2b3", "tunnel/acme/hq".
[[nodiscard]] std::string tunnel_key(const TunnelId& id);
[[nodiscard]] std::string child_sa_key(EspSpi inbound);
[[nodiscard]] std::string endpoint_key(IkeSpi ours);
[[nodiscard]] std::string edge_key(std::string_view name);
[[nodiscard]] std::string ike_sa_key(IkeSpi ours);
[[nodiscard]] std::string incarnation_key(Incarnation number);
[[nodiscard]] std::string spi_block_key(std::uint32_t block);
[[nodiscard]] std::string sequence_lease_key(EspSpi inbound);
[[nodiscard]] std::string address_book_key(std::string_view account);
[[nodiscard]] std::string crl_key(std::string_view url);

}  // namespace anyswan::sa
