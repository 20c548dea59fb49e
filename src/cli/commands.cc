// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "api/http_client.h"
#include "cli/table.h"
#include "config/config.h"
#include "config/credentials.h"
#include "config/toml_reader.h"
#include "core/sa/weak.h"
#include "net/clock.h"

namespace anyswan::cli {

namespace {

using Json = nlohmann::json;

int complain(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
}

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
}

void warn(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
}

/// Calls the API; prints the body with --json, else gives it to `show`.
template <class Show>
int ask(const Common& common, const api::Request& request, Show show) {
    const Result<api::Response> response = api::call(common.api, request);
    if (!response) {
        return complain(response.error().message);
    }
    const Json json = Json::parse(response->body, nullptr, false);
    if (response->status != 200) {
        return complain(json.is_object() ? json.value("error", response->body) : response->body);
    }
    if (common.json) {
        print(json.dump(2) + "\n");
        return 0;
    }
    show(json);
    return 0;
}

std::string joined(const Json& list) {
    std::string text;
    for (const Json& item : list) {
        text += (text.empty() ? "" : ", ") + item.get<std::string>();
    }
    return text;
}

/// An SA's algorithms; what of them is weak stands out.
std::string suite_of(const Json& sa) {
    const std::string weak = joined(sa.at("weak"));
    return sa.at("suite").get<std::string>() + (weak.empty() ? "" : " (WEAK: " + weak + ")");
}

std::string number(const Json& value) {
    return value.dump();
}
std::string yes_no(const Json& value) {
    return value.get<bool>() ? "yes" : "no";
}

std::vector<std::string> warnings_of(const std::vector<sa::TunnelRecord>& tunnels) {
    std::vector<std::string> all;
    for (const sa::TunnelRecord& tunnel : tunnels) {
        const std::vector<std::string> some = sa::warnings(tunnel);
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

/// The file with the names of files replaced by their contents: the daemon can't read the caller's.
Result<std::string> self_contained(const std::string& path) {
    Result<toml::table> table = config::load_toml(path);
    if (!table) {
        return Unexpected{table.error()};
    }
    config::inline_files(*table);
    std::stringstream text;
    text << *table;
    return text.str();
}

}  // namespace

int apply(const Common& common, const std::string& path) {
    // Checked here first, so that mistakes carry the lines of the caller's file.
    if (const auto tunnels = config::load_tunnels(path); !tunnels) {
        complain(tunnels.error().message);
        return 2;
    }
    const Result<std::string> body = self_contained(path);
    if (!body) {
        return complain(body.error().message);
    }
    return ask(common, {"PUT", "/v1/tunnels", *body}, [](const Json& json) {
        for (const Json& tunnel : json.at("applied")) {
            const bool durable = tunnel.at("written") == "durable";
            print("tunnel " + tunnel.at("id").get<std::string>() +
                  (durable ? " applied to the fleet\n"
                           : " applied at this edge; the store is away, the fleet follows when it "
                             "is back\n"));
            warn(tunnel.at("warnings"));
        }
    });
}

int tunnel_list(const Common& common) {
    return ask(common, {"GET", "/v1/tunnels", ""}, [](const Json& json) {
        std::vector<std::vector<std::string>> rows{
            {"TUNNEL", "PEER ID", "OUR ID", "PEER'S PREFIXES", "OUR PREFIXES"}};
        for (const Json& tunnel : json) {
            rows.push_back({tunnel.at("id"), tunnel.at("remote_id"), tunnel.at("local_id"),
                            joined(tunnel.at("remote_prefixes")),
                            joined(tunnel.at("local_prefixes"))});
        }
        print(render_table(rows));
    });
}

int tunnel_show(const Common& common, const std::string& id) {
    return ask(common, {"GET", "/v1/tunnels/" + id, ""}, [](const Json& json) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& [key, value] : json.items()) {
            if (key != "child_sas" && key != "warnings") {
                rows.push_back({key, value.is_array()    ? joined(value)
                                     : value.is_string() ? value.get<std::string>()
                                                         : value.dump()});
            }
        }
        print(render_table(rows));
        warn(json.at("warnings"));
        for (const Json& child : json.at("child_sas")) {
            print("child SA in " + child.at("inbound_spi").get<std::string>() + " out " +
                  child.at("outbound_spi").get<std::string>() + ", negotiated on " +
                  child.at("negotiated_on").get<std::string>() + ", " +
                  child.at("state").get<std::string>() + "\n");
        }
    });
}

int tunnel_delete(const Common& common, const std::string& id) {
    return ask(common, {"DELETE", "/v1/tunnels/" + id, ""}, [](const Json& json) {
        print("tunnel " + json.at("deleted").get<std::string>() + " deleted\n");
    });
}

int sa_rekey(const Common& common, const std::string& spi) {
    return ask(common, {"POST", "/v1/sas/" + spi + "/rekey", ""}, [](const Json& json) {
        print("SA " + json.at("spi").get<std::string>() + " is being rekeyed\n");
    });
}

int sa_delete(const Common& common, const std::string& spi) {
    return ask(common, {"DELETE", "/v1/sas/" + spi, ""}, [](const Json& json) {
        print("SA " + json.at("spi").get<std::string>() + " is being deleted\n");
    });
}

