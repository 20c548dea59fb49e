// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"

#include <charconv>

#include "api/json.h"
#include "config/config.h"
#include "core/sa/weak.h"

namespace anyswan::api {

namespace {

using Respond = std::function<void(Response)>;

const std::string trace_path = "/v1/trace";

/// JSON is UTF-8; a request's path, which an answer may repeat, can be anything.
std::string line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Response ok(const Json& json) {
    return {200, "application/json", line(json)};
}

Response error(int status, const std::string& message) {
    return {status, "application/json", line({{"error", message}})};
}

const char* word(edge::Written written) {
    return written == edge::Written::durable ? "durable" : "deferred";
}

/// Answers once all tunnels are written.
void put_tunnels(edge::Edge& edge, const Request& request, const Respond& respond) {
    if (!edge.can_write()) {
        respond(error(503,
                      "this edge has not reached its store yet, so nothing was written; its log "
                      "says why"));
        return;
    }
    auto tunnels = config::parse_tunnels(request.body, "request");
    if (!tunnels) {
        respond(error(400, tunnels.error().message));
        return;
    }
    struct Progress {
        Json applied = Json::array();
        std::size_t open = 0;
    };
    const auto progress = std::make_shared<Progress>();
    progress->open = tunnels->size();
    for (const sa::TunnelRecord& tunnel : *tunnels) {
        Json row{{"id", tunnel.id.to_string()}, {"warnings", sa::warnings(tunnel)}};
        edge.apply_tunnel(tunnel, [progress, respond, row](edge::Written written) {
            progress->applied.push_back(row);
            progress->applied.back()["written"] = word(written);
            if (--progress->open == 0) {
                respond(ok({{"applied", progress->applied}}));
            }
        });
    }
}

void one_tunnel(edge::Edge& edge, const Request& request, const std::string& text,
                const Respond& respond) {
    const auto id = sa::TunnelId::parse(text);
    const sa::TunnelRecord* tunnel = id ? edge.tunnels().by_id(*id) : nullptr;
    if (tunnel == nullptr) {
        respond(error(404,
                      "there is no tunnel \"" + text + "\"; `anyswan tunnel list` names them all"));
        return;
    }
    if (request.method == "DELETE") {
        edge.delete_tunnel(*id, [respond, text](edge::Written written) {
            respond(ok({{"deleted", text}, {"written", word(written)}}));
        });
        return;
    }
    Json json = to_json(*tunnel);
    json["child_sas"] = Json::array();
    for (const edge::ChildRow& row : edge.child_sas()) {
        if (row.record->tunnel == *id) {
            json["child_sas"].push_back(to_json(row));
        }
    }
    respond(ok(json));
}

/// DELETE /v1/sas/SPI and POST /v1/sas/SPI/rekey: answered when the order is given, not when it is
/// carried out.
Response order_sa(edge::Edge& edge, const Request& request, std::string spi) {
    static const std::string rekey = "/rekey";
    const bool wants_rekey = spi.ends_with(rekey);
    if (wants_rekey) {
        spi.resize(spi.size() - rekey.size());
    }
    if (request.method != (wants_rekey ? "POST" : "DELETE")) {
        return error(405, request.method + " is not possible on " + request.path);
    }
    const Status given = edge.order(wants_rekey ? edge::SaOrder::rekey : edge::SaOrder::end, spi);
    return given ? ok({{"spi", spi}, {"ordered", wants_rekey ? "rekey" : "delete"}})
                 : error(404, given.error().message);
}

/// PUT /v1/redirect {"to": GATEWAY, "tunnel": ID, "existing": BOOL}; without "to" nobody is sent
/// away any more.
Response redirect(edge::Edge& edge, const Request& request) {
    const Json json = Json::parse(request.body, nullptr, false);
    if (!json.is_object()) {
        return error(400, "the body is no JSON object");
    }
    const auto text = [&json](const char* key) {
        return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
    };
    const std::string to = text("to");
    const std::string tunnel = text("tunnel");
    edge::RedirectOrder order;
    order.existing = json.contains("existing") && json["existing"] == true;
    order.to = ike::parse_gateway(to);
    order.tunnel = sa::TunnelId::parse(tunnel);
    if (!to.empty() && !order.to) {
        return error(400, "\"" + to + "\" is neither an IP address nor a DNS name");
    }
    if (!tunnel.empty() && !order.tunnel) {
        return error(400, "\"" + tunnel + "\" is no tunnel; write account/tunnel");
    }
    const Result<std::size_t> sent = edge.redirect(order);
    return sent ? ok({{"to", to}, {"tunnel", tunnel}, {"ike_sas", *sent}})
                : error(404, sent.error().message);
}

/// GET: whether traffic should come here, as a status that routers' health checks understand.
Response health(const edge::Edge& edge) {
    const Json json = health_json(edge);
    return {json.at("ready").get<bool>() ? 200 : 503, "application/json", line(json)};
}

/// PUT /v1/drain {"timeout_s": N} begins, DELETE ends; GET /v1/health says how far it is.
Response drain(edge::Edge& edge, const Request& request) {
    constexpr std::int64_t timeout_default_s = 60;
    constexpr std::int64_t timeout_max_s = 86400;
    Status done;
    if (request.method == "PUT") {
        const Json json =
            request.body.empty() ? Json::object() : Json::parse(request.body, nullptr, false);
        const Json seconds =
            json.is_object() ? json.value("timeout_s", Json(timeout_default_s)) : Json();
        if (!seconds.is_number_integer() || seconds < 1 || seconds > timeout_max_s) {
            return error(400, "timeout_s is not a whole number of seconds from 1 to 86400");
        }
        done = edge.drain(std::chrono::seconds(seconds.get<std::int64_t>()));
    } else if (request.method == "DELETE") {
        done = edge.cancel_drain();
    } else {
        return error(405, request.method + " is not possible on " + request.path);
    }
    return done ? ok(health_json(edge)) : error(409, done.error().message);
}

/// GET /v1/trace/N: the messages after number N, while somebody asks; POST /v1/trace: a capture.
void trace(edge::Edge& edge, const Request& request, const Respond& respond) {
    if (!edge.serving()) {
        respond(
            error(503, "this edge doesn't serve yet; `anyswan fleet status` shows when it does"));
        return;
    }
    if (request.method == "POST" && request.path == trace_path) {
        auto capture = read_capture_json(request.body);
        if (!capture) {
            respond(error(400, "the body is not a capture as docs/api.md describes it"));
            return;
        }
        edge.trace(std::move(*capture), [respond](const std::vector<std::string>& texts) {
            respond(ok({{"texts", texts}}));
        });
        return;
    }
    const std::string text =
        request.path.size() > trace_path.size() ? request.path.substr(trace_path.size() + 1) : "";
    std::uint64_t last = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), last);
    if (request.method != "GET" || code != std::errc{} || end != text.data() + text.size()) {
        respond(error(404, "ask GET " + trace_path +
                               "/N, N being the last answer's \"next\", or 0 to begin"));
        return;
    }
    respond(ok(to_json(edge.live_trace(last))));
}

