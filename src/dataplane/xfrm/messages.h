// SPDX-License-Identifier: Apache-2.0
// Messages of the kernel's IPsec (XFRM) over netlink, as values: what goes to the kernel is encoded
// here, what comes from it decoded. No socket; net/netlink_socket sends and receives.
//
// A state is one direction of an SA; a policy says which packets need which state.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/secret.h"
#include "base/strong.h"

namespace anyswan::dataplane::xfrm {

/// What the kernel looks a state up by (the protocol is always ESP).
struct StateId {
    IpAddress destination;
    EspSpi spi;
    auto operator<=>(const StateId&) const = default;
};

/// Packets whose mark, masked, has this value. Mask 0: any.
struct Mark {
    std::uint32_t value = 0;
    std::uint32_t mask = 0;
    auto operator<=>(const Mark&) const = default;
};

struct Algorithm {
    std::string name;  // the kernel's: "rfc4106(gcm(aes))"
    Secret key;        // with the salt of AEADs
    std::uint32_t icv_bits = 0;
    bool operator==(const Algorithm&) const = default;
};

struct Algorithms {
    std::optional<Algorithm> aead{};       // or the two that follow
    std::optional<Algorithm> cipher{};     // its icv_bits are 0
    std::optional<Algorithm> integrity{};  // truncated to icv_bits
    bool operator==(const Algorithms&) const = default;
};

/// When the kernel reports (soft) or ends (hard) a state.
struct Limits {
    static constexpr std::uint64_t none = UINT64_MAX;
    std::uint64_t soft_bytes = none, hard_bytes = none;
    std::uint64_t soft_packets = none, hard_packets = none;
    std::uint64_t hard_age_s = 0;  // since it was added; 0: none
    bool operator==(const Limits&) const = default;
};

/// Sequence numbers of one direction. RFC 4303 A2: the window ends at `received`.
struct Replay {
    SequenceNumber sent;
    SequenceNumber received;
    std::uint32_t window = 0;           // packets
    std::vector<std::uint32_t> bitmap;  // the kernel's form, 32 packets a word; empty: nothing seen
    bool operator==(const Replay&) const = default;
};

/// RFC 3948: ESP in UDP, with these ports.
struct UdpEncapsulation {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    bool operator==(const UdpEncapsulation&) const = default;
};

/// How often the kernel reports sequence numbers and use of a state ("aevents").
struct ReportRule {
    std::uint32_t packets = 0;   // after so many; 0: by time alone
    std::uint32_t tenths_s = 0;  // no more often than this; 0: no reports by time
    bool operator==(const ReportRule&) const = default;
};

/// Deviations from the kernel's ways with the outer header: it copies DSCP, ECN and DF to it, and
/// a congestion mark back.
struct HeaderRules {
    bool no_ecn = false;  // leave ECN of inner packets alone when decapsulating
    bool decapsulate_dscp = false;
    bool never_df = false;  // XFRM_STATE_NOPMTUDISC
    bool no_dscp = false;   // don't copy DSCP to the outer header
    bool operator==(const HeaderRules&) const = default;
};

/// One direction of an SA, in tunnel mode, for inner packets of both families.
struct State {
    StateId id;
    IpAddress source;
    std::uint32_t reqid = 0;
    std::uint32_t if_id = 0;  // 0: none
    Algorithms algorithms;
    bool esn = false;
    Replay replay;
    std::optional<UdpEncapsulation> encapsulation;
    Limits limits;
    Mark mark;      // of packets that may use it
    Mark set_mark;  // put on packets that it let through
    HeaderRules header;
    std::optional<ReportRule> reports;
    /// Seconds between reports that the peer has moved; 0: at every packet (Linux 5.17).
    std::uint32_t mapping_interval_s = 0;
    // Of dumps alone: what it has carried (inner packets).
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    bool operator==(const State&) const = default;
};

/// Which inner packets.
struct Selector {
    IpPrefix source;
    IpPrefix destination;
    std::uint8_t protocol = 0;  // 0: any
    std::uint16_t source_port = 0, source_port_mask = 0;
    std::uint16_t destination_port = 0, destination_port_mask = 0;
    auto operator<=>(const Selector&) const = default;
};

enum class Direction : std::uint8_t { in = 0, out = 1, forward = 2 };

/// What the kernel knows a policy by; adding one with the same id replaces it.
struct PolicyId {
    Selector selector;
    Direction direction = Direction::out;
    std::uint32_t if_id = 0;
    Mark mark;
    auto operator<=>(const PolicyId&) const = default;
};

/// Which states satisfy a policy. Unspecified addresses and SPI 0 fit any.
struct Template {
    IpAddress source;
    IpAddress destination;  // its family is that of the outer packets
    EspSpi spi;
    std::uint32_t reqid = 0;
    auto operator<=>(const Template&) const = default;
};

struct Policy {
    PolicyId id;
    std::uint32_t priority = 0;  // lower wins
    Template required;
    bool allow = true;  // false: drop
    bool operator==(const Policy&) const = default;
};

// Requests: whole netlink messages that ask for an acknowledgement; the sender sets sequence
// numbers. They may hold keys, so they are wiped when they go.
[[nodiscard]] Secret encode_add(const State& state);
/// Changes what may change in a live state: limits, encapsulation ports.
[[nodiscard]] Secret encode_update(const State& state);
[[nodiscard]] Secret encode_delete(const StateId& id, const IpAddress& source, Mark mark = {});
[[nodiscard]] Secret encode_get(const StateId& id, const IpAddress& source);
[[nodiscard]] Secret encode_dump_states();
[[nodiscard]] Secret encode_put(const Policy& policy);
[[nodiscard]] Secret encode_delete(const PolicyId& id);
[[nodiscard]] Secret encode_dump_policies();
/// Asks for sequence numbers and use; the answer is a UseReport.
[[nodiscard]] Secret encode_get_replay(const StateId& id);
/// Sets the numbers of a live state. The caller only ever moves them forward: the kernel derives
/// AEAD IVs from them (N1).
[[nodiscard]] Secret encode_set_replay(const StateId& id, const Replay& replay);
[[nodiscard]] Secret encode_set_reports(const StateId& id, const ReportRule& rule);

/// A state has come to a limit.
struct Expired {
    StateId id;
    std::uint32_t reqid = 0;
    bool hard = false;  // it is gone
    bool operator==(const Expired&) const = default;
};
/// A packet wanted a state that isn't there.
struct Acquire {
    std::uint32_t reqid = 0;
    IpAddress source, destination;  // outer
    bool operator==(const Acquire&) const = default;
};
/// An authenticated packet came from another UDP endpoint than the state has.
struct Mapping {
    StateId id;
    std::uint32_t reqid = 0;
    Endpoint before, now;
    bool operator==(const Mapping&) const = default;
};
/// Sequence numbers and use of a state: an aevent, or the answer to encode_get_replay().
struct UseReport {
    StateId id;
    std::uint32_t reqid = 0;
    Replay replay;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    bool operator==(const UseReport&) const = default;
};

using FromKernel = std::variant<State, Policy, Expired, Acquire, Mapping, UseReport>;
/// One netlink message; nothing if it is of another kind, not about ESP in tunnel mode, or not
/// understood.
[[nodiscard]] std::optional<FromKernel> decode(ByteView message);

}  // namespace anyswan::dataplane::xfrm
