// SPDX-License-Identifier: Apache-2.0
// What one step of the engine hands to the code it runs: the time, the randomness, the directories,
// and the place where outputs go. It lives for one step only.
#pragma once

#include <map>

#include "core/ike/engine.h"
#include "core/ike/path.h"

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
    /// All IKE SAs of a chain of rekeys, those about to end included.
    virtual std::vector<Session*> of_origin(IkeSpi origin) = 0;
};

struct Context {
    const EngineConfig& config;
    Random& random;
    SpiSource& spis;
    const TunnelDirectory& tunnels;
    Now now;
    Outputs& out;
    Sessions& sessions;
    /// The tunnels whose new peers are sent to another gateway.
    const std::map<sa::TunnelId, Gateway>& redirects;
    /// This engine knows no other IKE SA of the tunnel: an initiator may say INITIAL_CONTACT.
    bool only_session_of_tunnel = false;
    /// Set by the responder of IKE_AUTH for the engine.
    std::optional<InitialContact> initial_contact = std::nullopt;

    void drop(DropReason reason, const Endpoint& remote, std::string detail = {}) {
        out.drops.push_back({reason, remote, std::move(detail)});
    }
};

}  // namespace anyswan::ike
