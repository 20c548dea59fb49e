// SPDX-License-Identifier: Apache-2.0
#include "core/ike/int_auth.h"

#include "core/crypto/crypto.h"

namespace anyswan::ike {

Bytes next_int_auth(crypto::PrfId prf, const Secret& sk_p, ByteView so_far, ByteView octets) {
    return to_bytes(crypto::prf(prf, sk_p.reveal(), {so_far, octets}).reveal());
}

Bytes auth_tail(const IntAuth& int_auth, MessageId auth_id) {
    if (int_auth.of_initiator.empty()) {
        return {};
    }
    Writer tail;
    tail.append(int_auth.of_initiator);
    tail.append(int_auth.of_responder);
    tail.u32(auth_id.value());
    return std::move(tail).take();
}

}  // namespace anyswan::ike
