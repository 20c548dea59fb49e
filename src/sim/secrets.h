// SPDX-License-Identifier: Apache-2.0
// All keys of a simulation, to find them where they must not be (N7): in the store, on the bus, on
// the wire, in the log.
#pragma once

#include <bitset>
#include <unordered_set>

#include "base/bytes.h"

namespace anyswan::sim {

class Secrets {
public:
    /// Remembers a secret of at least eight bytes by its beginning.
    void add(ByteView secret);
    /// Whether a secret stands anywhere in `bytes`.
    [[nodiscard]] bool in(ByteView bytes) const;

private:
    static constexpr std::size_t filter_size = 1U << 16U;
    std::unordered_set<std::uint64_t> beginnings_;
    std::bitset<filter_size> filter_;  // by their low bits: nearly all that is looked at ends here
};

}  // namespace anyswan::sim
