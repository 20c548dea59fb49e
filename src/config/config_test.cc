// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace anyswan::config {
namespace {

using testing::HasSubstr;
using testing::Not;

class ConfigFiles : public testing::Test {
protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("anyswan-config-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
        const std::string path = folder_ / name;
        std::ofstream(path) << text;
        chmod(path.c_str(), mode);
        return path;
    }
    std::string key_file() {
        return write("fleet.key", "current = 1\n[keys]\n1 = \"" + std::string(64, 'a') + "\"\n");
    }
    std::string edge_file(const std::string& more = "") {
        return write(
            "edge.toml",
            "[edge]\nname = \"ams\"\nid = 1\naddress = \"203.0.113.7\"\nanycast = [\"192.0.2.1\"]\n"
            "fleet_key_file = \"" +
                key_file() + "\"\n" + more);
    }

    std::filesystem::path folder_;
};

constexpr const char* good_tunnel = R"(
[[tunnel]]
id = "acme/hq"
local_id = "anycast.example"
remote_id = "hq@acme.example"
psk = "correct horse battery"
local_prefixes = ["10.0.0.0/8"]
remote_prefixes = ["10.1.0.0/16", "fd01::/64"]
)";

TEST_F(ConfigFiles, AGoodEdgeFileHasDefaultsForTheRest) {
    const auto config = load_edge(edge_file());
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->name, "ams");
    EXPECT_EQ(config->id, EdgeId(1));
    EXPECT_TRUE(std::holds_alternative<SqliteStore>(config->store));
    EXPECT_EQ(config->fleet_keys.keys.at(1).size(), 32U);
}

TEST_F(ConfigFiles, TheAnnounceHookIsAProgramWithItsArguments) {
    const std::string head =
        "[edge]\nname = \"ams\"\nid = 1\naddress = \"203.0.113.7\"\nanycast = "
        "[\"192.0.2.1\"]\nfleet_key_file = \"" +
        key_file() + "\"\n";
    const auto config =
        load_edge(write("edge.toml", head + "announce_hook = [\"/bin/route\", \"-v\"]\n"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->announce_hook, (std::vector<std::string>{"/bin/route", "-v"}));
    EXPECT_TRUE(load_edge(edge_file())->announce_hook.empty());
    for (const char* wrong : {"[]", "\"\""}) {
        const auto refused =
            load_edge(write("edge.toml", head + "announce_hook = " + wrong + "\n"));
        ASSERT_FALSE(refused) << wrong;
        EXPECT_THAT(refused.error().message, HasSubstr("edge.announce_hook: names no program"));
    }
}

TEST_F(ConfigFiles, TheDataplaneIsChosenByName) {
    const std::pair<const char*, DataplaneType> types[] = {
        {"auto", DataplaneType::automatic},
        {"xfrm", DataplaneType::xfrm},
        {"xfrm-policies", DataplaneType::xfrm_policies},
        {"userspace", DataplaneType::userspace}};
    for (const auto& [name, type] : types) {
        const auto config =
            load_edge(edge_file(std::string("[dataplane]\ntype = \"") + name + "\"\n"));
        ASSERT_TRUE(config) << config.error().message;
        EXPECT_EQ(config->dataplane.type, type) << name;
    }
    const auto wrong = load_edge(edge_file("[dataplane]\ntype = \"kernel\"\n"));
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message, HasSubstr("\"auto\", \"userspace\", \"xfrm\""));
}

TEST_F(ConfigFiles, EveryMistakeIsNamedWithItsLine) {
    const auto config = load_edge(
        write("bad.toml",
              "[edge]\nname = \"Ams!\"\nid = \"one\"\naddress = \"203.0.113\"\nanycast = []\n"
              "fleet_key_file = \"/nowhere\"\nloge = \"info\"\n[store]\ntype = \"etcd\"\n"));
    ASSERT_FALSE(config);
    const std::string& text = config.error().message;
    EXPECT_THAT(text, HasSubstr("bad.toml:2: edge.name: "));
    EXPECT_THAT(
        text,
        HasSubstr("bad.toml:3: edge.id: is not a whole number; write a whole number 1..65535"));
    EXPECT_THAT(text, HasSubstr("bad.toml:4: edge.address: "));
    EXPECT_THAT(text, HasSubstr("bad.toml:5: edge.anycast: is empty"));
    EXPECT_THAT(text, HasSubstr("anyswan keygen"));
    EXPECT_THAT(text,
                HasSubstr("bad.toml:7: edge.loge: is not an option here; did you mean \"log\"?"));
    EXPECT_THAT(text, HasSubstr("bad.toml:9: store.type: "));
}

TEST_F(ConfigFiles, BrokenTomlNamesItsLine) {
    const auto config = load_edge(write("broken.toml", "[edge]\nname = \n"));
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, HasSubstr("broken.toml:2: not valid TOML"));
}

