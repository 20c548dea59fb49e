// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include "core/ike/auth/identity.h"

#include "base/json_number.h"
#include "base/spi.h"
#include "core/sa/weak.h"
#include "net/clock.h"

namespace anyswan::api {

namespace {

template <class T>
Json texts(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) {
        list.push_back(value.to_string());
    }
    return list;
}

template <class T>
Json suites(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) {
        list.push_back(crypto::to_string(value));
    }
    return list;
}

Json families(const std::vector<IpFamily>& values) {
    Json list = Json::array();
    for (const IpFamily family : values) {
        list.push_back(family == IpFamily::v4 ? "ipv4" : "ipv6");
    }
    return list;
}

/// "O=Acme, CN=hq until 2033-11-11 22:13 UTC"
std::string certificate_text(ByteView der) {
    const auto certificate = crypto::Certificate::from_der(der);
    return certificate ? certificate->subject() + " until " + crypto::utc(certificate->not_after())
                       : "?";
}

Json certificates(const std::vector<Bytes>& chain) {
    Json list = Json::array();
    for (const Bytes& der : chain) {
        list.push_back(certificate_text(der));
    }
    return list;
}

Json anchors(const sa::Credentials& credentials) {
    Json list = Json::array();
    for (const sa::TrustAnchor& anchor : credentials.anchors) {
        list.push_back(certificate_text(anchor.certificate));
    }
    return list;
}

double milliseconds(std::int64_t ns) {
    return static_cast<double>(ns / 1000) / 1000.0;
}

}  // namespace

Json to_json(const sa::TunnelRecord& tunnel) {
    return {{"id", tunnel.id.to_string()},
            {"local_id", ike::auth::text_of(tunnel.local_id)},
            {"remote_id", ike::auth::text_of(tunnel.remote_id)},
            {"psk", tunnel.psk.empty() ? "" : "***"},
            {"local_auth", sa::name(tunnel.credentials.local)},
            {"remote_auth", sa::name(tunnel.credentials.remote)},
            {"certificate", certificates(tunnel.credentials.certificates)},
            {"private_key", tunnel.credentials.private_key.empty() ? "" : "***"},
            {"ca", anchors(tunnel.credentials)},
            {"crl", crypto::name(tunnel.credentials.crl_check)},
            {"crl_url", tunnel.credentials.crl_urls},
            {"crl_points", tunnel.credentials.crl_points},
            {"ppk_id", to_string(tunnel.credentials.ppk.id)},
            {"ppk", tunnel.credentials.ppk.key.empty() ? "" : "***"},
            {"ppk_required", tunnel.credentials.ppk.required},
            {"allow_weak", tunnel.allow_weak},
            {"warnings", sa::warnings(tunnel)},
            {"remote_addresses", texts(tunnel.remote_addresses)},
            {"ike", suites(tunnel.ike_suites)},
            {"esp", suites(tunnel.esp_suites)},
            {"local_prefixes", texts(tunnel.local_prefixes)},
            {"remote_prefixes", texts(tunnel.remote_prefixes)},
            {"virtual_pool", texts(tunnel.addressing.pool)},
            {"virtual_dns", texts(tunnel.addressing.dns)},
            {"virtual_subnets", texts(tunnel.addressing.subnets)},
            {"virtual_netmask_length", tunnel.addressing.netmask_length},
            {"request_address", families(tunnel.addressing.request)},
            {"sender_rule", sa::name(tunnel.sender_rule)},
            {"nat_traversal", tunnel.nat_traversal == sa::NatTraversal::force ? "force" : "auto"},
            {"child_lifetime_s", tunnel.child_lifetime_s},
            {"child_lifetime_bytes", tunnel.child_lifetime_bytes},
            {"child_lifetime_packets", tunnel.child_lifetime_packets},
            {"ike_lifetime_s", tunnel.ike_lifetime_s},
            {"dpd_s", tunnel.dpd_s},
            {"mobike", tunnel.mobike},
            {"mobike_check", tunnel.mobike_check},
            {"follow_redirects", tunnel.follow_redirects},
            {"replay_window", tunnel.replay_window},
            {"childless", tunnel.childless}};
}

Json to_json(const edge::ChildRow& row) {
    const sa::ChildSaRecord& record = *row.record;
    Json json{{"tunnel", record.tunnel.to_string()},
              {"inbound_spi", hex(record.inbound_spi)},
              {"outbound_spi", hex(record.outbound_spi)},
              {"ike_spi", hex(record.ike_spi)},
              {"suite", crypto::to_string(record.suite)},
              {"weak", sa::weak_words(record.suite)},
              {"local_ts", texts(record.local_ts)},
              {"remote_ts", texts(record.remote_ts)},
              {"negotiated_on", record.negotiated_on},
              {"published_at_ns", record.published_at.unix_ns},
              {"expires_at_ns", record.expires_at.unix_ns},
              {"sender", row.sender},
              {"made_for", record.made_for.value()},
              {"state", row.trouble.empty() ? (row.applied_at ? "applied" : "waiting") : "failed"},
              {"bytes_in", row.usage.bytes_in},
              {"packets_in", row.usage.packets_in},
              {"bytes_out", row.usage.bytes_out},
              {"packets_out", row.usage.packets_out}};
    if (row.applied_at) {
        json["applied_at_ns"] = row.applied_at->unix_ns;
        json["applied_ms"] = milliseconds(row.applied_at->unix_ns - record.published_at.unix_ns);
    }
    if (row.endpoint) {
        json["peer"] = row.endpoint->remote.to_string();
        json["local"] = row.endpoint->local.to_string();
        json["udp_encapsulation"] = row.endpoint->udp_encapsulation;
    }
    if (!row.trouble.empty()) {
        json["trouble"] = row.trouble;
    }
    if (!row.elsewhere.empty()) {
        json["elsewhere"] = Json::array();
        for (const edge::TroubleElsewhere& one : row.elsewhere) {
            json["elsewhere"].push_back({{"edge", one.edge}, {"trouble", one.why}});
        }
    }
    return json;
}

