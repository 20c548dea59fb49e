// SPDX-License-Identifier: Apache-2.0
#include "core/sa/spi_pool.h"

#include "base/check.h"

namespace anyswan::sa {

namespace {

/// The position of the `nth` (from 0) number that was not handed out; there is one (checked).
std::size_t nth_free(const std::bitset<spi_block_size>& handed_out, std::size_t nth) {
    for (std::size_t at = 0; at < handed_out.size(); ++at) {
        if (!handed_out[at] && nth-- == 0) {
            return at;
        }
    }
    check(false, "fewer free SPIs than counted");
    return 0;
}

}  // namespace

void SpiPool::add_block(std::uint32_t block) {
    check(block >= spi_block_first && block <= spi_block_last, "no such SPI block");
    const bool added = blocks_.try_emplace(block).second;
    check(added, "an SPI block is held already");
    free_ += spi_block_size;
}

std::optional<EspSpi> SpiPool::allocate() {
    if (free_ == 0) {
        return std::nullopt;
    }
    std::size_t nth = static_cast<std::size_t>(random_.below(free_));
    for (auto& [number, block] : blocks_) {
        const std::size_t free_here = spi_block_size - block.handed_out.count();
        if (nth >= free_here) {
            nth -= free_here;
            continue;
        }
        const std::size_t at = nth_free(block.handed_out, nth);
        block.handed_out.set(at);
        block.in_use.set(at);
        --free_;
        return EspSpi(number * spi_block_size + static_cast<std::uint32_t>(at));
    }
    check(false, "fewer free SPIs than counted");
    return std::nullopt;
}

bool SpiPool::mark_used(EspSpi spi) {
    const auto found = blocks_.find(spi_block_of(spi));
    const std::size_t at = spi.value() % spi_block_size;
    if (found == blocks_.end() || found->second.in_use[at]) {
        return false;
    }
    if (!found->second.handed_out[at]) {
        found->second.handed_out.set(at);
        --free_;
    }
    found->second.in_use.set(at);
    return true;
}

void SpiPool::release(EspSpi spi) {
    const auto found = blocks_.find(spi_block_of(spi));
    if (found != blocks_.end()) {
        found->second.in_use.reset(spi.value() % spi_block_size);
    }
}

std::vector<std::uint32_t> SpiPool::take_spent_blocks() {
    std::vector<std::uint32_t> spent;
    std::erase_if(blocks_, [&](const auto& entry) {
        const auto& [number, block] = entry;
        const bool is_spent = block.handed_out.all() && block.in_use.none();
        if (is_spent) {
            spent.push_back(number);
        }
        return is_spent;
    });
    return spent;
}

std::size_t SpiPool::in_use() const {
    std::size_t count = 0;
    for (const auto& [number, block] : blocks_) {
        count += block.in_use.count();
    }
    return count;
}

}  // namespace anyswan::sa