Response metrics(const edge::Edge& edge) {
    std::string text;
    for (const auto& [name, value] : edge.counters()) {
        text += "anyswan_" + name + "{edge=\"" + edge.config().name + "\"} " +
                std::to_string(value) + "\n";
    }
    return {200, "text/plain; version=0.0.4", text};
}

Response get(const edge::Edge& edge, const std::string& path) {
    if (path == "/v1/edge") {
        return ok(edge_json(edge));
    }
    if (path == "/v1/fleet") {
        return ok(fleet_json(edge));
    }
    if (path == "/v1/sas") {
        return ok(sas_json(edge));
    }
    if (path == "/v1/tunnels") {
        Json list = Json::array();
        for (const auto& [id, tunnel] : edge.tunnels().all()) {
            list.push_back(to_json(tunnel));
        }
        return ok(list);
    }
    if (path == "/v1/counters") {
        return ok(Json(edge.counters()));
    }
    if (path == "/metrics") {
        return metrics(edge);
    }
    return error(404, "no such resource: " + path + "; docs/api.md lists them");
}

}  // namespace

void answer(edge::Edge& edge, const Request& request, std::function<void(Response)> respond) {
    static const std::string tunnel_prefix = "/v1/tunnels/";
    static const std::string sa_prefix = "/v1/sas/";
    if (request.path == "/v1/tunnels" && request.method == "PUT") {
        put_tunnels(edge, request, respond);
    } else if (request.path.starts_with(tunnel_prefix) &&
               (request.method == "GET" || request.method == "DELETE")) {
        one_tunnel(edge, request, request.path.substr(tunnel_prefix.size()), respond);
    } else if (request.path.starts_with(sa_prefix) && request.method != "GET") {
        respond(order_sa(edge, request, request.path.substr(sa_prefix.size())));
    } else if (request.path == "/v1/redirect" && request.method == "PUT") {
        respond(redirect(edge, request));
    } else if (request.path == "/v1/drain") {
        respond(drain(edge, request));
    } else if (request.path == "/v1/health" && request.method == "GET") {
        respond(health(edge));
    } else if (request.path.starts_with(trace_path)) {
        trace(edge, request, respond);
    } else if (request.method == "GET") {
        respond(get(edge, request.path));
    } else {
        respond(error(405, request.method + " is not possible on " + request.path));
    }
}

}  // namespace anyswan::api