// What makes the parser stumble: it must not take the daemon, which reads API requests, along.
TEST(TunnelText, ThatTheParserStumblesOverIsRefused) {
    const auto words = [](const std::string& text) {
        const auto tunnels = parse_tunnels(text, "t.toml");
        return tunnels ? "" : tunnels.error().message;
    };
    EXPECT_THAT(words("[[[tunnel]]]\n"), HasSubstr("t.toml: not valid TOML"));
    EXPECT_THAT(words("# ü\n[[tunnel]]\nid = \"ü\\\"#\"\nümlaut = 1\n"),
                HasSubstr("t.toml:4: not valid TOML"));
    EXPECT_THAT(words("id = 0\"ü\""), HasSubstr("t.toml:1: not valid TOML"));
    EXPECT_THAT(words("d = \"\"\"\\ü\"\"\""), HasSubstr("t.toml:1: not valid TOML"));
    EXPECT_THAT(words("a = \"\"\"\\\n  ü\"\"\"\nb = \"ü"), HasSubstr("t.toml:3: not valid TOML"));
}

TEST_F(ConfigFiles, AFleetKeyOthersCanReadIsRefused) {
    const std::string path = key_file();
    chmod(path.c_str(), 0644);
    const auto keys = load_fleet_keys(path);
    ASSERT_FALSE(keys);
    EXPECT_THAT(keys.error().message, HasSubstr("chmod 600"));
}

TEST_F(ConfigFiles, ANewFleetKeyFileLoadsAgain) {
    SeededRandom random(3);
    const auto keys = load_fleet_keys(write("new.key", new_fleet_key_file(random)));
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_EQ(keys->current, 1U);
}

TEST(Tunnels, AGoodOneIsReadWhole) {
    const auto tunnels = parse_tunnels(good_tunnel, "t.toml");
    ASSERT_TRUE(tunnels) << tunnels.error().message;
    const sa::TunnelRecord& tunnel = tunnels->front();
    EXPECT_EQ(tunnel.id.to_string(), "acme/hq");
    EXPECT_EQ(tunnel.remote_id.type, wire::ike::IdType::rfc822_addr);
    EXPECT_EQ(to_string(tunnel.psk.reveal()), "correct horse battery");
    EXPECT_EQ(tunnel.remote_prefixes.size(), 2U);
    EXPECT_FALSE(tunnel.ike_suites.empty());
    EXPECT_FALSE(tunnel.esp_suites.empty());
}

TEST(Tunnels, HybridSuitesAreReadAndTheirMistakesNamed) {
    std::string text = good_tunnel;
    const auto with = [&text](const std::string& lines) {
        return parse_tunnels(text + lines, "t.toml");
    };
    const auto good = with(
        "ike = [\"aes256gcm16-prfsha384-x25519-ke1_mlkem768\"]\n"
        "esp = [\"aes256gcm16-x25519-ke1_mlkem768\"]\n");
    ASSERT_TRUE(good);
    EXPECT_EQ(crypto::to_string((*good)[0].ike_suites.at(0)),
              "aes256gcm16-prfsha384-x25519-ke1_mlkem768");
    const auto bad = with("ike = [\"aes256gcm16-prfsha384-x25519-ke1_kyber768\"]\n");
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, HasSubstr("unknown word \"ke1_kyber768\""));
}

TEST(Tunnels, AWeakSuiteNeedsTheTunnelsWord) {
    const auto with = [](const std::string& lines) {
        return parse_tunnels(good_tunnel + lines, "t.toml");
    };
    const auto ike = with("ike = [\"aes256-sha1-modp1536\"]\n");
    ASSERT_FALSE(ike);
    EXPECT_THAT(ike.error().message, HasSubstr("allow_weak = [\"sha1\", \"modp1536\"]"));
    const auto esp = with("esp = [\"null-sha256\", \"aes256gcm16\"]\n");
    ASSERT_FALSE(esp);
    EXPECT_THAT(esp.error().message, HasSubstr("allow_weak = [\"null\"]"));
    EXPECT_FALSE(with("allow_weak = [\"sha1\"]\nike = [\"aes256-sha1-modp1536\"]\n"));
    EXPECT_TRUE(with("allow_weak = [\"sha1\", \"modp1536\"]\nike = [\"aes256-sha1-modp1536\"]\n"));
    EXPECT_TRUE(with("allow_weak = [\"null\"]\nesp = [\"null-sha256\"]\n"));
    // 3DES has no word at all.
    EXPECT_FALSE(with("allow_weak = [\"sha1\"]\nesp = [\"3des-sha1\"]\n"));
}

constexpr const char* virtual_tunnel = R"(
[[tunnel]]
id = "acme/road"
local_id = "anycast.example"
remote_id = "*.road.example"
psk = "correct horse battery"
)";

