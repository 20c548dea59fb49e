// SPDX-License-Identifier: Apache-2.0
// Responder: which tunnel an IKE_AUTH request is for. Several tunnels may allow one address (behind
// one NAT, or anywhere): identity decides, an exact one before patterns, then the kind of
// authentication, then the proof itself.
#pragma once

#include "core/ike/auth/proof.h"
#include "core/ike/session.h"

namespace anyswan::ike::auth {

/// What an IKE_AUTH request claims.
struct Claimed {
    const wire::ike::IdInitiator& id_i;
    const wire::ike::IdResponder* id_r = nullptr;
    const wire::ike::Authentication& auth;
    const std::vector<wire::ike::Payload>& payloads;
};

struct Selected {
    const sa::TunnelRecord* tunnel = nullptr;
    Proved proved;
    bool with_ppk = false;
};

/// `session` is half-open. Else the words for the operator why no tunnel fits; the wire says the
/// same in every case.
[[nodiscard]] Expected<Selected, std::string> select_tunnel(Session& session,
                                                            const Context& context,
                                                            const IpAddress& remote,
                                                            const Claimed& claimed);

}  // namespace anyswan::ike::auth