Json to_json(const ike::IkeSaSummary& sa) {
    Json children = Json::array();
    for (const ike::ChildSummary& child : sa.children) {
        children.push_back(hex(child.inbound_spi));
    }
    return {{"our_spi", hex(sa.our_spi)},
            {"peer_spi", hex(sa.peer_spi)},
            {"tunnel", sa.tunnel.name.empty() ? "" : sa.tunnel.to_string()},
            {"state", sa.state},
            {"local", sa.local.to_string()},
            {"peer", sa.remote.to_string()},
            {"peer_id", sa.peer_id},
            {"suite", sa.suite},
            {"weak", sa.weak},
            {"role", sa.we_initiated ? "initiator" : "responder"},
            {"virtual_addresses", texts(sa.assigned.addresses)},
            {"dns", texts(sa.assigned.dns)},
            {"mobike", sa.mobike},
            {"child_sas", children}};
}

Json edge_json(const edge::Edge& edge) {
    const edge::Heartbeat now = edge.status();
    return {{"name", now.edge},
            {"id", now.id.value()},
            {"site", now.site},
            {"address", now.address.to_string()},
            {"anycast", texts(edge.config().anycast)},
            {"incarnation", now.incarnation.value()},
            {"in_step", now.in_step},
            {"serving", edge.serving()},
            {"applied_revision", now.applied.value()},
            {"store", {{"text", edge.store_text()}, {"connected", edge.store_connected()}}},
            {"dataplane", edge.driver_text()},
            {"child_sas", now.child_sas},
            {"ike_sas", now.ike_sas}};
}

Json health_json(const edge::Edge& edge) {
    const edge::Health health = edge.health();
    return {{"edge", edge.config().name},
            {"ready", health.ready},
            {"state", health.state},
            {"lacks", health.lacks},
            {"trouble", health.trouble},
            {"drain_given_up", health.given_up},
            {"announced", health.announced},
            {"in_step", health.in_step},
            {"applied_revision", health.applied.value()},
            {"fleet_revision", health.applied_in_fleet.value()},
            {"store", {{"text", edge.store_text()}, {"connected", edge.store_connected()}}},
            {"edges_alive", health.edges_alive},
            {"dataplane", edge.driver_text()},
            {"ike_sas", health.ike_sas}};
}

Json fleet_json(const edge::Edge& edge) {
    const std::int64_t now = net::read_clock().wall.unix_ns;
    Json list = Json::array();
    for (const edge::FleetMember& member : edge.fleet()) {
        const edge::Heartbeat& beat = member.last;
        list.push_back({{"name", beat.edge},
                        {"id", beat.id.value()},
                        {"site", beat.site},
                        {"address", beat.address.to_string()},
                        {"alive", member.alive},
                        {"in_step", member.alive && beat.in_step},
                        {"draining", beat.draining},
                        {"applied_revision", beat.applied.value()},
                        {"lag_ms", beat.lag_ms},
                        {"child_sas", beat.child_sas},
                        {"ike_sas", beat.ike_sas},
                        {"heard_ms_ago", (now - beat.sent_at.unix_ns) / 1'000'000}});
    }
    return {{"asked", edge.config().name}, {"store", edge.store_text()}, {"edges", list}};
}

Json sas_json(const edge::Edge& edge) {
    Json ike = Json::array();
    for (const ike::IkeSaSummary& sa : edge.ike_sas()) {
        ike.push_back(to_json(sa));
    }
    Json child = Json::array();
    for (const edge::ChildRow& row : edge.child_sas()) {
        child.push_back(to_json(row));
    }
    return {{"edge", edge.config().name}, {"ike_sas", ike}, {"child_sas", child}};
}

Json to_json(const edge::LiveTrace::Page& page) {
    Json messages = Json::array();
    for (const edge::LiveTrace::Message& message : page.messages) {
        messages.push_back({{"number", message.number},
                            {"peer", message.peer.address.to_string()},
                            {"text", message.text}});
    }
    return {{"next", page.next}, {"missed", page.missed}, {"messages", messages}};
}

Json capture_json(std::span<const wire::pcap::UdpDatagram> datagrams) {
    const auto end = [](const Endpoint& at) { return Json{at.address.to_string(), at.port}; };
    Json list = Json::array();
    for (const wire::pcap::UdpDatagram& datagram : datagrams) {
        list.push_back({{"at_ns", datagram.at.unix_ns},
                        {"from", end(datagram.from)},
                        {"to", end(datagram.to)},
                        {"payload", to_hex(datagram.payload)}});
    }
    return {{"datagrams", list}};
}

std::optional<std::vector<wire::pcap::UdpDatagram>> read_capture_json(const std::string& body) {
    const auto end = [](const Json& at) {
        return Endpoint{IpAddress::parse(at.at(0).get<std::string>()).value(),
                        json_number<std::uint16_t>(at.at(1))};
    };
    std::vector<wire::pcap::UdpDatagram> datagrams;
    // What is missing, of another type, or no address or hexadecimal text, throws.
    try {
        const Json json = Json::parse(body);
        for (const Json& item : json.at("datagrams")) {
            datagrams.push_back({WallTime{json_number<std::int64_t>(item.at("at_ns"))},
                                 end(item.at("from")), end(item.at("to")),
                                 from_hex(item.at("payload").get<std::string>()).value()});
        }
    } catch (const std::exception&) {
        return std::nullopt;
    }
    return datagrams;
}

}  // namespace anyswan::api
