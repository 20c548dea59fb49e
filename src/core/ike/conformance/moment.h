// SPDX-License-Identifier: Apache-2.0
// Two engines, stopped where a certain message is about to arrive.
#pragma once

#include "core/ike/conformance/draft.h"
#include "core/ike/helpers.h"

namespace anyswan::ike::test {

/// What the message is about.
enum class About : std::uint8_t {
    init,
    intermediate,
    auth,
    new_child,
    rekey_child,
    rekey_ike,
    delete_child,
    delete_ike,
    probe,
};

/// The message that is about to arrive. Before the IKE SA is established its initiator is the
/// customer; after that either side may ask.
struct Moment {
    About about = About::probe;
    bool response = false;
    bool fleet_asks = false;
    const char* ike = "aes256gcm16-prfsha256-x25519";
    const char* esp = "aes256gcm16";
    /// The customer asks for an IPv4 address, and the fleet has 10.9.0.5 for it.
    bool configuration = false;
};

/// A world at a moment. `message` is on nobody's wire any more; `receiver` will get it.
class Stage {
public:
    explicit Stage(const Moment& moment);

    /// The message arrives, altered or not; nothing that it causes does.
    void arrive(Bytes datagram);
    /// What it causes, and all that follows in two minutes.
    void go_on();
    /// "" if both sides have the same SAs, and one of them works: it rekeys its Child SA.
    [[nodiscard]] std::string unhealthy();
    /// Claims and facts of the receiver, as the store has them, and its rows of `sa list`.
    [[nodiscard]] std::string state(bool with_window) const;

    World world;
    Side* receiver = nullptr;
    Side* sender = nullptr;
    Bytes message;
    std::optional<Sealer> sealer;

private:
    void establish();
    void ask(About about, Side& side);

    World::Carried carried_{};
};

}  // namespace anyswan::ike::test
