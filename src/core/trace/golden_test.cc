// SPDX-License-Identifier: Apache-2.0
// Whole exchanges between two engines with fixed randomness, byte for byte: tests/data/golden. Each
// message stands there as an operator would read it, and in hexadecimal as it travels. A change of
// what we say on the wire shows as a difference; where it is wanted, the files are written anew by
//
//   ANYSWAN_WRITE_GOLDEN=1 build/test_golden
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "core/crypto/test_pki.h"
#include "core/ike/helpers.h"
#include "core/ike/limits.h"
#include "core/trace/tracer.h"

namespace anyswan::trace {
namespace {

using ike::test::Side;
using ike::test::World;

bool writing() {
    return std::getenv("ANYSWAN_WRITE_GOLDEN") != nullptr;
}

std::filesystem::path data(const std::string& name) {
    return std::filesystem::path(ANYSWAN_TEST_DATA) / "golden" / name;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

/// A world whose every datagram is written down as it is sent.
class Recorder {
public:
    explicit Recorder(World& world)
        : world_(world), tracer_([this](ike::SpiPair spis) { return keys(spis); }) {}

    /// Each side in turn, so that keys are asked for before the next message changes them.
    void exchange() {
        for (;;) {
            note();
            const std::size_t from_customer = world_.deliver_from(world_.customer);
            note();
            if (from_customer + world_.deliver_from(world_.fleet) == 0) {
                return;
            }
        }
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::optional<ike::ReadingKeys> keys(ike::SpiPair spis) {
        // The customer first: a responder of IKE_INTERMEDIATE has the next keys already.
        for (const Side* side : {&world_.customer, &world_.fleet}) {
            if (auto found = side->engine->reading_keys(spis)) {
                return found;
            }
        }
        return std::nullopt;
    }
    void note() {
        for (; noted_ < world_.trace.size(); ++noted_) {
            const auto& datagram = world_.trace[noted_].datagram;
            text_ += tracer_.describe_ike(world_.clock().wall, datagram.local, datagram.remote,
                                          datagram.bytes);
            const std::string digits = to_hex(datagram.bytes);
            constexpr std::size_t width = 64;
            for (std::size_t at = 0; at < digits.size(); at += width) {
                text_ += "    " + digits.substr(at, width) + "\n";
            }
        }
    }

    World& world_;
    Tracer tracer_;
    std::size_t noted_ = 0;
    std::string text_;
};

struct Scenario {
    const char* name;
    const char* what;
    std::function<void(World&)> prepare;
    /// After the IKE SA is set up; nothing: its set-up is the scenario.
    std::function<void(World&)> wish = nullptr;
};

void use(World& world, std::initializer_list<const char*> customer,
         std::initializer_list<const char*> fleet) {
    const auto set = [](Side& side, std::initializer_list<const char*> suites) {
        auto& list = side.directory.tunnels[0].ike_suites;
        list.clear();
        for (const char* suite : suites) {
            list.push_back(ike::test::ike_suite(suite));
        }
    };
    set(world.customer, customer);
    set(world.fleet, fleet);
}

void nothing_special(World&) {}

/// Certificates of Ed25519, whose signatures are always the same; made once and kept.
void make_certificates() {
    using namespace crypto::test;
    const Issued ca =
        self_signed({.subject = "O=Acme, CN=Root", .kind = crypto::KeyKind::ed25519, .ca = true});
    write(data("pki/ca.pem"), pem(ca.certificate));
    for (const char* name : {"edge.example", "hq.acme.example"}) {
        const Issued leaf = issue({.subject = "O=Acme, CN=" + std::string(name),
                                   .kind = crypto::KeyKind::ed25519,
                                   .alternative_names = "DNS:" + std::string(name)},
                                  ca);
        write(data("pki/" + std::string(name) + ".pem"), pem(leaf.certificate));
        write(data("pki/" + std::string(name) + ".key"), pem(leaf.key));
    }
}

void use_certificates(World& world) {
    if (writing() && !std::filesystem::exists(data("pki/ca.pem"))) {
        make_certificates();
    }
    const auto der = [](const std::string& name) {
        return crypto::read_certificates(to_bytes(read(data("pki/" + name + ".pem")))).value()[0];
    };
    const Bytes ca = der("ca");
    for (Side* side : {&world.customer, &world.fleet}) {
        sa::TunnelRecord& tunnel = side->directory.tunnels[0];
        const std::string name = to_string(tunnel.local_id.data);
        tunnel.psk = Secret();
        sa::Credentials& credentials = tunnel.credentials;
        credentials.local = sa::AuthKind::certificate;
        credentials.remote = sa::AuthKind::certificate;
        credentials.certificates = {der(name)};
        credentials.private_key = Secret::copy_of(as_bytes(read(data("pki/" + name + ".key"))));
        credentials.anchors = {{ca, crypto::Certificate::from_der(ca)->key_hash()}};
    }
}

void demand_cookies(World& world) {
    world.fleet.config.cookie_threshold = 0;
    world.fleet.restart(7, 4);
}

void use_pfs(World& world) {
    for (Side* side : {&world.customer, &world.fleet}) {
        side->directory.tunnels[0].esp_suites = {ike::test::esp_suite("aes256gcm16-x25519")};
    }
}

/// Both families, one address of each.
void give_addresses(World& world) {
    const auto prefix = [](std::string_view text) { return ike::test::net(text); };
    sa::TunnelRecord& edge = world.fleet.directory.tunnels[0];
    edge.remote_prefixes.clear();
    edge.local_prefixes.push_back(prefix("fd00::/8"));
    edge.addressing.pool = {prefix("10.9.0.5/32"), prefix("fd09::5/128")};
    edge.addressing.dns = {prefix("10.0.0.53/32").address, prefix("fd00::53/128").address};
    edge.addressing.subnets = {prefix("10.0.0.0/8")};
    edge.addressing.netmask_length = 24;
    sa::TunnelRecord& router = world.customer.directory.tunnels[0];
    router.local_prefixes.clear();
    router.remote_prefixes.push_back(prefix("fd00::/8"));
    router.addressing.request = {IpFamily::v4, IpFamily::v6};
}

const Scenario scenarios[] = {
    {"setup-psk", "An IKE SA by a pre-shared key, x25519", nothing_special},
    {"setup-cbc", "The same with AES-CBC and ECP 384",
     [](World& world) { use(world, {"aes256-sha384-ecp384"}, {"aes256-sha384-ecp384"}); }},
    {"setup-ed25519", "An IKE SA by certificates of Ed25519", use_certificates},
    {"setup-virtual-ip", "The initiator asks for inner addresses and DNS servers", give_addresses},
    {"setup-hybrid", "Post-quantum: x25519, then ML-KEM-768 in IKE_INTERMEDIATE",
     [](World& world) {
         const char* suite = "aes256gcm16-prfsha384-x25519-ke1_mlkem768";
         use(world, {suite}, {suite});
     }},
    {"fragments", "ML-KEM-1024, fragments both ways",
     [](World& world) {
         const char* suite = "aes256gcm16-prfsha384-x25519-ke1_mlkem1024";
         use(world, {suite}, {suite});
     }},
    {"cookie", "The fleet demands a cookie", demand_cookies},
    {"invalid-ke", "The customer guesses the wrong group",
     [](World& world) {
         use(world, {"aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-ecp256"},
             {"aes256gcm16-prfsha256-ecp256"});
     }},
    {"rekey-child-customer", "The initiator rekeys the Child SA, with PFS", use_pfs,
     [](World& world) { world.rekey_child(world.customer); }},
    {"rekey-child-fleet", "The responder rekeys the Child SA", nothing_special,
     [](World& world) { world.rekey_child(world.fleet); }},
    {"rekey-ike-customer", "The initiator rekeys the IKE SA", nothing_special,
     [](World& world) { world.rekey_ike(world.customer); }},
    {"rekey-ike-fleet", "The responder rekeys the IKE SA", nothing_special,
     [](World& world) { world.rekey_ike(world.fleet); }},
    {"create-child", "One more Child SA", nothing_special,
     [](World& world) { world.create_child(world.customer); }},
    {"delete-child", "The responder deletes the Child SA", nothing_special,
     [](World& world) { world.delete_child(world.fleet); }},
    {"delete-ike", "The initiator deletes the IKE SA", nothing_special,
     [](World& world) { world.delete_ike(world.customer); }},
    {"liveness", "The responder asks whether the initiator lives", nothing_special,
     [](World& world) { world.probe(world.fleet); }},
};

class Golden : public testing::TestWithParam<Scenario> {};

TEST_P(Golden, ByteForByte) {
    const Scenario& scenario = GetParam();
    World world;
    scenario.prepare(world);
    Recorder recorder(world);
    world.tell(world.customer, ike::Initiate{{"acme", "hq"},
                                             ike::test::at("198.51.100.7", 500),
                                             ike::test::at("192.0.2.1", 500)});
    recorder.exchange();
    ASSERT_TRUE(world.up());
    if (scenario.wish) {
        scenario.wish(world);
        recorder.exchange();
        world.pass(ike::replaced_for);
        recorder.exchange();
        ASSERT_EQ(world.disagreement(), "");
    }
    const std::string text = "# " + std::string(scenario.what) +
                             ".\n# Written by ANYSWAN_WRITE_GOLDEN=1 build/test_golden; compared "
                             "by core/trace/golden_test.cc.\n\n" +
                             recorder.text();
    const auto path = data(std::string(scenario.name) + ".txt");
    if (writing()) {
        write(path, text);
    }
    EXPECT_EQ(read(path), text) << path;
}

std::string test_name(const testing::TestParamInfo<Scenario>& info) {
    std::string name = info.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Traces, Golden, testing::ValuesIn(scenarios), test_name);

}  // namespace
}  // namespace anyswan::trace
