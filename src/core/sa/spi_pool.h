// SPDX-License-Identifier: Apache-2.0
// Inbound SPIs out of leased blocks (ARCHITECTURE.md, "Inbound SPIs").
//
// The SPI space is cut into blocks of 4096: block n is n * 4096 .. n * 4096 + 4095. An edge leases
// blocks from the store (claim SpiBlock), so any edge can tell who allocated an SPI; inside its
// blocks the numbers are random. An SPI is handed out once, ever: its tombstone may still be on its
// way through the fleet when it is released, and a new SA under the same key would die of it (N6).
// A block that is used up and empty again is given back whole.
#pragma once

#include <bitset>
#include <map>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/strong.h"

namespace anyswan::sa {

inline constexpr std::uint32_t spi_block_size = 4096;
/// Block 0 holds the reserved SPIs 0 to 255 (RFC 4303 2.1): nobody leases it.
inline constexpr std::uint32_t spi_block_first = 1;
inline constexpr std::uint32_t spi_block_last = UINT32_MAX / spi_block_size;

[[nodiscard]] constexpr std::uint32_t spi_block_of(EspSpi spi) {
    return spi.value() / spi_block_size;
}

/// Gives what ike::SpiSource asks for; the host owns it and joins the two.
class SpiPool {
public:
    /// `random` is borrowed. Another block is wanted when fewer than `low_water` SPIs are free.
    SpiPool(Random& random, std::size_t low_water) : random_(random), low_water_(low_water) {}

    /// A block this edge has leased: spi_block_first..spi_block_last, not held already (checked).
    void add_block(std::uint32_t block);
    /// Random among all free SPIs; nothing when none is free.
    [[nodiscard]] std::optional<EspSpi> allocate();
    /// An SPI that was handed out before, by this start or an earlier one: it is in use. False: it
    /// isn't in a held block, or is in use already.
    bool mark_used(EspSpi spi);
    /// The SA is gone. SPIs that aren't in use are ignored: an end may be heard of twice.
    void release(EspSpi spi);
    /// Removes from the pool, and returns, the blocks of which every SPI was handed out and is
    /// released: their claims can be deleted once their tombstones are.
    [[nodiscard]] std::vector<std::uint32_t> take_spent_blocks();

    [[nodiscard]] bool block_wanted() const { return free_ < low_water_; }
    [[nodiscard]] std::size_t free() const { return free_; }
    [[nodiscard]] std::size_t in_use() const;
    [[nodiscard]] bool holds(std::uint32_t block) const { return blocks_.contains(block); }

private:
    struct Block {
        std::bitset<spi_block_size> handed_out;
        std::bitset<spi_block_size> in_use;
    };

    Random& random_;
    std::size_t low_water_;
    std::size_t free_ = 0;
    std::map<std::uint32_t, Block> blocks_;
};

}  // namespace anyswan::sa
