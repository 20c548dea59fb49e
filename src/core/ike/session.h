// SPDX-License-Identifier: Apache-2.0
// One IKE SA: the data that lives as long as it does, and the dispatch of what happens to it. The
// exchanges are in exchange/, one file each with both roles; this file stays small.
//
// A datagram's way: Engine finds the session by SPI -> receive(): wrong direction, window, channel
// (integrity, decryption, fragments) -> dispatch by exchange -> exchange/x: on_request or
// on_response -> respond() or request() -> one Action.
#pragma once

#include "core/ike/channel.h"
#include "core/ike/context.h"
#include "core/ike/nat.h"
#include "core/ike/states.h"
#include "core/ike/window.h"

namespace anyswan::ike {

struct Session {
    IkeSpi our_spi;
    IkeSpi peer_spi;
    bool we_initiated = false;
    Path path;
    NatStatus nat;
    sa::Mobility mobility;
    /// The peer may be sent to another gateway (RFC 5685).
    bool redirect_supported = false;
    Fragmentation fragmentation = Fragmentation::unsupported;
    std::optional<sa::TunnelId> tunnel;  // responder: known once authenticated
    Window window;
    std::optional<Channel> channel;
    State state;
    /// Of a chain of rekeys: our SPI of the first IKE SA, and which side initiated that.
    IkeSpi origin;
    bool origin_initiated = false;
    /// Made by the peer's rekey of this IKE SA of ours, and nothing was heard on it yet (0: no);
    /// exchange/rekey_ike.cc tells why that matters.
    IkeSpi heir_of;
    /// Configuration payload: what the responder of the first IKE SA of the chain gave.
    sa::Assigned assigned;
    /// Responder: which IKE_SA_INIT request made it (see Engine::Impl), empty after a takeover.
    std::string init_key;

    template <class S>
    [[nodiscard]] bool is() const {
        return std::holds_alternative<S>(state);
    }
    template <class S>
    [[nodiscard]] S& in() {
        S* current = std::get_if<S>(&state);
        check(current != nullptr, "session in another state");
        return *current;
    }
    [[nodiscard]] SpiPair spis() const {
        return we_initiated ? SpiPair{our_spi, peer_spi} : SpiPair{peer_spi, our_spi};
    }
    [[nodiscard]] const char* state_name() const { return state_names[state.index()]; }
};

/// A protected message that passed window and channel.
struct Inbound {
    Path path;
    wire::ike::Header header;
    std::vector<wire::ike::Payload> payloads;
    Bytes int_auth_octets = {};  // of IKE_INTERMEDIATE (protect.h)
};

/// A datagram before anything but its header was read.
struct Arrival {
    Path path;
    wire::ike::HeaderView view;
    ByteView bytes;
};

// What happens to a session; called by the engine.
void receive(Session& session, Context& context, const Arrival& arrival);
void on_timer(Session& session, Context& context);
/// The operator wants it gone.
void terminate(Session& session, Context& context);
/// RFC 7296 2.4, liveness check. Nothing while a request is in flight: that one asks as well.
void probe(Session& session, Context& context);
/// The peer has a newer IKE SA and said so (INITIAL_CONTACT): ended without a word.
void replaced(Session& session, Context& context);
/// When on_timer is due.
[[nodiscard]] std::optional<Instant> deadline(const Session& session);

// For the exchanges.

/// The only way to change state: checks the transition table.
template <class S>
void become(Session& session, S next) {
    const std::size_t from = session.state.index();
    session.state = std::move(next);
    check(transitions[from][session.state.index()], "transition of an IKE SA");
}

/// The data of a session that is Established, or Deleting after that; else null.
[[nodiscard]] Established* established(Session& session);
[[nodiscard]] const Established* established(const Session& session);

/// The first Notify of an error type, or nullptr; borrowed.
[[nodiscard]] const wire::ike::Notify* first_error(const std::vector<wire::ike::Payload>& payloads);
/// The type of the first payload that is critical and unknown to us.
[[nodiscard]] std::optional<wire::ike::PayloadType> unknown_critical(
    const std::vector<wire::ike::Payload>& payloads);

/// The type of a payload that occurs twice and may occur once: in none of the exchanges of RFC 7296
/// 1.2 to 1.4 and 2.16 may these, and which of the two is meant would be a guess.
[[nodiscard]] std::optional<wire::ike::PayloadType> repeated(
    const std::vector<wire::ike::Payload>& payloads);

/// Whether an action changes what a successor must know.
enum class Persist : std::uint8_t { nothing, claim };

/// Answers `request`: seals, remembers, acts. `writes` are made durable first, the claim with them.
void respond(Session& session, Context& context, const Inbound& request,
             const std::vector<wire::ike::Payload>& payloads, std::vector<Write> writes,
             Persist persist);
/// RFC 7296 2.21.3: "this error notification is considered fatal in both peers, meaning that the
/// IKE SA is deleted without needing an explicit Delete payload." Answers INVALID_SYNTAX, and ends.
void refuse_syntax(Session& session, Context& context, const Inbound& request,
                   const std::string& why);
/// Starts an exchange of our own (the window must be free) and arms its retransmission.
void request(Session& session, Context& context, wire::ike::ExchangeType exchange,
             const std::vector<wire::ike::Payload>& payloads, std::vector<Write> writes,
             Persist persist);
/// Datagrams of a plain (unprotected) IKE_SA_INIT request.
void request_plain(Session& session, Context& context, Bytes datagram);
/// Only writes, or only sends.
void act(Session& session, Context& context, std::vector<Write> writes,
         const std::vector<Bytes>& datagrams);
[[nodiscard]] RetransmitPolicy retransmit_policy(const Session& session,
                                                 const EngineConfig& config);

/// Ends the IKE SA: tombstones of its endpoint and Child SAs (unless another IKE SA has them now)
/// for the caller's action, and whether the claim's is to go with them (not if the store never
/// heard of the SA). The session lingers to answer repetitions.
struct Ending {
    std::vector<Write> writes;
    Persist persist = Persist::nothing;
};
[[nodiscard]] Ending end(Session& session, Context& context);
/// The same at once and on its own: nothing to answer.
void end_now(Session& session, Context& context);

/// RFC 7296 2.23: a peer behind a NAT is where its last new authentic packet came from. Returns the
/// Endpoint fact if it moved.
[[nodiscard]] std::vector<Write> follow_peer(Session& session, const Path& path);
/// The same, seen on ESP by some edge, whose word the Endpoint fact has already.
void esp_moved(Session& session, const Path& path);

}  // namespace anyswan::ike
