// SPDX-License-Identifier: Apache-2.0
// The forwarder's counters by name: what `anyswan` shows and Prometheus scrapes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dataplane/forward/forwarder.h"

namespace anyswan::dataplane {

/// "packets_in", ..., then "drop_replay_seen" and its like; always the same, in the same order.
[[nodiscard]] const std::vector<std::string>& forwarder_counter_names();
/// The values, in the order of the names.
void append_counter_values(const Forwarder& forwarder, std::vector<std::uint64_t>& values);
[[nodiscard]] std::map<std::string, std::uint64_t> counter_map(const Forwarder& forwarder);

}  // namespace anyswan::dataplane
