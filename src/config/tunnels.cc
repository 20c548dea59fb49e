// SPDX-License-Identifier: Apache-2.0
// [[tunnel]] tables: the same form in `anyswan apply` files and in a branch connector's
// configuration.
#include "config/tunnels.h"

#include <algorithm>

#include "config/addressing.h"
#include "config/credentials.h"
#include "core/sa/weak.h"

namespace anyswan::config {

namespace {

using sa::TunnelRecord;

const std::vector<std::string> default_ike_suites{
    "aes256gcm16-prfsha384-ecp384",
    "aes256gcm16-prfsha256-x25519",
    "aes128gcm16-prfsha256-x25519",
    "aes128gcm16-prfsha256-ecp256",
    "chacha20poly1305-prfsha256-x25519",
    "aes256-sha256-modp2048",
    "aes128-sha256-ecp256",
    "aes256-sha384-ecp384",
};
const std::vector<std::string> default_esp_suites{
    "aes256gcm16-esn",  "aes256gcm16",   "aes128gcm16-esn", "aes128gcm16",
    "chacha20poly1305", "aes256-sha256", "aes128-sha256",
};

std::optional<IpPrefix> parse_prefix(const std::string& text) {
    return IpPrefix::parse(text);
}
constexpr const char* prefix_form =
    "a prefix; write it like \"10.1.0.0/16\" or \"2001:db8:1::/48\", host bits zero";

sa::SenderRule read_sender_rule(TableReader& table) {
    const std::string word = table.text("sender_rule", "auto");
    for (const sa::SenderRule rule :
         {sa::SenderRule::automatic, sa::SenderRule::pinned, sa::SenderRule::per_edge}) {
        if (word == sa::name(rule)) {
            return rule;
        }
    }
    table.mistake("sender_rule", "\"" + word +
                                     "\" is not available; this version has \"auto\", \"pinned\" "
                                     "and \"per-edge\"");
    return sa::SenderRule::automatic;
}

sa::NatTraversal read_nat_traversal(TableReader& table) {
    const std::string word = table.text("nat_traversal", "auto");
    if (word == "auto" || word == "force") {
        return word == "auto" ? sa::NatTraversal::automatic : sa::NatTraversal::force;
    }
    table.mistake("nat_traversal", "\"" + word + "\" is neither \"auto\" nor \"force\"");
    return sa::NatTraversal::automatic;
}

/// A weak suite needs the tunnel's word for it.
template <class Suite>
std::string why_weak(const Suite& suite, const TunnelRecord& tunnel) {
    std::string what;
    std::string words;
    for (const std::string& word : sa::weak_words(suite)) {
        if (!tunnel.allows_weak(word)) {
            const sa::Weakness* weakness = sa::weakness_of(word);
            what += (what.empty() ? "" : " and ") + std::string(weakness->what);
            words += (words.empty() ? "\"" : ", \"") + word + "\"";
        }
    }
    return what.empty() ? ""
                        : "uses " + what +
                              ", which only a tunnel that says so may; if the router "
                              "knows nothing better, write allow_weak = [" +
                              words + "]";
}

template <class Suite>
std::vector<Suite> read_list(TableReader& table, const char* key, const char* form,
                             const std::vector<std::string>& defaults,
                             Result<Suite> (*read)(std::string_view), const TunnelRecord& tunnel) {
    std::vector<Suite> suites;
    for (const std::string& item : table.texts(key, defaults)) {
        auto suite = read(item);
        if (suite) {
            const std::string weak = why_weak(*suite, tunnel);
            if (!weak.empty()) {
                table.mistake(key, "\"" + item + "\" " + weak);
            }
            suites.push_back(std::move(*suite));
        } else {
            table.mistake(key, "\"" + item + "\" is not " + form + ": " + suite.error().message);
        }
    }
    return suites;
}

void read_suites(TableReader& table, TunnelRecord& tunnel) {
    tunnel.ike_suites = read_list(
        table, "ike",
        "an IKE suite (cipher[-integrity]-prf-ke[-ke1_...] like \"aes256gcm16-prfsha384-ecp384\")",
        default_ike_suites, crypto::read_ike_suite, tunnel);
    tunnel.esp_suites = read_list(
        table, "esp",
        "an ESP suite (cipher[-integrity][-ke[-ke1_...]][-esn] like \"aes256gcm16-esn\" or "
        "\"aes256-sha256\")",
        default_esp_suites, crypto::read_esp_suite, tunnel);
    if (table.has("ike") && tunnel.ike_suites.empty()) {
        table.mistake("ike", "is empty; name one suite at least, or leave it out for the defaults");
    }
    if (table.has("esp") && tunnel.esp_suites.empty()) {
        table.mistake("esp", "is empty; name one suite at least, or leave it out for the defaults");
    }
}

/// A limit of 0 is none; a smaller one than `least` would rekey all the time.
std::uint64_t read_limit(TableReader& table, const char* key, std::int64_t least) {
    constexpr std::int64_t most = std::int64_t{1} << 62U;
    const std::int64_t value = table.number(key, {0, most}, 0);
    if (value > 0 && value < least) {
        table.mistake(key, std::to_string(value) + " is too few; write 0 for no limit, or " +
                               std::to_string(least) + " at least");
    }
    return static_cast<std::uint64_t>(value);
}

void read_lifetimes(TableReader& table, TunnelRecord& tunnel) {
    tunnel.child_lifetime_s = table.duration_s("child_lifetime", {10, 2'592'000}, 28800);
    tunnel.child_lifetime_bytes = read_limit(table, "child_lifetime_bytes", 1'000'000);
    tunnel.child_lifetime_packets = read_limit(table, "child_lifetime_packets", 1000);
    tunnel.ike_lifetime_s = table.duration_s("ike_lifetime", {10, 2'592'000}, 86400);
}

}  // namespace

TunnelRecord read_tunnel(TableReader& table) {
    TunnelRecord tunnel;
    tunnel.id = table.parsed<sa::TunnelId>(
        "id", "\"account/tunnel\"; each part 1..63 of a-z, 0-9 and -",
        [](const std::string& text) { return sa::TunnelId::parse(text); });
    read_authentication(table, tunnel);
    tunnel.remote_addresses = table.parsed_list<IpPrefix>("remote_addresses", prefix_form,
                                                          parse_prefix, std::vector<std::string>{});
    read_suites(table, tunnel);
    read_addressing(table, tunnel);
    tunnel.sender_rule = read_sender_rule(table);
    tunnel.nat_traversal = read_nat_traversal(table);
    read_lifetimes(table, tunnel);
    tunnel.dpd_s = table.duration_s("dpd", {0, 86400}, 0);
    tunnel.replay_window =
        static_cast<std::uint16_t>(table.number("replay_window", {0, 32768}, 1024));
    tunnel.initiate = table.flag("initiate", false);
    tunnel.childless = table.flag("childless", false);
    tunnel.mobike = table.flag("mobike", true);
    tunnel.mobike_check = table.flag("mobike_check", true);
    tunnel.follow_redirects = table.flag("follow_redirects", true);
    table.refuse_unknown();
    return tunnel;
}

std::vector<TunnelRecord> read_tunnels(TableReader& root) {
    std::vector<TunnelRecord> tunnels;
    for (TableReader& table : root.tables("tunnel")) {
        tunnels.push_back(read_tunnel(table));
        const sa::TunnelId& id = tunnels.back().id;
        const auto same = [&](const TunnelRecord& other) {
            return other.id == id && !id.name.empty();
        };
        if (std::count_if(tunnels.begin(), tunnels.end(), same) > 1) {
            table.mistake("id",
                          "\"" + id.to_string() +
                              "\" stands twice in this file; give each tunnel a name of its own");
        }
    }
    return tunnels;
}

Result<std::vector<TunnelRecord>> parse_tunnels(const std::string& text, const std::string& name) {
    const Result<toml::table> parsed = parse_toml(text, name);
    if (!parsed) {
        return Unexpected{parsed.error()};
    }
    Mistakes mistakes(name);
    TableReader root(*parsed, "", mistakes);
    std::vector<TunnelRecord> tunnels = read_tunnels(root);
    root.refuse_unknown();
    if (mistakes.empty() && tunnels.empty()) {
        return fail(name + ": has no [[tunnel]]; begin each tunnel with that line");
    }
    if (!mistakes.empty()) {
        return fail(mistakes.text());
    }
    return tunnels;
}

}  // namespace anyswan::config
