// SPDX-License-Identifier: Apache-2.0
// A store client with one of the deliberate bugs.
#pragma once

#include "core/sa/envelope.h"
#include "sim/bugs.h"
#include "store/store.h"

namespace anyswan::sim {

/// `client` unchanged if no bug concerns stores. `keys` outlive it.
[[nodiscard]] std::unique_ptr<store::Store> with_bugs(std::unique_ptr<store::Store> client,
                                                      const Bugs& bugs, const sa::FleetKeys& keys);

}  // namespace anyswan::sim