int redirect(const Common& common, const Redirect& order) {
    const Json body{{"to", order.to}, {"tunnel", order.tunnel}, {"existing", order.existing}};
    return ask(common, {"PUT", "/v1/redirect", body.dump()}, [&order](const Json& json) {
        const std::string whose =
            order.tunnel.empty() ? "peers" : "peers of tunnel " + order.tunnel;
        if (order.to.empty()) {
            return print("new " + whose + " stay at this edge\n");
        }
        print("new " + whose + " are sent to " + order.to + "\n");
        if (order.existing) {
            print(number(json.at("ike_sas")) + " IKE SAs are told to go there\n");
        }
    });
}

int sa_list(const Common& common) {
    return ask(common, {"GET", "/v1/sas", ""}, [](const Json& json) {
        std::vector<std::vector<std::string>> rows{{"TUNNEL", "SPI IN", "SPI OUT", "SUITE", "PEER",
                                                    "NEGOTIATED ON", "APPLIED", "SENDER", "PKTS IN",
                                                    "PKTS OUT"}};
        for (const Json& sa : json.at("child_sas")) {
            rows.push_back({sa.at("tunnel"), sa.at("inbound_spi"), sa.at("outbound_spi"),
                            suite_of(sa), sa.value("peer", "-"), sa.at("negotiated_on"),
                            sa.contains("applied_ms")
                                ? "after " + number(sa.at("applied_ms")) + " ms"
                                : sa.at("state").get<std::string>(),
                            yes_no(sa.at("sender")), number(sa.at("packets_in")),
                            number(sa.at("packets_out"))});
        }
        const auto edge = json.at("edge").get<std::string>();
        print("Child SAs on " + edge + "\n" + render_table(rows));
        for (const Json& sa : json.at("child_sas")) {
            const auto tell = [&](const std::string& who, const std::string& why) {
                print(who + " could not apply " + sa.at("inbound_spi").get<std::string>() + ": " +
                      why + "\n");
            };
            if (sa.contains("trouble")) {
                tell(edge, sa.at("trouble"));
            }
            for (const Json& other : sa.value("elsewhere", Json::array())) {
                tell(other.at("edge"), other.at("trouble"));
            }
        }
        rows = {{"TUNNEL", "OUR SPI", "PEER", "IDENTITY", "INNER", "ROLE", "STATE", "SUITE"}};
        for (const Json& sa : json.at("ike_sas")) {
            const std::string inner = joined(sa.at("virtual_addresses"));
            rows.push_back({sa.at("tunnel"), sa.at("our_spi"), sa.at("peer"), sa.at("peer_id"),
                            inner.empty() ? "-" : inner, sa.at("role"), sa.at("state"),
                            suite_of(sa)});
        }
        print("\nIKE SAs owned by it\n" + render_table(rows));
    });
}

int fleet_status(const Common& common) {
    return ask(common, {"GET", "/v1/fleet", ""}, [](const Json& json) {
        std::vector<std::vector<std::string>> rows{{"EDGE", "SITE", "ADDRESS", "ALIVE", "IN STEP",
                                                    "DRAINING", "REVISION", "LAG MS", "CHILD SAS",
                                                    "IKE SAS", "HEARD"}};
        for (const Json& edge : json.at("edges")) {
            rows.push_back({edge.at("name"), edge.at("site"), edge.at("address"),
                            yes_no(edge.at("alive")), yes_no(edge.at("in_step")),
                            yes_no(edge.at("draining")), number(edge.at("applied_revision")),
                            number(edge.at("lag_ms")), number(edge.at("child_sas")),
                            number(edge.at("ike_sas")),
                            number(edge.at("heard_ms_ago")) + " ms ago"});
        }
        print(render_table(rows) + "store: " + json.at("store").get<std::string>() + "\n");
    });
}

int counters(const Common& common) {
    return ask(common, {"GET", "/v1/counters", ""}, [](const Json& json) {
        std::vector<std::vector<std::string>> rows{{"COUNTER", "VALUE"}};
        for (const auto& [name, value] : json.items()) {
            rows.push_back({name, number(value)});
        }
        print(render_table(rows));
    });
}

int config_check(const Common& common, const std::string& path) {
    const Result<toml::table> table = config::load_toml(path);
    std::string error = table ? "" : table.error().message;
    std::string kind = "tunnels";
    std::vector<std::string> warnings;
    if (table && table->contains("edge")) {
        kind = "edge";
        const auto config = config::load_edge(path);
        error = config ? "" : config.error().message;
    } else if (table && table->contains("peer")) {
        kind = "peer";
        const auto config = config::load_peer(path);
        error = config ? "" : config.error().message;
        warnings = config ? warnings_of(config->tunnels) : warnings;
    } else if (table) {
        const auto tunnels = config::load_tunnels(path);
        error = tunnels ? "" : tunnels.error().message;
        warnings = tunnels ? warnings_of(*tunnels) : warnings;
    }
    if (common.json) {
        const Json answer{{"file", path},
                          {"kind", kind},
                          {"ok", error.empty()},
                          {"mistakes", error},
                          {"warnings", warnings}};
        print(answer.dump(2) + "\n");
    } else if (error.empty()) {
        warn(warnings);
        print(path + ": a good " + kind + " file\n");
    } else {
        complain(error);
    }
    return error.empty() ? 0 : 2;
}

int keygen() {
    net::SystemRandom random;
    print(config::new_fleet_key_file(random));
    return 0;
}

}  // namespace anyswan::cli