TEST(Tunnels, AddressesAreGivenOutOfAPool) {
    const auto with = [](const std::string& lines) {
        return parse_tunnels(virtual_tunnel + lines, "t.toml");
    };
    const auto good = with(
        "local_prefixes = [\"10.0.0.0/8\"]\nvirtual_pool = [\"10.9.0.0/24\", \"fd09::5\"]\n"
        "virtual_dns = \"10.0.0.53\"\nvirtual_subnets = [\"10.0.0.0/8\"]\n"
        "virtual_netmask = \"255.255.240.0\"\n");
    ASSERT_TRUE(good) << good.error().message;
    const sa::TunnelRecord& tunnel = good->front();
    EXPECT_TRUE(tunnel.remote_prefixes.empty());
    EXPECT_EQ(tunnel.addressing.netmask_length, 20);
    EXPECT_EQ(tunnel.addressing.pool.at(1), *IpPrefix::parse("fd09::5/128"));
    EXPECT_EQ(tunnel.routed_prefixes(), tunnel.addressing.pool);
    const std::string pool =
        "local_prefixes = [\"10.0.0.0/8\"]\nvirtual_pool = [\"10.9.0.0/24\"]\n";
    EXPECT_THAT(with(pool + "virtual_netmask = \"255.0.255.0\"\n").error().message,
                HasSubstr("is not a netmask"));
    EXPECT_THAT(with(pool + "request_address = [\"ipv4\"]\n").error().message,
                HasSubstr("exclude each other"));
    EXPECT_THAT(with("local_prefixes = [\"10.0.0.0/8\"]\nremote_prefixes = [\"10.1.0.0/16\"]\n"
                     "virtual_dns = \"10.0.0.53\"\n")
                    .error()
                    .message,
                HasSubstr("needs a virtual_pool"));
    EXPECT_FALSE(with("local_prefixes = [\"10.0.0.0/8\"]\n")) << "remote_prefixes is missing";
}

TEST(Tunnels, AddressesAreAskedForByFamily) {
    const auto with = [](const std::string& lines) {
        return parse_tunnels(virtual_tunnel + lines, "t.toml");
    };
    const auto good =
        with("remote_prefixes = [\"10.0.0.0/8\"]\nrequest_address = [\"ipv6\", \"ipv4\"]\n");
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->front().addressing.request, (std::vector{IpFamily::v4, IpFamily::v6}));
    EXPECT_TRUE(good->front().local_prefixes.empty());
    EXPECT_THAT(
        with("remote_prefixes = [\"10.0.0.0/8\"]\nrequest_address = \"ipx\"\n").error().message,
        HasSubstr("\"ipx\" is not \"ipv4\" or \"ipv6\""));
    EXPECT_FALSE(with("remote_prefixes = [\"10.0.0.0/8\"]\n")) << "local_prefixes is missing";
}

TEST(Tunnels, MistakesNeverShowTheKey) {
    std::string text = good_tunnel;
    text += "psk_file = \"x\"\nesp = [\"des\"]\nchild_lifetime = \"1y\"\n";
    const auto tunnels = parse_tunnels(text, "t.toml");
    ASSERT_FALSE(tunnels);
    EXPECT_THAT(tunnels.error().message, HasSubstr("tunnel[1].psk: stands beside psk_file"));
    EXPECT_THAT(tunnels.error().message, HasSubstr("\"des\" is not an ESP suite"));
    EXPECT_THAT(tunnels.error().message, HasSubstr(": unknown word \"des\""));
    EXPECT_THAT(tunnels.error().message, HasSubstr("tunnel[1].child_lifetime: is not a time"));
    EXPECT_THAT(tunnels.error().message, Not(HasSubstr("horse")));
}

TEST(Tunnels, ANameTwiceIsAMistake) {
    const auto tunnels = parse_tunnels(std::string(good_tunnel) + good_tunnel, "t.toml");
    ASSERT_FALSE(tunnels);
    EXPECT_THAT(tunnels.error().message, HasSubstr("stands twice"));
}

TEST(Tunnels, PrefixWithHostBitsIsAMistake) {
    std::string text = good_tunnel;
    text.replace(text.find("10.1.0.0/16"), 11, "10.1.0.1/16");
    const auto tunnels = parse_tunnels(text, "t.toml");
    ASSERT_FALSE(tunnels);
    EXPECT_THAT(tunnels.error().message, HasSubstr("host bits zero"));
}

TEST(Tunnels, AnEmptyFileSaysWhatIsMissing) {
    const auto tunnels = parse_tunnels("", "t.toml");
    ASSERT_FALSE(tunnels);
    EXPECT_THAT(tunnels.error().message, HasSubstr("[[tunnel]]"));
}

}  // namespace
}  // namespace anyswan::config
