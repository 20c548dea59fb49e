// SPDX-License-Identifier: Apache-2.0
// COOKIE values of the responder (RFC 7296 2.6), without state: any edge of the fleet checks any
// edge's cookie. Cookie = slot number (low octet) | prf(fleet secret, Ni | IPi | SPIi | slot).
#pragma once

#include "base/ip.h"
#include "base/secret.h"
#include "base/strong.h"
#include "base/time.h"

namespace anyswan::ike {

/// What a cookie is bound to, besides the secret and the time.
struct CookieSubject {
    ByteView nonce;
    IpAddress address;
    IkeSpi initiator_spi;
};

[[nodiscard]] Bytes make_cookie(const Secret& secret, const CookieSubject& subject, WallTime now);
/// Accepts cookies of the present time slot and of the one before.
[[nodiscard]] bool cookie_valid(const Secret& secret, const CookieSubject& subject, WallTime now,
                                ByteView cookie);

}  // namespace anyswan::ike
