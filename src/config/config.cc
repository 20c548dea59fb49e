// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <sys/stat.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "config/toml_reader.h"
#include "config/tunnels.h"

namespace anyswan::config {

namespace {

std::optional<IpAddress> parse_address(const std::string& text) {
    return IpAddress::parse(text);
}
constexpr const char* address_form =
    "an IP address; write it like \"192.0.2.1\" or \"2001:db8::1\"";

/// Names travel in store keys and bus subjects.
std::optional<std::string> parse_name(const std::string& text) {
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    if (text.empty() || text.size() > 63 || !std::all_of(text.begin(), text.end(), legal)) {
        return std::nullopt;
    }
    return text;
}
constexpr const char* name_form = "a name; use 1..63 of a-z, 0-9 and -";

std::string read_log_level(TableReader& table) {
    const std::string level = table.text("log", "info");
    for (const char* known : {"debug", "info", "warn", "error"}) {
        if (level == known) {
            return level;
        }
    }
    table.mistake("log", "\"" + level + "\" is not one of debug, info, warn, error");
    return "info";
}

StoreChoice read_store(TableReader& root, const std::string& state_dir) {
    auto table = root.table("store");
    if (!table) {
        return SqliteStore{state_dir + "/store.sqlite"};
    }
    const std::string type = table->text("type", "sqlite");
    StoreChoice choice;
    if (type == "sqlite") {
        choice = SqliteStore{table->text("path", state_dir + "/store.sqlite")};
    } else if (type == "nats") {
        NatsStore nats;
        nats.urls = table->texts("urls");
        nats.fleet = table->parsed<std::string>("fleet", name_form, parse_name, "anyswan");
        nats.replicas = static_cast<int>(table->number("replicas", {1, 5}, 1));
        nats.user = table->text("user", "");
        nats.password = Secret::copy_of(as_bytes(table->text("password", "")));
        nats.ca_file = table->text("ca", "");
        nats.cert_file = table->text("cert", "");
        nats.key_file = table->text("key", "");
        choice = std::move(nats);
    } else if (type == "memory") {
        choice = MemoryStore{};
    } else {
        table->mistake("type",
                       "\"" + type + "\" is neither \"sqlite\" (one edge) nor \"nats\" (a fleet)");
    }
    table->refuse_unknown();
    return choice;
}

std::optional<DataplaneType> parse_dataplane_type(const std::string& text) {
    static const std::map<std::string, DataplaneType> types{
        {"auto", DataplaneType::automatic},
        {"userspace", DataplaneType::userspace},
        {"xfrm", DataplaneType::xfrm},
        {"xfrm-policies", DataplaneType::xfrm_policies}};
    const auto found = types.find(text);
    return found == types.end() ? std::nullopt : std::optional(found->second);
}

DataplaneOptions read_dataplane(TableReader& root) {
    DataplaneOptions options;
    auto table = root.table("dataplane");
    if (!table) {
        return options;
    }
    options.type = table->parsed<DataplaneType>(
        "type", "a dataplane; use \"auto\", \"userspace\", \"xfrm\" or \"xfrm-policies\"",
        parse_dataplane_type, "userspace");
    options.outer_mtu = static_cast<std::uint16_t>(table->number("outer_mtu", {1280, 9216}, 1500));
    options.tun_mtu = static_cast<std::uint16_t>(table->number("tun_mtu", {0, 9216}, 0));
    options.raw_esp = table->flag("raw_esp", true);
    options.nat_keepalive_s = table->duration_s("nat_keepalive", {0, 3600}, 20);
    options.main_table_routes = table->flag("main_table_routes", options.main_table_routes);
    options.tun_prefix = table->parsed<std::string>(
        "tun_prefix", "an interface prefix; use 1..6 of a-z, 0-9 and -",
        [](const std::string& text) { return text.size() <= 6 ? parse_name(text) : std::nullopt; },
        "as");
    table->refuse_unknown();
    return options;
}

void read_edge_table(TableReader& root, EdgeConfig& config) {
    auto edge = root.table("edge");
    if (!edge) {
        root.mistake("edge", "is missing; begin the file with [edge]");
        return;
    }
    config.name = edge->parsed<std::string>("name", name_form, parse_name);
    config.id = EdgeId(static_cast<std::uint16_t>(edge->number("id", {1, 65535})));
    config.site = edge->text("site", "");
    config.address = edge->parsed<IpAddress>("address", address_form, parse_address);
    config.anycast = edge->parsed_list<IpAddress>("anycast", address_form, parse_address);
    if (edge->has("anycast") && config.anycast.empty()) {
        edge->mistake("anycast", "is empty; name the address your customers' routers speak to");
    }
    config.announce = edge->flag("announce", true);
    config.announce_hook = edge->texts("announce_hook", std::vector<std::string>{});
    if (edge->has("announce_hook") &&
        (config.announce_hook.empty() || config.announce_hook.front().empty())) {
        edge->mistake("announce_hook",
                      "names no program; write it like [\"/usr/local/sbin/announce\"]");
    }
    config.state_dir = edge->text("state_dir", "/var/lib/anyswan");
    config.api_socket = edge->text("api", "/run/anyswan/anyswan.sock");
    config.log_level = read_log_level(*edge);
    const std::string key_path = edge->text("fleet_key_file");
    if (!key_path.empty()) {
        Result<sa::FleetKeys> keys = load_fleet_keys(key_path);
        if (keys) {
            config.fleet_keys = std::move(*keys);
        } else {
            edge->mistake("fleet_key_file", keys.error().message);
        }
    }
    edge->refuse_unknown();
}

void read_ike_table(TableReader& root, EdgeConfig& config) {
    auto ike = root.table("ike");
    if (!ike) {
        return;
    }
    config.cookie_threshold =
        static_cast<std::size_t>(ike->number("cookie_threshold", {0, 1'000'000}, 128));
    config.half_open_timeout_s = ike->duration_s("half_open_timeout", {5, 300}, 30);
    config.unavailable_grace_ms =
        static_cast<std::uint32_t>(ike->number("store_grace_ms", {0, 10'000}, 500));
    config.redirect_grace_s = ike->duration_s("redirect_grace", {1, 3600}, 60);
    ike->refuse_unknown();
}

}  // namespace

Result<EdgeConfig> load_edge(const std::string& path) {
    const Result<toml::table> parsed = load_toml(path);
    if (!parsed) {
        return Unexpected{parsed.error()};
    }
    Mistakes mistakes(path);
    TableReader root(*parsed, "", mistakes);
    EdgeConfig config;
    read_edge_table(root, config);
    config.store = read_store(root, config.state_dir);
    config.dataplane = read_dataplane(root);
    read_ike_table(root, config);
    root.refuse_unknown();
    if (!mistakes.empty()) {
        return fail(mistakes.text());
    }
    return config;
}

Result<PeerConfig> load_peer(const std::string& path) {
    const Result<toml::table> parsed = load_toml(path);
    if (!parsed) {
        return Unexpected{parsed.error()};
    }
    Mistakes mistakes(path);
    TableReader root(*parsed, "", mistakes);
    PeerConfig config;
    if (auto peer = root.table("peer")) {
        config.name = peer->parsed<std::string>("name", name_form, parse_name);
        config.address = peer->parsed<IpAddress>(
            "address", "\"auto\" or an IP address like \"192.0.2.1\"",
            [](const std::string& text) {
                return text == "auto" ? IpAddress() : parse_address(text);
            },
            "auto");
        config.remote = peer->parsed<IpAddress>("remote", address_form, parse_address);
        config.remote_port =
            static_cast<std::uint16_t>(peer->number("remote_port", {1, 65535}, 500));
        config.api_socket = peer->text("api", "/run/anyswan/peer.sock");
        config.log_level = read_log_level(*peer);
        peer->refuse_unknown();
    } else {
        root.mistake("peer", "is missing; begin the file with [peer]");
    }
    config.dataplane = read_dataplane(root);
    config.dataplane.main_table_routes = true;
    config.tunnels = read_tunnels(root);
    if (mistakes.empty() && config.tunnels.empty()) {
        root.mistake("tunnel", "is missing; add a [[tunnel]]");
    }
    root.refuse_unknown();
    if (!mistakes.empty()) {
        return fail(mistakes.text());
    }
    for (sa::TunnelRecord& tunnel : config.tunnels) {
        tunnel.initiate = true;
    }
    return config;
}

Result<std::vector<sa::TunnelRecord>> load_tunnels(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return fail("cannot read " + path +
                    ": no such file or no permission; give the right path, or make it readable");
    }
    std::stringstream text;
    text << file.rdbuf();
    return parse_tunnels(text.str(), path);
}

Result<sa::FleetKeys> load_fleet_keys(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 && (info.st_mode & 077U) != 0) {
        return fail(path + " can be read by others than its owner; run: chmod 600 " + path);
    }
    const Result<toml::table> parsed = load_toml(path);
    if (!parsed) {
        return fail(parsed.error().message + "; make one with: anyswan keygen > " + path);
    }
    Mistakes mistakes(path);
    TableReader root(*parsed, "", mistakes);
    sa::FleetKeys keys;
    keys.current = static_cast<std::uint32_t>(root.number("current", {1, UINT32_MAX}));
    auto table = root.table("keys");
    if (!table) {
        return fail(path + ": has no [keys]; make the file with: anyswan keygen > " + path);
    }
    for (const auto& [id, node] : table->raw()) {
        std::uint32_t number = 0;
        const std::string_view digits = id.str();
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        auto key = from_hex(node.value<std::string>().value_or("-"));
        if (error != std::errc{} || end != digits.data() + digits.size() || !key ||
            key->size() != 32) {
            mistakes.add(node.source(), "keys." + std::string(digits),
                         "is not a number with 64 hex digits");
            continue;
        }
        keys.keys.emplace(number, Secret(std::move(*key)));
    }
    if (mistakes.empty() && !keys.keys.contains(keys.current)) {
        root.mistake("current", "names no key of [keys]");
    }
    if (!mistakes.empty()) {
        return fail(mistakes.text());
    }
    return keys;
}

std::string new_fleet_key_file(Random& random) {
    return "# anyswan fleet key: every edge of the fleet needs this file; nobody else may read "
           "it.\n"
           "current = 1\n\n[keys]\n1 = \"" +
           to_hex(random.secret(32).reveal()) + "\"\n";
}

}  // namespace anyswan::config
