// SPDX-License-Identifier: Apache-2.0
// The operating system's random numbers, for everything in production.
#pragma once

#include "base/random.h"

namespace anyswan::edge {

class OsRandom final : public Random {
public:
    void fill(MutableBytes out) override;
};

}  // namespace anyswan::edge
