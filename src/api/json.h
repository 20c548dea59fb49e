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
[[nodiscard]] Json health_json(const edge::Edge& edge);
[[nodiscard]] Json edge_json(const edge::Edge& edge);
[[nodiscard]] Json fleet_json(const edge::Edge& edge);
[[nodiscard]] Json sas_json(const edge::Edge& edge);
[[nodiscard]] Json to_json(const edge::LiveTrace::Page& page);

/// Datagrams of a capture, to be explained by a daemon: {"datagrams": [{"at_ns", "from", "to",
/// "payload"}]}, addresses as [address, port].
[[nodiscard]] Json capture_json(std::span<const wire::pcap::UdpDatagram> datagrams);
[[nodiscard]] std::optional<std::vector<wire::pcap::UdpDatagram>> read_capture_json(
    const std::string& body);

}  // namespace anyswan::api
