// SPDX-License-Identifier: Apache-2.0
// What the API shows, as JSON. Secrets are shown as "***".
#pragma once

#include <nlohmann/json.hpp>

#include "edge/edge.h"

namespace anyswan::api {

using Json = nlohmann::json;

[[nodiscard]] Json to_json(const sa::TunnelRecord& tunnel);
[[nodiscard]] Json to_json(const edge::ChildRow& row);
[[nodiscard]] Json to_json(const ike::IkeSaSummary& sa);
[[nodiscard]] Json edge_json(const edge::Edge& edge);
[[nodiscard]] Json fleet_json(const edge::Edge& edge);
[[nodiscard]] Json sas_json(const edge::Edge& edge);

}  // namespace anyswan::api
