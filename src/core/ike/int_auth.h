// SPDX-License-Identifier: Apache-2.0
// How IKE_AUTH covers the IKE_INTERMEDIATE exchanges before it (RFC 9242 3.3.2).
#pragma once

#include "core/ike/keys.h"

namespace anyswan::ike {

/// IntAuth_iN and IntAuth_rN of the exchanges so far; empty before the first.
struct IntAuth {
    Bytes of_initiator;
    Bytes of_responder;
    bool operator==(const IntAuth&) const = default;
};

/// IntAuth_*n = prf(SK_p*n, IntAuth_*n-1 | IntAuth_*nA | IntAuth_*nP), for one of the two sides.
/// `octets`: its message, as int_auth_octets() of protect.h gives it; `sk_p`: its key of the
/// generation that protected the message.
[[nodiscard]] Bytes next_int_auth(crypto::PrfId prf, const Secret& sk_p, ByteView so_far,
                                  ByteView octets);
/// IntAuth_iN | IntAuth_rN | IKE_AUTH_MID, what AUTH covers at its end; nothing if there were no
/// such exchanges. `auth_id` is the message ID of the first IKE_AUTH.
[[nodiscard]] Bytes auth_tail(const IntAuth& int_auth, MessageId auth_id);

}  // namespace anyswan::ike
