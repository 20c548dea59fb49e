// SPDX-License-Identifier: Apache-2.0
// The exchanges of IKEv2, one .cc file each, both roles in it. session.cc dispatches here.
#pragma once

#include "core/ike/front.h"
#include "core/ike/session.h"

namespace anyswan::ike {

/// IKE_SA_INIT (RFC 7296 1.2).
namespace sa_init {

/// Initiator: a new session that has sent its request, or nothing (the event says why).
[[nodiscard]] std::unique_ptr<Session> start(Context& context, const Initiate& input,
                                             IkeSpi our_spi);
void on_response(Session& session, Context& context, const Arrival& arrival);

/// Responder, for a request that the front admitted: a new half-open session that has answered, or
/// nothing after a stateless refusal.
[[nodiscard]] std::unique_ptr<Session> accept(Context& context, Front& front,
                                              const Arrival& arrival,
                                              const wire::ike::Message& message, IkeSpi our_spi);

}  // namespace sa_init

/// IKE_AUTH (RFC 7296 1.2, 2.15) with the first Child SA.
namespace auth {

/// Initiator, keys known: sends the request, becomes AuthSent.
struct Start {
    Bytes init_response;
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes init_request;
    Terms terms;
};
void start(Session& session, Context& context, Start start);
void on_response(Session& session, Context& context, const Inbound& in);
void on_request(Session& session, Context& context, const Inbound& in);

}  // namespace auth

/// INFORMATIONAL (RFC 7296 1.4): liveness, DELETE, notifies.
namespace informational {

void on_request(Session& session, Context& context, const Inbound& in);
/// The request in flight was answered; `moved`: facts to be written if the peer has moved.
void on_response(Session& session, Context& context, std::vector<Write> moved);
/// Established -> Deleting: asks the peer to end the IKE SA; `writes` go with the request.
void send_delete(Session& session, Context& context, std::vector<Write> writes = {});

}  // namespace informational

/// CREATE_CHILD_SA (RFC 7296 1.3): further Child SAs, rekeying of either kind.
namespace create_child {

void on_request(Session& session, Context& context, const Inbound& in);

}  // namespace create_child

}  // namespace anyswan::ike
