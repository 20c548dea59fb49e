// SPDX-License-Identifier: Apache-2.0
#include "edge/bus_messages.h"

#include <nlohmann/json.hpp>

#include "base/json_number.h"

namespace anyswan::edge {

namespace {

using Json = nlohmann::json;

/// Reads a message without keeping it; stops at one that is nested deeper than any of ours. The
/// library reads by recursion.
class ShallowReader final : public nlohmann::json_sax<Json> {
public:
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(number_integer_t /*value*/) override { return true; }
    bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
    bool string(string_t& /*value*/) override { return true; }
    bool binary(binary_t& /*value*/) override { return true; }
    bool key(string_t& /*value*/) override { return true; }
    bool start_object(std::size_t /*size*/) override { return ++depth_ <= depth_max; }
    bool start_array(std::size_t /*size*/) override { return ++depth_ <= depth_max; }
    bool end_object() override { return depth_-- > 0; }
    bool end_array() override { return depth_-- > 0; }
    bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                     const Json::exception& /*why*/) override {
        return false;
    }

private:
    static constexpr std::size_t depth_max = 8;
    std::size_t depth_ = 0;
};

/// A whole number that earlier releases don't send.
template <class T>
T number(const Json& json, const char* key, T otherwise) {
    const auto found = json.find(key);
    return found == json.end() ? otherwise : json_number<T>(*found);
}

Json to_json(const Endpoint& endpoint) {
    return {{"address", endpoint.address.to_string()}, {"port", endpoint.port}};
}

Endpoint endpoint_from(const Json& json) {
    Endpoint endpoint;
    endpoint.address =
        IpAddress::parse(json.at("address").get<std::string>()).value_or(IpAddress{});
    endpoint.port = json_number<std::uint16_t>(json.at("port"));
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
    beat.id = EdgeId(json_number<std::uint16_t>(json.at("id")));
    beat.incarnation = Incarnation(json_number<std::uint32_t>(json.at("incarnation")));
    beat.site = json.value("site", "");
    beat.address = IpAddress::parse(json.value("address", "")).value_or(IpAddress{});
    beat.draining = json.value("draining", false);
    beat.in_step = json.value("in_step", false);
    beat.applied = Revision(number<std::uint64_t>(json, "applied", 0));
    beat.child_sas = number<std::uint64_t>(json, "child_sas", 0);
    beat.ike_sas = number<std::uint64_t>(json, "ike_sas", 0);
    beat.lag_ms = number<std::int64_t>(json, "lag_ms", 0);
    beat.sent_at = WallTime{number<std::int64_t>(json, "sent_at", 0)};
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
        traffic.rows.push_back(
            {EspSpi(json_number<std::uint32_t>(row.at(0))), json_number<std::uint64_t>(row.at(1)),
             json_number<std::uint64_t>(row.at(2)), json_number<std::uint64_t>(row.at(3)),
             json_number<std::uint64_t>(row.at(4)), json_number<int>(row.at(5)) != 0});
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
            {EspSpi(json_number<std::uint32_t>(row.at(0))), row.at(1).get<std::string>()});
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

Json to_json(const Marks& marks) {
    Json rows = Json::array();
    for (const MarkRow& row : marks.rows) {
        rows.push_back(
            {row.inbound_spi.value(), row.mark.highest.value(), row.mark.settled.value()});
    }
    return {{"type", "marks"},
            {"from", marks.from.value()},
            {"rows", std::move(rows)},
            {"complete", marks.answer_complete}};
}

Marks marks_from(const Json& json) {
    Marks marks;
    marks.from = EdgeId(json_number<std::uint16_t>(json.at("from")));
    for (const Json& row : json.at("rows")) {
        marks.rows.push_back({EspSpi(json_number<std::uint32_t>(row.at(0))),
                              {SequenceNumber(json_number<std::uint64_t>(row.at(1))),
                               SequenceNumber(json_number<std::uint64_t>(row.at(2)))}});
    }
    marks.answer_complete = json.value("complete", false);
    return marks;
}

Json to_json(const HandOver& hand_over) {
    Json spis = Json::array();
    for (const IkeSpi spi : hand_over.spis) {
        spis.push_back(spi.value());
    }
    return {{"type", "handover"}, {"from", hand_over.from.value()}, {"spis", std::move(spis)}};
}

HandOver hand_over_from(const Json& json) {
    HandOver hand_over;
    hand_over.from = EdgeId(json_number<std::uint16_t>(json.at("from")));
    for (const Json& spi : json.at("spis")) {
        hand_over.spis.push_back(IkeSpi(json_number<std::uint64_t>(spi)));
    }
    return hand_over;
}

Json to_json(const AskMarks& ask) {
    return {{"type", "askmarks"}, {"asker", ask.asker.value()}, {"own", ask.only_own}};
}

Json to_json(const WantSender& want) {
    return {{"type", "sender"}, {"origin", want.origin.value()}, {"sender", want.sender.value()}};
}

std::optional<BusBody> from_json(const Json& json) {
    const std::string type = json.at("type").get<std::string>();
    if (type == "heartbeat") {
        return heartbeat_from(json);
    }
    if (type == "lease") {
        return LeaseTaken{EspSpi(json_number<std::uint32_t>(json.at("spi"))),
                          EdgeId(json_number<std::uint16_t>(json.at("sender"))),
                          Incarnation(json_number<std::uint32_t>(json.at("incarnation"))),
                          Epoch(json_number<std::uint64_t>(json.at("epoch")))};
    }
    if (type == "ask") {
        return AskSpi{EspSpi(json_number<std::uint32_t>(json.at("spi")))};
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
                          bytes_from(json.at("bytes")), number<unsigned>(json, "hops", 1)};
    }
    if (type == "marks") {
        return marks_from(json);
    }
    if (type == "askmarks") {
        return AskMarks{EdgeId(json_number<std::uint16_t>(json.at("asker"))),
                        json.value("own", false)};
    }
    if (type == "handover") {
        return hand_over_from(json);
    }
    if (type == "owner") {
        return OwnerIs{IkeSpi(json_number<std::uint64_t>(json.at("spi"))),
                       EdgeId(json_number<std::uint16_t>(json.at("owner"))),
                       Epoch(json_number<std::uint64_t>(json.at("epoch")))};
    }
    if (type == "sender") {
        return WantSender{IkeSpi(json_number<std::uint64_t>(json.at("origin"))),
                          EdgeId(json_number<std::uint16_t>(json.at("sender")))};
    }
    return std::nullopt;
}

}  // namespace

std::string ike_subject(EdgeId owner) {
    return "ike." + std::to_string(owner.value());
}

std::string hand_over_subject(EdgeId heir) {
    return "handover." + std::to_string(heir.value());
}

std::string marks_subject(EdgeId asker) {
    return "marks." + std::to_string(asker.value());
}

std::string ask_marks_subject(EdgeId asked) {
    return "askmarks." + std::to_string(asked.value());
}

Bytes encode(const BusBody& body) {
    return Json::to_cbor(std::visit([](const auto& message) { return to_json(message); }, body));
}

std::optional<BusBody> decode(ByteView bytes) {
    // The library reports malformed input by exceptions; they end here.
    try {
        ShallowReader reader;
        if (!Json::sax_parse(bytes.begin(), bytes.end(), &reader, Json::input_format_t::cbor)) {
            return std::nullopt;
        }
        return from_json(Json::from_cbor(bytes.begin(), bytes.end()));
    } catch (const Json::exception&) {
        return std::nullopt;
    } catch (const WrongNumber&) {
        return std::nullopt;
    }
}

}  // namespace anyswan::edge
