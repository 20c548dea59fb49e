// SPDX-License-Identifier: Apache-2.0
// [[tunnel]] tables as records.
#pragma once

#include "config/config.h"
#include "config/toml_reader.h"

namespace anyswan::config {

/// One table; mistakes go to the reader's list.
[[nodiscard]] sa::TunnelRecord read_tunnel(TableReader& table);
/// All [[tunnel]] tables of a file.
[[nodiscard]] std::vector<sa::TunnelRecord> read_tunnels(TableReader& root);

}  // namespace anyswan::config
