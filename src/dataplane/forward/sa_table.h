// SPDX-License-Identifier: Apache-2.0
// The SAs of one worker: found by SPI for packets from outside, by tunnel (best first) for
// packets to it, by IKE SA when a peer moves. Owned by one thread; no locks.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/esp/inbound_sa.h"
#include "core/esp/outbound_sa.h"
#include "dataplane/driver.h"

namespace anyswan::dataplane {

/// A routing domain, numbered by the forwarder.
using DomainId = Strong<struct DomainIdTag, std::uint32_t>;

/// An inner packet that waits for a sequence number.
struct WaitingPacket {
    esp::Packet packet;
    std::uint8_t traffic_class = 0;
    Instant since;
};

struct Tunnel;

/// One Child SA, both directions, with what the forwarder keeps about it.
struct Sa {
    esp::InboundSa inbound;
    esp::OutboundSa outbound;
    EspSpi inbound_spi;
    IkeSpi ike_spi;
    DomainId domain;
    Tunnel* tunnel = nullptr;
    WallTime published_at;
    SendOn send_on{};
    WallTime expires_at;  // 0: never
    /// Set: not to be sent on while that SA can be. Cleared by the first packet that comes in.
    std::optional<EspSpi> waits_for{};
    /// Set: not to be sent on before then while another SA of the tunnel can be. Cleared likewise.
    std::optional<Instant> waits_until{};
    /// Set: replaced, inbound only, gone then.
    std::optional<Instant> draining_until{};

    Endpoint local;
    Endpoint remote;
    bool udp_encapsulation = false;
    bool behind_nat = false;

    std::deque<WaitingPacket> waiting{};
    std::optional<Instant> asked_for_sequence{};  // unanswered

    Usage usage{};  // since the last report
    bool has_usage = false;
    std::uint64_t rate_per_s = 0;  // packets out in the interval that ended at rate_at
    std::optional<Instant> rate_at{};

    bool numbered = true;  // its numbers mean something: not RFC 9827's unspecified ones
    bool mark_to_report = false;
    SequenceNumber told{};  // the highest number in a Received

    std::optional<Instant> moved_reported{};
    bool move_to_report = false;

    /// Packets went out within the last two intervals or so.
    [[nodiscard]] bool sending(Instant now) const;
    [[nodiscard]] bool expired(WallTime now) const {
        return expires_at.unix_ns != 0 && now >= expires_at;
    }
};

/// A tunnel as far as a dataplane knows it.
struct Tunnel {
    sa::TunnelId id;
    std::vector<Sa*> best_first{};
    std::size_t routes = 0;
};

class SaTable {
public:
    /// Fails if the SA's algorithms or keys can't be used. The SPI is not in the table (checked).
    Result<Sa*> insert(const InstallSa& install, DomainId domain);
    /// Takes it out of all indexes; null if it isn't there.
    std::unique_ptr<Sa> remove(EspSpi spi);
    [[nodiscard]] Sa* find(EspSpi spi) const;
    [[nodiscard]] std::vector<Sa*> of_ike_sa(IkeSpi spi) const;
    [[nodiscard]] std::vector<EspSpi> of_domain(DomainId domain) const;
    [[nodiscard]] std::size_t size() const { return by_spi_.size(); }

    /// The tunnel, made if new. It goes with its last SA and route: see release().
    Tunnel& tunnel(const sa::TunnelId& id);
    [[nodiscard]] Tunnel* find_tunnel(const sa::TunnelId& id) const;
    /// Forgets the tunnel if nothing refers to it any more.
    void release(Tunnel& tunnel);

private:
    std::unordered_map<EspSpi, std::unique_ptr<Sa>> by_spi_;
    std::unordered_map<IkeSpi, std::vector<Sa*>> by_ike_spi_;
    std::map<sa::TunnelId, std::unique_ptr<Tunnel>> tunnels_;
};

}  // namespace anyswan::dataplane
