// SPDX-License-Identifier: Apache-2.0
// IVs of AEAD packets (invariant N1): `incarnation (24 bits) || counter (40 bits)`. Incarnations
// are unique in the fleet, the counter never repeats within one, so no two packets of the fleet
// share an IV, whatever SA or key they use (RFC 6054 3.1 lets a group divide the IV space like
// this).
#pragma once

#include "base/strong.h"

namespace anyswan::esp {

class IvAllocator {
public:
    static constexpr unsigned counter_bits = 40;
    static constexpr unsigned incarnation_bits = 24;

    /// Worker `worker` of `workers` in this incarnation gets a slice of the counter of its own.
    /// The incarnation is 1..2^24-1 (checked).
    explicit IvAllocator(Incarnation incarnation, unsigned worker = 0, unsigned workers = 1);

    /// An IV that was not given before. A slice that runs out (at a million packets a second and
    /// one worker, after 12 days) is a check failure: a new start has a new incarnation.
    [[nodiscard]] std::uint64_t take();

private:
    std::uint64_t next_;
    std::uint64_t end_;
};

}  // namespace anyswan::esp
