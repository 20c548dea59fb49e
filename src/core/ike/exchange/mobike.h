// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555): what the other exchanges and the engine call of exchange/mobike.cc. Its own
// requests are the tasks UpdateAddresses and CheckPath.
#pragma once

#include "core/ike/exchange/exchange.h"

namespace anyswan::ike::mobike {

/// IKE_AUTH, initiator.
void append_to_auth_request(std::vector<wire::ike::Payload>& payloads, const Session& session,
                            const EngineConfig& config, const sa::TunnelRecord& tunnel);
void read_auth_response(Session& session, const sa::TunnelRecord& tunnel,
                        const std::vector<wire::ike::Payload>& payloads);
/// IKE_AUTH, responder.
void answer_auth(Session& session, const EngineConfig& config, const sa::TunnelRecord& tunnel,
                 const Inbound& in, std::vector<wire::ike::Payload>& answer);
/// NO_NATS_ALLOWED, and the message came through one (RFC 4555 3.9).
[[nodiscard]] bool nat_prohibited(const Inbound& in);

/// An INFORMATIONAL request: what is to be answered because of MOBIKE. The caller writes the claim
/// with `writes`, and calls go_on() after it has answered.
[[nodiscard]] std::vector<wire::ike::Payload> on_request(Session& session, Context& context,
                                                         const Inbound& in,
                                                         std::vector<Write>& writes);
/// Asks the peer for what is outstanding: to know our new address, to answer at its own.
void go_on(Session& session, Context& context);
/// Our side of the path changed, and we are the initiator.
void move(Session& session, Context& context, const Path& path);

/// A liveness check is also how an initiator behind a NAT notices another mapping (RFC 4555 3.8).
void append_to_probe(std::vector<wire::ike::Payload>& payloads, const Session& session,
                     const Context& context);
void on_probe_answer(Session& session, const Inbound& in);

/// A request of ours in a claim; nothing if it isn't one of these.
[[nodiscard]] std::optional<InFlight> resume(const sa::RequestInFlight& request,
                                             const std::vector<wire::ike::Payload>& payloads);

}  // namespace anyswan::ike::mobike
