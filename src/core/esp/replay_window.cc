// SPDX-License-Identifier: Apache-2.0
#include "core/esp/replay_window.h"

#include <algorithm>

namespace anyswan::esp {

namespace {

constexpr std::uint64_t word_bits = 64;
constexpr std::uint64_t low_half = 0xffffffffU;

/// RFC 6479: one word more than the window needs, so that sliding clears whole words only.
std::size_t words_for(std::uint64_t size) {
    return size == 0 ? 0 : static_cast<std::size_t>((size + word_bits - 1) / word_bits + 1);
}

std::uint64_t bit_of(std::uint64_t number) {
    return std::uint64_t{1} << (number % word_bits);
}

}  // namespace

ReplayWindow::ReplayWindow(std::uint16_t size) : size_(size), words_(words_for(size), 0) {}

std::uint64_t& ReplayWindow::word_of(std::uint64_t number) {
    return words_[number / word_bits % words_.size()];
}

std::uint64_t ReplayWindow::word_of(std::uint64_t number) const {
    return words_[number / word_bits % words_.size()];
}

ReplayWindow::Verdict ReplayWindow::check(SequenceNumber number) const {
    if (size_ == 0) {
        return Verdict::fresh;
    }
    const std::uint64_t value = number.value();
    // The first packet carries 1 (RFC 4303 3.3.3); floor_ is at least 0, so 0 is never accepted.
    if (value <= floor_) {
        return Verdict::too_old;
    }
    if (value > top_) {
        return Verdict::fresh;
    }
    if (top_ - value >= size_) {
        return Verdict::too_old;
    }
    return (word_of(value) & bit_of(value)) != 0 ? Verdict::seen : Verdict::fresh;
}

ReplayWindow::Verdict ReplayWindow::commit(SequenceNumber number) {
    const Verdict verdict = check(number);
    if (verdict != Verdict::fresh) {
        return verdict;
    }
    if (number.value() > top_) {
        advance_to(number.value());
    }
    if (size_ != 0) {
        word_of(number.value()) |= bit_of(number.value());
    }
    return verdict;
}

void ReplayWindow::lift(const FleetMark& mark) {
    floor_ = std::max(floor_, mark.settled.value());
    const std::uint64_t highest = std::max(mark.highest, mark.settled).value();
    if (highest > top_) {
        advance_to(highest);
    }
}

void ReplayWindow::advance_to(std::uint64_t number) {
    if (size_ != 0) {
        const std::uint64_t words_ahead = number / word_bits - top_ / word_bits;
        const std::uint64_t to_clear = std::min<std::uint64_t>(words_ahead, words_.size());
        for (std::uint64_t i = 0; i < to_clear; ++i) {
            words_[(number / word_bits - i) % words_.size()] = 0;
        }
    }
    top_ = number;
}

SequenceNumber ReplayWindow::infer_extended(std::uint32_t low) const {
    // Without a window every number is acceptable, so we take the nearest.
    const std::uint64_t window = size_ == 0 ? std::uint64_t{1} << 31U : size_;
    const std::uint64_t top_low = top_ & low_half;
    std::uint64_t high = top_ >> 32U;
    if (top_low >= window - 1) {
        // Case A: the window lies within one 2^32 block.
        if (low < top_low - (window - 1)) {
            ++high;
        }
    } else if (low >= ((top_low - (window - 1)) & low_half) && high > 0) {
        // Case B: the window reaches back into the block before.
        --high;
    }
    return SequenceNumber((high << 32U) | low);
}

}  // namespace anyswan::esp
