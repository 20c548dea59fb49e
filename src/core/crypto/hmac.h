// SPDX-License-Identifier: Apache-2.0
// A keyed HMAC that is set up once and computes many: what PRFs and the integrity of CBC suites are
// made of. Internal to this folder.
#pragma once

#include <optional>

#include "core/crypto/crypto.h"
#include "core/crypto/openssl_handles.h"

namespace anyswan::crypto {

inline constexpr std::size_t max_hmac_size = 64;

class Hmac {
public:
    /// `digest` is a name of the library's ("SHA2-256"). Nothing: the library refused.
    static std::optional<Hmac> make(const char* digest, ByteView key);
    /// The full-length HMAC of the parts, fed one after another, into the front of `out`, which has
    /// room for max_hmac_size bytes. Returns the length.
    std::size_t compute(std::initializer_list<ByteView> parts, MutableBytes out);

private:
    explicit Hmac(MacCtx ctx) : ctx_(std::move(ctx)) {}
    MacCtx ctx_;
};

[[nodiscard]] const char* digest_name(PrfId prf);
[[nodiscard]] const char* digest_name(IntegId integ);

}  // namespace anyswan::crypto
