// SPDX-License-Identifier: Apache-2.0
// What an operator orders about one SA: rekey it, or end it. Pure.
#pragma once

#include "base/result.h"
#include "core/ike/engine.h"

namespace anyswan::edge {

enum class SaOrder : std::uint8_t { rekey, end };

/// The engine's input for an order about the SA named by `spi`: a Child SA's inbound SPI (8 hex
/// digits), or our SPI of an IKE SA (16). `owned`: the IKE SAs of this edge; others can't be
/// ordered about from here, and the error says so.
[[nodiscard]] Result<ike::Input> order_input(SaOrder order, const std::string& spi,
                                             const std::vector<ike::IkeSaSummary>& owned);

}  // namespace anyswan::edge
