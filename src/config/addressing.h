// SPDX-License-Identifier: Apache-2.0
// The options of a tunnel about addresses inside it (configuration payload).
#pragma once

#include "config/toml_reader.h"
#include "core/sa/records.h"

namespace anyswan::config {

/// Fills in addressing, local_prefixes and remote_prefixes.
void read_addressing(TableReader& table, sa::TunnelRecord& tunnel);

}  // namespace anyswan::config
