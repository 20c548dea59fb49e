// SPDX-License-Identifier: Apache-2.0
// What one step of the engine hands to the code it runs: the time, the randomness, the directories,
// and the place where outputs go. It lives for one step only.
#pragma once

#include "core/ike/engine.h"

namespace anyswan::ike {

struct Session;

/// An authenticated peer said INITIAL_CONTACT: the engine ends its other IKE SAs of this tunnel and
/// identity.
struct InitialContact {
    sa::TunnelId tunnel;
    wire::ike::Identification peer_id;
};

/// The engine's other IKE SAs, for one that is rekeyed. Each that was found or added here is
/// settled (timers, indexes) after the step.
class Sessions {
public:
    virtual ~Sessions() = default;
    /// An SPI of ours that no IKE SA has.
    virtual IkeSpi new_spi() = 0;
    virtual Session* find(IkeSpi our_spi) = 0;
    virtual Session& add(std::unique_ptr<Session> session) = 0;
};

struct Context {
    const EngineConfig& config;
    Random& random;
    SpiSource& spis;
    const TunnelDirectory& tunnels;
    Now now;
    Outputs& out;
    Sessions& sessions;
    /// This engine knows no other IKE SA of the tunnel: an initiator may say INITIAL_CONTACT.
    bool only_session_of_tunnel = false;
    /// Set by the responder of IKE_AUTH for the engine.
    std::optional<InitialContact> initial_contact = std::nullopt;

    void drop(DropReason reason, const Endpoint& remote, std::string detail = {}) {
        out.drops.push_back({reason, remote, std::move(detail)});
    }
};

/// Where a datagram came from and to which of our addresses: answers go the same way back.
struct Path {
    Endpoint local;
    Endpoint remote;
    bool operator==(const Path&) const = default;
};

}  // namespace anyswan::ike
