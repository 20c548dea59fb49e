// SPDX-License-Identifier: Apache-2.0
// Longest prefix match over IPv4 and IPv6: one hash table per prefix length in use, tried from the
// longest. A lookup costs at most one probe per distinct length, which are few in practice (a
// customer uses /16s and /24s, not all 128), and an update costs one.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip.h"

namespace anyswan::route {

/// Maps prefixes to values of `T`; the value of the longest prefix that contains an address wins.
template <class T>
class PrefixTable {
public:
    /// The value of exactly `prefix`, default-made if new. Valid until the next change.
    T& at_or_insert(const IpPrefix& prefix) {
        Level& level = level_for(prefix);
        const auto [slot, added] = level.entries.try_emplace(key_of(prefix));
        size_ += added ? 1 : 0;
        return slot->second;
    }

    /// The value of exactly `prefix`, or null.
    [[nodiscard]] T* find_exact(const IpPrefix& prefix) {
        for (Level& level : levels(prefix.address.family())) {
            if (level.length == prefix.length) {
                const auto found = level.entries.find(key_of(prefix));
                return found == level.entries.end() ? nullptr : &found->second;
            }
        }
        return nullptr;
    }

    /// Returns whether it was there.
    bool erase(const IpPrefix& prefix) {
        auto& family = levels(prefix.address.family());
        const auto level = std::ranges::find(family, prefix.length, &Level::length);
        if (level == family.end() || level->entries.erase(key_of(prefix)) == 0) {
            return false;
        }
        --size_;
        if (level->entries.empty()) {
            family.erase(level);
        }
        return true;
    }

    /// The value of the longest prefix that contains `address`, or null.
    [[nodiscard]] const T* lookup(const IpAddress& address) const {
        const Key whole = key_of_address(address);
        for (const Level& level : levels_[index_of(address.family())]) {
            const auto found = level.entries.find(masked(whole, level.length));
            if (found != level.entries.end()) {
                return &found->second;
            }
        }
        return nullptr;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    /// An address as two words, IPv4 in the top 32 bits, host bits zero.
    struct Key {
        std::uint64_t high = 0;
        std::uint64_t low = 0;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept {
            // Fibonacci mixing: neighbouring prefixes differ in few, high bits.
            std::uint64_t mixed = (key.high ^ (key.low * 0x9e3779b97f4a7c15ULL));
            mixed ^= mixed >> 32U;
            return static_cast<std::size_t>(mixed * 0x9e3779b97f4a7c15ULL);
        }
    };
    struct Level {
        std::uint8_t length = 0;
        std::unordered_map<Key, T, KeyHash> entries;
    };

    static std::size_t index_of(IpFamily family) { return family == IpFamily::v4 ? 0 : 1; }
    std::vector<Level>& levels(IpFamily family) { return levels_[index_of(family)]; }

    static Key key_of_address(const IpAddress& address) {
        const ByteView bytes = address.bytes();
        if (address.is_v4()) {
            return {static_cast<std::uint64_t>(load_u32(bytes)) << 32U, 0};
        }
        return {load_u64(bytes), load_u64(bytes.subspan(8))};
    }

    static std::uint64_t top_bits(unsigned count) {
        return count == 0 ? 0 : ~std::uint64_t{0} << (64U - count);
    }

    static Key masked(const Key& key, unsigned length) {
        return {key.high & top_bits(std::min(length, 64U)),
                key.low & top_bits(length > 64 ? length - 64 : 0)};
    }

    static Key key_of(const IpPrefix& prefix) {
        return masked(key_of_address(prefix.address), prefix.length);
    }

    Level& level_for(const IpPrefix& prefix) {
        auto& family = levels(prefix.address.family());
        auto level = std::ranges::find_if(
            family, [&](const Level& one) { return one.length <= prefix.length; });
        if (level == family.end() || level->length != prefix.length) {
            level = family.insert(level, Level{prefix.length, {}});
        }
        return *level;
    }

    std::array<std::vector<Level>, 2> levels_;  // IPv4, IPv6; each from the longest length down
    std::size_t size_ = 0;
};

}  // namespace anyswan::route
