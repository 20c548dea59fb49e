// SPDX-License-Identifier: Apache-2.0
// The states of an IKE SA. Data that exists only in a state lives in it.
//
//   initiator                                          responder
//
//   Initiate                                           (no state: header checks, COOKIE, limits)
//      |  HDR, SAi1, KEi, Ni  -->                          |
//      v                                                   |
//   InitSent --+ COOKIE, INVALID_KE_PAYLOAD:               |
//      |  ^----+ begin again                               v
//      |                     <--  HDR, SAr1, KEr, Nr    HalfOpen
//      |                                                   |      (no IKE_AUTH in time: Ended)
//      |  for each additional key exchange:                |
//      |  HDR, SK {KEi(n)}  -->                            |
//   InterSent                                              |
//      |                             <--  HDR, SK {KEr(n)} |
//      |                                                   |
//      |  HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->         |
//      v                                                   |
//   AuthSent                                               v
//      |            <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
//      +-------------------> Established <-----------------+
//                                 |  we want its end (or it was rekeyed: exchange/rekey_ike.cc):
//                                 |  HDR, SK {D}  -->
//                                 v
//                             Deleting
//                                 |  <--  HDR, SK {}
//                                 v
//                               Ended      answers repeated requests for a while, then is forgotten
//
// Every state may become Ended: refusal, authentication failure, silence of the peer, its DELETE.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "core/ike/auth/terms.h"
#include "core/ike/channel.h"
#include "core/ike/engine.h"
#include "core/ike/int_auth.h"
#include "core/ike/tasks.h"

namespace anyswan::ike {

struct Inbound;

/// Initiator, IKE_SA_INIT request sent.
struct InitSent {
    Bytes nonce;
    std::unique_ptr<crypto::KeyExchange> key_exchange;
    crypto::KeMethod method{};
    Bytes cookie;   // to be sent back, empty if none was asked for
    Bytes request;  // as sent last: what AUTH covers
    unsigned restarts = 0;
    /// The last error answer, which anyone can forge: named if nothing better comes.
    std::optional<wire::ike::NotifyType> refusal;
    std::optional<IpAddress> redirected_from = std::nullopt;
};

namespace auth {
/// Initiator: what the exchanges before IKE_AUTH leave for it.
struct Start {
    Bytes init_response;
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes init_request;
    Terms terms;
    IntAuth int_auth = {};
};
}  // namespace auth

/// Initiator, IKE_INTERMEDIATE request sent (RFC 9242) with one of the additional key exchanges
/// (RFC 9370).
struct InterSent {
    auth::Start start;
    std::vector<crypto::KeMethod> methods;  // this one and those to come
    std::unique_ptr<crypto::KeyExchange> key_exchange;
};

/// Initiator, IKE_AUTH request sent.
struct AuthSent {
    Bytes init_response;
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes auth_tail;                // int_auth.h
    auth::Terms terms;              // of the responder
    EspSpi inbound_spi;             // offered; 0: no Child SA (RFC 6023)
    bool terminate_wanted = false;  // Terminate came meanwhile
};

/// Responder, IKE_SA_INIT answered.
struct HalfOpen {
    Bytes init_request;
    Bytes init_response;
    Bytes nonce_i;
    Bytes nonce_r;
    auth::Terms terms;  // of the initiator
    Instant expires;
    std::vector<crypto::KeMethod> methods = {};  // additional key exchanges still to come
    IntAuth int_auth = {};
    /// The IKE_AUTH request that waits for addresses from the host, and those (configuration.h).
    std::shared_ptr<const Inbound> waits_for_addresses = nullptr;
    std::optional<AddressesGiven> addresses = std::nullopt;
    /// With the keys before the last additional key exchange: the initiator that lost our answer
    /// repeats its request under those.
    std::optional<Channel> before = std::nullopt;
};

/// What the peer's CREATE_CHILD_SA has agreed on with us, until its next IKE_FOLLOWUP_KE comes.
struct Awaited {
    sa::PendingSa pending;
    Instant expires;
};

/// Both roles, authenticated. The tunnel is known from here on.
struct Established {
    wire::ike::Identification peer_id;
    std::vector<sa::ChildSaRecord> children;  // without their keys
    WallTime since;
    /// What we want of the peer, in order; and what our request in flight is about.
    std::vector<Wish> wishes = {};
    std::optional<InFlight> asked = std::nullopt;
    std::vector<Awaited> awaited = {};
    /// Rekeyed: the IKE SA that has the Child SAs now (0: none). This one only waits for its
    /// DELETE; from `retire_at` on we send one.
    IkeSpi successor = {};
    Instant retire_at = {};
};

/// We sent a DELETE for the IKE SA, or told the peer that its AUTH failed (then `sa` is nothing:
/// the store never heard of it).
struct Deleting {
    std::optional<Established> sa;
};

/// Gone, but for repeated requests.
struct Ended {
    Instant forget_at;
};

using State = std::variant<InitSent, InterSent, AuthSent, HalfOpen, Established, Deleting, Ended>;

inline constexpr std::array<const char*, std::variant_size_v<State>> state_names{
    "init_sent", "inter_sent", "auth_sent", "half_open", "established", "deleting", "ended"};

/// Rows: from; columns: to; in the order of State.
inline constexpr std::array<std::array<bool, std::variant_size_v<State>>,
                            std::variant_size_v<State>>
    transitions{{
        // init_sent inter_sent auth_sent half_open established deleting ended
        {false, true, true, false, false, false, true},     // init_sent
        {false, false, true, false, false, false, true},    // inter_sent
        {false, false, false, false, true, true, true},     // auth_sent
        {false, false, false, false, true, false, true},    // half_open
        {false, false, false, false, false, true, true},    // established
        {false, false, false, false, false, false, true},   // deleting
        {false, false, false, false, false, false, false},  // ended
    }};

}  // namespace anyswan::ike
