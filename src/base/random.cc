// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <bit>

#include "base/check.h"

namespace anyswan {

Bytes Random::bytes(std::size_t size) {
    Bytes out(size);
    fill(out);
    return out;
}

Secret Random::secret(std::size_t size) {
    Secret out(size);
    fill(out.writable());
    return out;
}

std::uint64_t Random::u64() {
    std::array<std::uint8_t, 8> raw{};
    fill(raw);
    return load_u64(raw);
}

std::uint64_t Random::below(std::uint64_t bound) {
    check(bound > 0, "below(0)");
    // Rejection keeps the result uniform: drop the values above the last whole multiple of bound.
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    std::uint64_t value = u64();
    while (value >= limit) {
        value = u64();
    }
    return value % bound;
}

SeededRandom::SeededRandom(std::uint64_t seed) {
    // splitmix64 spreads the seed over the state, as xoshiro's authors advise.
    for (std::uint64_t& word : state_) {
        seed += 0x9e3779b97f4a7c15U;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        word = z ^ (z >> 31U);
    }
}

std::uint64_t SeededRandom::next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

void SeededRandom::fill(MutableBytes out) {
    for (std::size_t i = 0; i < out.size(); i += 8) {
        std::uint64_t word = next();
        for (std::size_t j = i; j < out.size() && j < i + 8; ++j) {
            out[j] = static_cast<std::uint8_t>(word);
            word >>= 8U;
        }
    }
}

}  // namespace anyswan
