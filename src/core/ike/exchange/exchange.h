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

/// IKE_INTERMEDIATE (RFC 9242) for additional key exchanges (RFC 9370).
namespace intermediate {

/// Initiator, keys known: sends the first request, becomes InterSent; without additional key
/// exchanges goes on to IKE_AUTH at once.
void start(Session& session, Context& context, auth::Start start);
void on_response(Session& session, Context& context, const Inbound& in);
void on_request(Session& session, Context& context, const Inbound& in);

}  // namespace intermediate

/// IKE_AUTH (RFC 7296 1.2, 2.15) with the first Child SA.
namespace auth {

/// Initiator, keys known: sends the request, becomes AuthSent.
void start(Session& session, Context& context, Start start);
void on_response(Session& session, Context& context, const Inbound& in);
void on_request(Session& session, Context& context, const Inbound& in);
/// The request that waited for them (configuration.h) goes on. HalfOpen.
void on_addresses(Session& session, Context& context, AddressesGiven given);

}  // namespace auth

/// INFORMATIONAL (RFC 7296 1.4): liveness, DELETE, notifies.
namespace informational {

void on_request(Session& session, Context& context, const Inbound& in);
/// Deleting, and our request was answered.
void on_response(Session& session, Context& context);
/// Established -> Deleting: asks the peer to end the IKE SA; `writes` go with the request.
void send_delete(Session& session, Context& context, std::vector<Write> writes = {});

}  // namespace informational

/// CREATE_CHILD_SA (RFC 7296 1.3) by the peer: further Child SAs, rekeying of either kind.
namespace create_child {

void on_request(Session& session, Context& context, const Inbound& in);
/// Responder: all key exchanges of a Child SA are done, and its tunnel is there; makes it.
void complete(Session& session, Context& context, sa::PendingSa pending,
              std::vector<Write>& writes);

}  // namespace create_child

/// IKE_FOLLOWUP_KE (RFC 9370 2.2.4): additional key exchanges after CREATE_CHILD_SA.
namespace followup_ke {

void on_request(Session& session, Context& context, const Inbound& in);
/// Responder of CREATE_CHILD_SA: waits for the first of them; the notify that says so.
[[nodiscard]] wire::ike::Payload expect(Session& session, Context& context, sa::PendingSa pending);

/// Initiator: asks for the next one, with the link out of the answer before; takes `asked` and
/// `writes` along. False, and nothing is done, if that answer has none.
[[nodiscard]] bool ask(Session& session, Context& context, in_flight::CreateChild& asked,
                       const Inbound& answer, std::vector<Write>& writes);
[[nodiscard]] bool ask(Session& session, Context& context, in_flight::RekeyIke& asked,
                       const Inbound& answer, std::vector<Write>& writes);
/// Initiator: adds to `pending` what our half and the answer's make; false if that has none.
[[nodiscard]] bool take(const in_flight::Offer& ours, sa::PendingSa& pending,
                        const Inbound& answer);

}  // namespace followup_ke

/// CREATE_CHILD_SA that rekeys the IKE SA (RFC 7296 1.3.2), and who has its estate: the Child SAs
/// and the Endpoint fact of the chain.
namespace rekey_ike {

void on_request(Session& session, Context& context, const Inbound& in);
/// Responder: all key exchanges of an IKE SA are done; makes it.
void complete(Session& session, Context& context, const sa::PendingSa& pending,
              std::vector<Write>& writes);
/// An authentic message of the peer came in on it.
void heard(Session& session, Context& context);
/// The peer makes or deletes SAs on it: if it was undecided who has the estate, it is decided now.
void accept_estate(Session& session, Context& context);
/// It isn't known yet whether this heir gets the estate, or the peer is about to replace it: it has
/// nothing to ask for until then.
[[nodiscard]] bool undecided(const Session& session, Context& context);
/// It ends: an heir that waits for the estate gets it.
void bequeath(Session& session, Context& context, std::vector<Write>& writes);
/// Whether the Child SAs end with it. It was established.
[[nodiscard]] bool owns_estate(const Session& session, Context& context);

}  // namespace rekey_ike

/// Whether a task's request was sent, or there is nothing (or nothing now) to ask for.
enum class Started : std::uint8_t { yes, moot };

/// Our own requests (tasks.h). start() takes `wish` and `writes` along if it sends a request;
/// finish() adds to `writes` and may add wishes: its caller goes on.
namespace tasks {

Started start(Session& session, Context& context, const task::Probe& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::NewChild& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::RekeyChild& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::RekeyIke& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::DeleteChildren& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::DeleteIke& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::UpdateAddresses& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::CheckPath& task, Wish& wish,
              std::vector<Write>& writes);
Started start(Session& session, Context& context, const task::Redirect& task, Wish& wish,
              std::vector<Write>& writes);

void finish(Session& session, Context& context, const Inbound& in, in_flight::Probe& asked,
            std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in, in_flight::CreateChild& asked,
            std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in, in_flight::RekeyIke& asked,
            std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in, in_flight::DeleteChildren& asked,
            std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in,
            in_flight::UpdateAddresses& asked, std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in, in_flight::CheckPath& asked,
            std::vector<Write>& writes);
void finish(Session& session, Context& context, const Inbound& in, in_flight::Redirect& asked,
            std::vector<Write>& writes);

}  // namespace tasks

}  // namespace anyswan::ike
