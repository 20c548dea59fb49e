// SPDX-License-Identifier: Apache-2.0
// Drop reasons as values, counted. The list with its sentences is drop_reason.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace anyswan::esp {

enum class DropReason : std::uint8_t {
#define DROP_REASON(name, sentence) name,
#include "core/esp/drop_reason.def"
#undef DROP_REASON
};

inline constexpr std::size_t drop_reason_count = 0
#define DROP_REASON(name, sentence) +1
#include "core/esp/drop_reason.def"
#undef DROP_REASON
    ;

/// "replay_seen"; the metric is "drop_replay_seen".
[[nodiscard]] const char* name(DropReason reason);
/// One sentence for an operator: what happened, and what it may mean.
[[nodiscard]] const char* sentence(DropReason reason);

/// How many packets were dropped, by reason.
using DropCounts = std::array<std::uint64_t, drop_reason_count>;

inline void count_drop(DropCounts& counts, DropReason reason, std::uint64_t packets = 1) {
    counts[static_cast<std::size_t>(reason)] += packets;
}

}  // namespace anyswan::esp
