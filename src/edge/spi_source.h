// SPDX-License-Identifier: Apache-2.0
// Joins the pool of leased SPIs to the engine, which asks for one at a time.
#pragma once

#include "core/ike/engine.h"
#include "core/sa/spi_pool.h"

namespace anyswan::edge {

class SpiSource final : public ike::SpiSource {
public:
    /// `pool` is borrowed.
    explicit SpiSource(sa::SpiPool& pool) : pool_(pool) {}
    std::optional<EspSpi> allocate() override { return pool_.allocate(); }

private:
    sa::SpiPool& pool_;
};

}  // namespace anyswan::edge
