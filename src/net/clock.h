// SPDX-License-Identifier: Apache-2.0
// The host's clocks and randomness: the only places where time and chance come into the process.
#pragma once

#include <array>

#include "base/random.h"
#include "base/time.h"

namespace anyswan::net {

/// Both clocks of this host.
[[nodiscard]] Now read_clock();

/// The kernel's random generator (getrandom), drawn in blocks. Not thread-safe.
class SystemRandom final : public Random {
public:
    SystemRandom() = default;
    SystemRandom(const SystemRandom&) = delete;
    SystemRandom& operator=(const SystemRandom&) = delete;
    ~SystemRandom() override { wipe(block_); }
    void fill(MutableBytes out) override;

private:
    std::array<std::uint8_t, 256> block_{};
    std::size_t used_ = 256;
};

}  // namespace anyswan::net
