// SPDX-License-Identifier: Apache-2.0
// Randomness that can be drawn again: a keyed stream, HMAC-SHA-256 in counter mode over a secret
// seed (NIST SP 800-108). One seed an exchange, so that whoever holds the claim can make our nonce
// and key exchange of it again.
#pragma once

#include "base/random.h"

namespace anyswan::ike {

inline constexpr std::size_t exchange_seed_size = 32;

class SeedStream final : public Random {
public:
    /// `seed` is borrowed.
    explicit SeedStream(const Secret& seed) : seed_(seed) {}
    void fill(MutableBytes out) override;

private:
    const Secret& seed_;
    std::uint64_t counter_ = 0;
    Secret block_;
    std::size_t used_ = 0;
};

}  // namespace anyswan::ike
