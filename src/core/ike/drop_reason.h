// SPDX-License-Identifier: Apache-2.0
// Why a datagram was discarded. Declared once in drop_reason.def: the enumerator, the metric label
// and the sentence for operators come from there.
#pragma once

#include <cstdint>

namespace anyswan::ike {

enum class DropReason : std::uint8_t {
#define ANYSWAN_DROP(name, sentence) name,
#include "core/ike/drop_reason.def"
#undef ANYSWAN_DROP
};

/// "bad_icv": a metric label.
[[nodiscard]] const char* name(DropReason reason);
/// What it means and what to look at, in a sentence.
[[nodiscard]] const char* explain(DropReason reason);

}  // namespace anyswan::ike
