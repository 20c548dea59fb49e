// SPDX-License-Identifier: Apache-2.0
#include "edge/bus_messages.h"

#include <nlohmann/json.hpp>

namespace anyswan::edge {

namespace {

using Json = nlohmann::json;

Json to_json(const Endpoint& endpoint) {
    return {{"address", endpoint.address.to_string()}, {"port", endpoint.port}};
}

Endpoint endpoint_from(const Json& json) {
    Endpoint endpoint;
    endpoint.address =
        IpAddress::parse(json.at("address").get<std::string>()).value_or(IpAddress{});
    endpoint.port = json.at("port").get<std::uint16_t>();
    return endpoint;
}

Bytes bytes_from(const Json& json) {
    const auto& binary = json.get_binary();
    return {binary.begin(), binary.end()};
}

Json to_json(const Heartbeat& beat) {
    return {{"type", "heartbeat"},
            {"edge", beat.edge},
            {"id", beat.id.value()},
            {"incarnation", beat.incarnation.value()},
            {"site", beat.site},
            {"address", beat.address.to_string()},
            {"draining", beat.draining},
            {"in_step", beat.in_step},
            {"applied", beat.applied.value()},
            {"child_sas", beat.child_sas},
            {"ike_sas", beat.ike_sas},
            {"lag_ms", beat.lag_ms},
            {"sent_at", beat.sent_at.unix_ns}};
}

Heartbeat heartbeat_from(const Json& json) {
    Heartbeat beat;
    beat.edge = json.at("edge").get<std::string>();
    beat.id = EdgeId(json.at("id").get<std::uint16_t>());
    beat.incarnation = Incarnation(json.at("incarnation").get<std::uint32_t>());
    beat.site = json.value("site", "");
    beat.address = IpAddress::parse(json.value("address", "")).value_or(IpAddress{});
    beat.draining = json.value("draining", false);
    beat.in_step = json.value("in_step", false);
    beat.applied = Revision(json.value("applied", std::uint64_t{0}));
    beat.child_sas = json.value("child_sas", std::uint64_t{0});
    beat.ike_sas = json.value("ike_sas", std::uint64_t{0});
    beat.lag_ms = json.value("lag_ms", std::int64_t{0});
    beat.sent_at = WallTime{json.value("sent_at", std::int64_t{0})};
    return beat;
}

Json to_json(const LeaseTaken& lease) {
    return {{"type", "lease"},
            {"spi", lease.inbound_spi.value()},
            {"sender", lease.sender.value()},
            {"incarnation", lease.incarnation.value()},
            {"epoch", lease.epoch.value()}};
}

Json to_json(const AskSpi& ask) {
    return {{"type", "ask"}, {"spi", ask.inbound_spi.value()}};
}

Json to_json(const Tell& tell) {
    return {{"type", "tell"}, {"key", tell.key}, {"envelope", Json::binary(tell.envelope)}};
}

Json to_json(const Traffic& traffic) {
    Json rows = Json::array();
    for (const TrafficRow& row : traffic.rows) {
        rows.push_back({row.inbound_spi.value(), row.bytes_in, row.packets_in, row.bytes_out,
                        row.packets_out, row.numbers_low ? 1 : 0});
    }
    return {{"type", "traffic"}, {"rows", rows}};
}

Traffic traffic_from(const Json& json) {
    Traffic traffic;
    for (const Json& row : json.at("rows")) {
        traffic.rows.push_back({EspSpi(row.at(0).get<std::uint32_t>()),
                                row.at(1).get<std::uint64_t>(), row.at(2).get<std::uint64_t>(),
                                row.at(3).get<std::uint64_t>(), row.at(4).get<std::uint64_t>(),
                                row.at(5).get<int>() != 0});
    }
    return traffic;
}

Json to_json(const SaTroubles& troubles) {
    Json rows = Json::array();
    for (const SaTrouble& row : troubles.rows) {
        rows.push_back({row.inbound_spi.value(), row.why});
    }
    return {{"type", "trouble"}, {"edge", troubles.edge}, {"rows", rows}};
}

SaTroubles troubles_from(const Json& json) {
    SaTroubles troubles;
    troubles.edge = json.at("edge").get<std::string>();
    for (const Json& row : json.at("rows")) {
        troubles.rows.push_back(
            {EspSpi(row.at(0).get<std::uint32_t>()), row.at(1).get<std::string>()});
    }
    return troubles;
}

Json to_json(const RelayedIke& relayed) {
    return {{"type", "ike"},
            {"local", to_json(relayed.local)},
            {"remote", to_json(relayed.remote)},
            {"bytes", Json::binary(relayed.bytes)},
            {"hops", relayed.hops}};
}

Json to_json(const OwnerIs& owner) {
    return {{"type", "owner"},
            {"spi", owner.ours.value()},
            {"owner", owner.owner.value()},
            {"epoch", owner.epoch.value()}};
}

std::optional<BusBody> from_json(const Json& json) {
    const std::string type = json.at("type").get<std::string>();
    if (type == "heartbeat") {
        return heartbeat_from(json);
    }
    if (type == "lease") {
        return LeaseTaken{EspSpi(json.at("spi").get<std::uint32_t>()),
                          EdgeId(json.at("sender").get<std::uint16_t>()),
                          Incarnation(json.at("incarnation").get<std::uint32_t>()),
                          Epoch(json.at("epoch").get<std::uint64_t>())};
    }
    if (type == "ask") {
        return AskSpi{EspSpi(json.at("spi").get<std::uint32_t>())};
    }
    if (type == "tell") {
        return Tell{json.at("key").get<std::string>(), bytes_from(json.at("envelope"))};
    }
    if (type == "traffic") {
        return traffic_from(json);
    }
    if (type == "trouble") {
        return troubles_from(json);
    }
    if (type == "ike") {
        return RelayedIke{endpoint_from(json.at("local")), endpoint_from(json.at("remote")),
                          bytes_from(json.at("bytes")), json.value("hops", 1U)};
    }
    if (type == "owner") {
        return OwnerIs{IkeSpi(json.at("spi").get<std::uint64_t>()),
                       EdgeId(json.at("owner").get<std::uint16_t>()),
                       Epoch(json.at("epoch").get<std::uint64_t>())};
    }
    return std::nullopt;
}

}  // namespace

std::string ike_subject(EdgeId owner) {
    return "ike." + std::to_string(owner.value());
}

Bytes encode(const BusBody& body) {
    return Json::to_cbor(std::visit([](const auto& message) { return to_json(message); }, body));
}

std::optional<BusBody> decode(ByteView bytes) {
    // The library reports malformed input by exceptions; they end here.
    try {
        return from_json(Json::from_cbor(bytes.begin(), bytes.end()));
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

}  // namespace anyswan::edge
