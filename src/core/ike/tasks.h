// SPDX-License-Identifier: Apache-2.0
// What we want of the peer, and what we have asked it for.
//
// The window is one (RFC 7296 2.3), so our requests go one after another. A Task is a wish; the
// queue in Established (queue.h) starts it when the window is free. start() sends the request and
// leaves an InFlight behind: what we must remember until the answer. finish() gets it back with the
// response.
//
// To add a kind: a struct in Task, one in InFlight if its answer needs memory, and start() and
// finish() for them, both in one file of exchange/ and declared in exchange/exchange.h. If an
// adopter must be able to go on with it: resume() in session_records.cc reads it back from the
// request.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/time.h"
#include "core/crypto/crypto.h"
#include "core/ike/path.h"
#include "core/ike/redirect.h"
#include "core/sa/records.h"

namespace anyswan::ike {

namespace task {
/// Is the peer alive? (RFC 7296 2.4)
struct Probe {
    bool operator==(const Probe&) const = default;
};
/// One more Child SA with the tunnel's selectors (RFC 7296 1.3.1), or only the first one.
struct NewChild {
    bool only_first = false;
    EdgeId made_for = {};
    bool operator==(const NewChild&) const = default;
};
/// A new Child SA in place of this one, then its end (RFC 7296 2.8).
struct RekeyChild {
    EspSpi inbound;
    bool operator==(const RekeyChild&) const = default;
};
/// A new IKE SA in place of this one, then its end (RFC 7296 2.18).
struct RekeyIke {
    bool operator==(const RekeyIke&) const = default;
};
/// RFC 7296 1.4.1. `unknown`: also what we never took, because its creation was no good.
struct DeleteChildren {
    std::vector<EspSpi> inbound;
    bool unknown = false;
    bool operator==(const DeleteChildren&) const = default;
};
struct DeleteIke {
    bool operator==(const DeleteIke&) const = default;
};
/// MOBIKE, initiator: tell the peer where we are now (RFC 4555 3.5).
struct UpdateAddresses {
    bool operator==(const UpdateAddresses&) const = default;
};
/// MOBIKE, responder: is the peer where its last packet came from? (RFC 4555 3.7)
struct CheckPath {
    bool operator==(const CheckPath&) const = default;
};
/// Send the peer to another gateway (RFC 5685 5).
struct Redirect {
    Gateway to;
    bool operator==(const Redirect&) const = default;
};
}  // namespace task

using Task = std::variant<task::Probe, task::NewChild, task::RekeyChild, task::RekeyIke,
                          task::DeleteChildren, task::DeleteIke, task::UpdateAddresses,
                          task::CheckPath, task::Redirect>;

struct Wish {
    Task task;
    Instant not_before = {};
    /// How often the peer put it off (TEMPORARY_FAILURE) or refused it.
    unsigned tries = 0;
    /// The key exchange that the peer asked for (INVALID_KE_PAYLOAD), instead of our first choice.
    std::optional<crypto::KeMethod> ke = std::nullopt;
    unsigned restarts = 0;  // INVALID_KE_PAYLOAD answers so far
};

namespace in_flight {
/// Our nonce and our side of the key exchange in a CREATE_CHILD_SA, or of the one in an
/// IKE_FOLLOWUP_KE, which has no nonce. Both are drawn from `seed`, which the claim carries, so
/// that an adopter can make them again.
struct Offer {
    Secret seed;
    Bytes nonce;
    crypto::KeMethod method = crypto::KeMethod::none;
    std::unique_ptr<crypto::KeyExchange> key_exchange;  // null: none
};
/// What the peer made by a rekey of the same SA while ours was under way: an inbound ESP SPI or our
/// IKE SPI, and the lower one of the two nonces that made it.
struct Rival {
    std::uint64_t spi = 0;
    Bytes lowest_nonce;
};
struct Probe {};
/// CREATE_CHILD_SA, or (if something is `pending`) one of the IKE_FOLLOWUP_KE that come after it.
struct CreateChild {
    Wish wish;
    EspSpi replaces;  // 0: none
    EspSpi inbound;
    Offer ours;
    std::optional<Rival> rival;
    /// Inbound SPIs of the peer that it deleted meanwhile and that we don't know: one may be of the
    /// Child SA that we wait for.
    std::vector<EspSpi> gone = {};
    std::optional<sa::PendingSa> pending = std::nullopt;
};
/// Likewise.
struct RekeyIke {
    Wish wish;
    IkeSpi our_spi;
    Offer ours;
    std::optional<Rival> rival;
    std::optional<sa::PendingSa> pending = std::nullopt;
};
struct DeleteChildren {
    std::vector<EspSpi> inbound;
};
/// The path is the one that it was made for.
struct UpdateAddresses {
    Wish wish;
    Bytes cookie;  // COOKIE2
    Path path;
};
struct CheckPath {
    Bytes cookie;
    Path path;
};
struct Redirect {
    Gateway to;
};
}  // namespace in_flight

using InFlight = std::variant<in_flight::Probe, in_flight::CreateChild, in_flight::RekeyIke,
                              in_flight::DeleteChildren, in_flight::UpdateAddresses,
                              in_flight::CheckPath, in_flight::Redirect>;

}  // namespace anyswan::ike
