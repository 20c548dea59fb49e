// SPDX-License-Identifier: Apache-2.0
// A node's store client as the simulation spoils it: with a bus that may fall silent, and with the
// deliberate bugs. Shows the oracle what it carries.
#pragma once

#include "core/sa/envelope.h"
#include "sim/bugs.h"
#include "sim/oracle.h"
#include "store/store.h"

namespace anyswan::sim {

/// While `bus_silent`, bus messages neither leave nor arrive. The references outlive it.
[[nodiscard]] std::unique_ptr<store::Store> spoil(std::unique_ptr<store::Store> client,
                                                  const bool& bus_silent, const Bugs& bugs,
                                                  const sa::FleetKeys& keys, Oracle& oracle);

}  // namespace anyswan::sim
