// SPDX-License-Identifier: Apache-2.0
// Randomness as an argument: the daemon passes the operating system's, tests and the simulation a
// seeded stream, so that a failing seed replays.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace anyswan {

class Random {
public:
    virtual ~Random() = default;
    virtual void fill(MutableBytes out) = 0;

    [[nodiscard]] Bytes bytes(std::size_t size);
    [[nodiscard]] Secret secret(std::size_t size);
    [[nodiscard]] std::uint64_t u64();
    /// Uniform in 0..bound-1; `bound` must not be 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

/// Deterministic (xoshiro256**), for tests and simulation; never for keys in production.
class SeededRandom final : public Random {
public:
    explicit SeededRandom(std::uint64_t seed);
    void fill(MutableBytes out) override;

private:
    std::uint64_t next();
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace anyswan
