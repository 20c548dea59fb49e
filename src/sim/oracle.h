// SPDX-License-Identifier: Apache-2.0
// Watches every datagram that leaves a node and every inner packet that comes out of a tunnel, and
// says which invariant was broken: N1 to N4 by what an observer on the wire with unlimited memory
// would see who knows which key an ESP packet is under; N5 by what the store has when a customer
// uses a new SA; N7 by looking for keys where they must not be. (N6 is judged by the World.)
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/strong.h"
#include "base/time.h"
#include "sim/secrets.h"

namespace anyswan::sim {

struct Violation {
    std::string invariant;  // "N1" ...
    std::string what;
};

/// N5: how long after the store's troubles an answer may still be under way that was given without
/// it, or a write be on its way that had to wait.
inline constexpr Duration store_aftermath = 3s;

/// N3: a replay may succeed at another edge for so long after the packet was received: until its
/// mark was told, has come there and has settled.
inline constexpr Duration replay_exposure = 1s;

class Oracle {
public:
    /// An ESP packet leaves its sender for `to`. AEAD ciphers with an explicit 8-byte IV only.
    /// `inbound` is the SPI of the other direction: a request to make a Child SA that two owners
    /// answered made two with the receiver's one SPI, but keys of their own; the receiver has only
    /// one of them.
    void esp_sent(const Endpoint& to, EspSpi inbound, ByteView packet, const std::string& sender);
    /// An IKE message leaves its sender.
    void ike_sent(ByteView datagram, const std::string& sender);
    /// An inner packet with this number came out at `receiver`, in its life number `life`.
    void inner_received(Instant now, const std::string& receiver, std::uint64_t life,
                        std::uint64_t number);
    /// The bus does not reach every edge, or no edge has the marks: what was received up to now may
    /// be replayed at other edges for good.
    void marks_lost(Instant now) { marks_kept_since_ = now; }
    /// A customer has the answer to its request for a Child SA, and uses it; `stored`: the store
    /// has the record.
    void sa_answered(Instant now, EspSpi fleets_spi, bool stored);
    /// The store doesn't work for every edge: what is agreed on now is written when it does.
    void store_troubled(Instant now) { store_troubled_ = now; }
    /// N7. `bytes` were seen at `where`, a place for no key.
    void seen(ByteView bytes, const std::string& where);
    [[nodiscard]] Secrets& secrets() { return secrets_; }
    void crashed(Instant now, const std::string& name) { crashes_.emplace(name, now); }

    /// The first one; nothing while all is well.
    [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
    void report(std::string invariant, std::string what);

    struct Counts {
        std::uint64_t esp = 0, ike = 0, inner = 0;
        /// Inner packets that came out at a second edge as well: replays between edges.
        std::uint64_t replayed_elsewhere = 0;
        /// Child SAs whose record had to be in the store, and was.
        std::uint64_t durable = 0;
    };
    [[nodiscard]] const Counts& counts() const { return counts_; }

private:
    struct EspKey {
        std::unordered_map<std::uint64_t, std::string> ivs;        // IV -> who sent with it
        std::unordered_map<std::uint32_t, std::string> sequences;  // number -> who used it
    };
    std::unordered_map<std::string, EspKey> esp_keys_;           // by destination and both SPIs
    std::unordered_map<std::string, std::size_t> ike_contents_;  // message -> hash of the bytes
    std::unordered_map<std::string, std::size_t> ike_ivs_;
    std::unordered_set<std::string> received_;
    struct Receiver {
        std::string name;
        std::uint64_t life = 0;
        Instant at;
    };
    [[nodiscard]] bool may_succeed(const Receiver& first, Instant now) const;
    std::unordered_map<std::uint64_t, Receiver> first_receiver_;
    Instant marks_kept_since_;
    std::unordered_multimap<std::string, Instant> crashes_;
    std::optional<Instant> store_troubled_;
    Secrets secrets_;
    std::optional<Violation> violation_;
    Counts counts_;
};

}  // namespace anyswan::sim
