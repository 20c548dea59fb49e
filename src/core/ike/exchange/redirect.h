// SPDX-License-Identifier: Apache-2.0
// REDIRECT (RFC 5685): what the other exchanges and the engine call of exchange/redirect.cc. A
// gateway's order for an established IKE SA is the task Redirect.
#pragma once

#include "core/ike/exchange/exchange.h"

namespace anyswan::ike::redirect {

/// IKE_SA_INIT, initiator: that we may be sent elsewhere, or by whom we were.
void append_to_init_request(std::vector<wire::ike::Payload>& payloads,
                            const sa::TunnelRecord& tunnel,
                            const std::optional<IpAddress>& redirected_from);
/// IKE_SA_INIT answered with REDIRECT: checked, handed to the host, and the session ends.
void on_init_response(Session& session, Context& context, const Arrival& arrival,
                      const wire::ike::Notify& notify);

/// Responder: whether the IKE_SA_INIT request allows to send its peer elsewhere.
[[nodiscard]] bool supported(const std::vector<wire::ike::Payload>& payloads);
/// The refusal that sends this IKE_SA_INIT request to `to`; nothing if its peer can't be sent, or
/// was sent here from there, or is there already.
[[nodiscard]] std::optional<wire::ike::Notify> answer_init(const wire::ike::Message& request,
                                                           const IpAddress& local,
                                                           const Gateway& to);
/// IKE_AUTH, responder: where the peer of this tunnel is to be sent instead of a Child SA.
[[nodiscard]] const Gateway* wanted(const Session& session, const Context& context);
/// It was told so: it has some time to leave by itself.
void await_departure(Session& session, Context& context, const Gateway& to);

/// An authentic REDIRECT of our gateway, in IKE_AUTH or later: handed to the host. True if we
/// follow; then the IKE SA is to be deleted.
[[nodiscard]] bool follow(Session& session, Context& context,
                          const std::vector<wire::ike::Payload>& payloads);

}  // namespace anyswan::ike::redirect
