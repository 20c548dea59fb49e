// SPDX-License-Identifier: Apache-2.0
// Configuration payloads (RFC 7296 2.19, 2.20, 3.15), both roles: addresses inside the tunnel, and
// DNS servers, that the responder gives the initiator in IKE_AUTH.
//
//   HDR, SK {IDi, ..., AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr}  -->
//                     <--  HDR, SK {IDr, ..., AUTH, CP(CFG_REPLY), SAr2, TSi, TSr}
//
// Out of a pool an address is leased by the host (core/sa/address_book.h): the request waits
// meanwhile (AddressesWanted, AddressesGiven). What was given narrows the traffic selectors of
// every Child SA of the IKE SA, and goes over to the one that replaces it.
#pragma once

#include "core/ike/child.h"

namespace anyswan::ike::configuration {

// Responder.

/// Asks the host for the addresses that the request needs, and keeps the request until then. False:
/// nothing is missing, go on.
[[nodiscard]] bool wait_for_addresses(Session& session, Context& context, const Inbound& in,
                                      const sa::TunnelRecord& tunnel,
                                      const wire::ike::Identification& peer_id);
/// Gives the session its addresses: the payloads for the response (none, or CP), or why there is no
/// Child SA. `given`: the host's answer, if it was asked.
[[nodiscard]] Expected<std::vector<wire::ike::Payload>, ChildRefusal> assign(
    Session& session, const sa::TunnelRecord& tunnel,
    const std::vector<wire::ike::Payload>& request, const std::optional<AddressesGiven>& given);
/// Answers the Configuration payloads of an INFORMATIONAL request, which give no addresses.
void answer(const std::vector<wire::ike::Payload>& request,
            std::vector<wire::ike::Payload>& response);

// Initiator.

/// Adds CP(CFG_REQUEST) if the tunnel asks for addresses.
void append_request(std::vector<wire::ike::Payload>& payloads, const sa::TunnelRecord& tunnel);
/// Takes what the responder gave; else why that is not enough.
[[nodiscard]] Expected<sa::Assigned, std::string> take_reply(
    const sa::TunnelRecord& tunnel, const std::vector<wire::ike::Payload>& payloads);

/// Whether our side of a Child SA has one of the addresses we were given, if we were given any.
[[nodiscard]] bool carried_by(const std::vector<wire::ike::TrafficSelector>& local,
                              const sa::Assigned& assigned);

// Both.

/// What the Child SAs of an IKE SA may carry. Of a tunnel that asks for addresses and has none yet,
/// our side is whatever the responder narrows it to.
[[nodiscard]] std::vector<wire::ike::TrafficSelector> local_selectors(
    const Session& session, const sa::TunnelRecord& tunnel);
[[nodiscard]] std::vector<wire::ike::TrafficSelector> remote_selectors(
    const Session& session, const sa::TunnelRecord& tunnel);

}  // namespace anyswan::ike::configuration
