// SPDX-License-Identifier: Apache-2.0
// COOKIE values (RFC 7296 2.6).
#include "core/ike/cookie.h"

#include "core/crypto/crypto.h"
#include "core/ike/limits.h"

namespace anyswan::ike {

namespace {

std::uint64_t slot_of(WallTime now) {
    return static_cast<std::uint64_t>(now.unix_ns / cookie_slot.count());
}

Bytes cookie_of_slot(const Secret& secret, const CookieSubject& subject, std::uint64_t slot) {
    Writer bound;
    bound.append(subject.nonce);
    bound.append(subject.address.bytes());
    bound.u64(subject.initiator_spi.value());
    bound.u64(slot);
    const Secret mac = crypto::prf(crypto::PrfId::hmac_sha2_256, secret.reveal(), {bound.view()});
    Writer cookie;
    cookie.u8(static_cast<std::uint8_t>(slot));
    cookie.append(mac.reveal());
    return std::move(cookie).take();
}

}  // namespace

Bytes make_cookie(const Secret& secret, const CookieSubject& subject, WallTime now) {
    return cookie_of_slot(secret, subject, slot_of(now));
}

bool cookie_valid(const Secret& secret, const CookieSubject& subject, WallTime now,
                  ByteView cookie) {
    for (const std::uint64_t slot : {slot_of(now), slot_of(now) - 1}) {
        if (constant_time_equal(cookie, cookie_of_slot(secret, subject, slot))) {
            return true;
        }
    }
    return false;
}

}  // namespace anyswan::ike
