// SPDX-License-Identifier: Apache-2.0
// Time as an argument. Pure code is told "it is now T"; only the host reads clocks.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace anyswan {

using Duration = std::chrono::nanoseconds;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;

/// A point on one host's monotonic clock. Never travels to another host.
struct Instant {
    Duration since_start{0};
    constexpr auto operator<=>(const Instant&) const = default;
    friend constexpr Instant operator+(Instant at, Duration by) { return {at.since_start + by}; }
    friend constexpr Instant operator-(Instant at, Duration by) { return {at.since_start - by}; }
    friend constexpr Duration operator-(Instant a, Instant b) {
        return a.since_start - b.since_start;
    }
};

/// Wall-clock time, nanoseconds since 1970 UTC. For records and people; no invariant rests on it.
struct WallTime {
    std::int64_t unix_ns = 0;
    constexpr auto operator<=>(const WallTime&) const = default;
};

/// Both clocks, read together by the host once per input.
struct Now {
    Instant instant;
    WallTime wall;
};

}  // namespace anyswan
