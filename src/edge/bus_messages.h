// SPDX-License-Identifier: Apache-2.0
// What edges tell each other over the store's lossy bus. Every message is sealed under the fleet
// key and bound to its subject; CBOR inside, unknown fields ignored, so that two releases
// understand each other.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/strong.h"
#include "base/time.h"
#include "core/esp/replay_window.h"

namespace anyswan::edge {

/// Each edge, about three times a second. Subject "heartbeat".
struct Heartbeat {
    std::string edge;
    EdgeId id;
    Incarnation incarnation;
    std::string site;
    IpAddress address;
    bool draining = false;
    bool in_step = false;  // has the snapshot and everything up to the store's last revision
    Revision applied;
    std::uint64_t child_sas = 0;
    std::uint64_t ike_sas = 0;
    std::int64_t lag_ms = 0;  // publish to applied, of the last record from another edge
    WallTime sent_at;
};

/// A sender claimed a SequenceLease: the former one stops. Subject "lease".
struct LeaseTaken {
    EspSpi inbound_spi;
    EdgeId sender;
    Incarnation incarnation;
    Epoch epoch;
};

/// "Who has the record of this SPI?" Subject "ask".
struct AskSpi {
    EspSpi inbound_spi;
};

/// Answer to AskSpi: a fact as its writer keeps it, sealed as in the store. Subject "tell".
struct Tell {
    std::string key;
    Bytes envelope;
};

/// What one Child SA carried at one edge since that edge's last word about it.
struct TrafficRow {
    EspSpi inbound_spi;
    std::uint64_t bytes_in = 0;
    std::uint64_t packets_in = 0;  // authenticated
    std::uint64_t bytes_out = 0;
    std::uint64_t packets_out = 0;
    bool numbers_low = false;  // its sequence numbers are running out
    bool operator==(const TrafficRow&) const = default;
};

/// Each edge, about once a second. Subject "traffic".
struct Traffic {
    std::vector<TrafficRow> rows;
};

/// A Child SA that an edge could not apply.
struct SaTrouble {
    EspSpi inbound_spi;
    std::string why;
    bool operator==(const SaTrouble&) const = default;
};

/// All that the edge could not apply; about once a second while there is something, and once when
/// there is nothing any more. Subject "trouble".
struct SaTroubles {
    std::string edge;
    std::vector<SaTrouble> rows;
};

/// An IKE datagram that came in at an edge that doesn't own the SA. Subject ike_subject(owner).
struct RelayedIke {
    Endpoint local;
    Endpoint remote;
    Bytes bytes;
    unsigned hops = 1;  // how often it was relayed
};
[[nodiscard]] std::string ike_subject(EdgeId owner);

/// The sender has won the claim of an IKE SA. Subject "owner".
struct OwnerIs {
    IkeSpi ours;
    EdgeId owner;
    Epoch epoch;
};

/// A draining edge gives these IKE SAs, all of one chain of rekeys, away: their claims are durable,
/// nothing is in flight, and it holds their datagrams until it hears OwnerIs. Subject
/// hand_over_subject(heir).
struct HandOver {
    EdgeId from;
    std::vector<IkeSpi> spis;
};
[[nodiscard]] std::string hand_over_subject(EdgeId heir);

/// What was received on a Child SA.
struct MarkRow {
    EspSpi inbound_spi;
    esp::FleetMark mark;
    bool operator==(const MarkRow&) const = default;
};

/// What the sender received since its last word, every mark_interval if there is any: subject
/// "marks". Or all that it knows of the fleet, as an answer to AskMarks: marks_subject(asker).
struct Marks {
    EdgeId from;
    std::vector<MarkRow> rows;
    bool answer_complete = false;  // the last message of an answer
};
[[nodiscard]] std::string marks_subject(EdgeId asker);

/// "What has the fleet received?" Subject ask_marks_subject(edge that is asked).
struct AskMarks {
    EdgeId asker;
    bool only_own = false;  // only on SAs on which the asked edge itself received something
};
[[nodiscard]] std::string ask_marks_subject(EdgeId asked);

/// The owner of this IKE SA is to create a Child SA for the sender (edge/senders). Subject
/// "sender".
struct WantSender {
    IkeSpi origin;
    EdgeId sender;
};

using BusBody = std::variant<Heartbeat, LeaseTaken, AskSpi, Tell, Traffic, SaTroubles, RelayedIke,
                             OwnerIs, Marks, AskMarks, HandOver, WantSender>;

[[nodiscard]] Bytes encode(const BusBody& body);
/// Nothing if it is not a message this release understands.
[[nodiscard]] std::optional<BusBody> decode(ByteView bytes);

}  // namespace anyswan::edge
