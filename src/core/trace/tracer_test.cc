// SPDX-License-Identifier: Apache-2.0
// Captures of real routers, with their keys, as an operator would read them.
#include "core/trace/tracer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace anyswan::trace {
namespace {

std::string path(const std::string& capture, const char* name) {
    return std::string(ANYSWAN_TEST_DATA) + "/captures/" + capture + "/" + name;
}

Bytes file(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The keys of a capture, in the form in which Wireshark would be given them.
std::string key_table(const std::string& capture) {
    std::ifstream in(path(capture, "vector.json"));
    const nlohmann::json vector = nlohmann::json::parse(in);
    std::string table = "# the keys of " + capture + "\n";
    for (const nlohmann::json& event : vector.at("events")) {
        if (event.at("event") != "derive-ike") {
            continue;
        }
        const bool gcm = event.at("encr") == 20;
        const auto bits = std::to_string(event.at("keylen").get<int>());
        const std::string encr = event.at("encr") == 28 ? "CHACHA20-POLY1305 [RFC7634]"
                                 : gcm ? "AES-GCM-" + bits + " with 16 octet ICV [RFC5282]"
                                       : "AES-CBC-" + bits + " [RFC3602]";
        const std::string integ =
            event.at("integ") == 12 ? "HMAC_SHA2_256_128 [RFC4868]" : "NONE [RFC4306]";
        const auto field = [&](const char* name) { return event.at(name).get<std::string>(); };
        table += field("spi_i") + "," + field("spi_r") + "," + field("SK_ei") + "," +
                 field("SK_er") + ",\"" + encr + "\"," + field("SK_ai") + "," + field("SK_ar") +
                 ",\"" + integ + "\"\n";
    }
    return table;
}

std::string trace(const std::string& capture, const std::string& table) {
    auto keys = read_key_table(table);
    EXPECT_TRUE(keys) << keys.error().message;
    Tracer tracer([&keys](ike::SpiPair spis) -> std::optional<ike::ReadingKeys> {
        const auto found = keys->find(spis);
        return found == keys->end() ? std::nullopt
                                    : std::optional(ike::ReadingKeys{sa::TunnelId{"acme", "hq"},
                                                                     found->second.clone()});
    });
    std::string text;
    const auto read = wire::pcap::read_capture(file(path(capture, "capture.pcap")));
    EXPECT_TRUE(read);
    for (const wire::pcap::UdpDatagram& datagram : read->datagrams) {
        text += tracer.describe(datagram);
    }
    return text;
}

void expect_lines(const std::string& text, const std::vector<std::string>& wanted) {
    std::size_t from = 0;
    for (const std::string& line : wanted) {
        const std::size_t at = text.find(line, from);
        ASSERT_NE(at, std::string::npos) << "\"" << line << "\" is missing, or not in order, in\n"
                                         << text;
        from = at + line.size();
    }
}

TEST(Tracer, ReadsAHandshakeInOrder) {
    const std::string text = trace("classic-x25519-psk", key_table("classic-x25519-psk"));
    expect_lines(
        text,
        {"IKE_SA_INIT request 0, SPIs 969e41d4fe8973ce_i 0000000000000000_r",
         "SA      proposal 1: IKE aes256gcm16-prfsha256-x25519", "KE      Curve25519",
         "IKE_SA_INIT response 0", "IKE_AUTH request 1", "octets), tunnel acme/hq",
         "IDi     \"initiator.example\" (ID_FQDN)", "N       INITIAL_CONTACT", "AUTH    ",
         "TSi     10.1.0.1/32", "IKE_AUTH response 1", "IDr     \"responder.example\" (ID_FQDN)",
         "INFORMATIONAL request 2", "D       IKE", "INFORMATIONAL response 2", "no payloads"});
}

TEST(Tracer, PutsFragmentsTogetherAndReadsEveryCipher) {
    for (const char* capture :
         {"cert-rsa3072-pss-frag1280", "classic-modp2048-aes256cbc-sha256-psk",
          "classic-chacha20poly1305-psk", "cp-virtual-ip", "natt-x25519-psk", "dpd-mobike"}) {
        const std::string text = trace(capture, key_table(capture));
        SCOPED_TRACE(capture);
        expect_lines(text, {"IKE_AUTH request", "AUTH    ", "IKE_AUTH response", "AUTH    "});
        EXPECT_EQ(text.find("not readable"), std::string::npos) << text;
        EXPECT_EQ(text.find("no keys"), std::string::npos) << text;
    }
}

TEST(Tracer, WithoutKeysItSaysSo) {
    const std::string text = trace("classic-x25519-psk", "");
    expect_lines(text, {"IKE_SA_INIT request 0", "IKE_AUTH request 1", "SK      ", "no keys for"});
    EXPECT_EQ(text.find("initiator.example"), std::string::npos);
}

TEST(Tracer, WithWrongKeysItSaysSo) {
    std::string table = key_table("classic-x25519-psk");
    const std::size_t key = table.find("b80ddf31");
    table.replace(key, 8, "00000000");
    expect_lines(trace("classic-x25519-psk", table),
                 {"IKE_AUTH request 1", "not readable with the keys at hand: bad_icv",
                  "IKE_AUTH response 1", "IDr     "});
}

TEST(Tracer, TextOfPeersStaysOnItsLine) {
    Tracer tracer([](ike::SpiPair) { return std::nullopt; });
    wire::ike::Message message;
    message.header.exchange = wire::ike::ExchangeType::ike_sa_init;
    message.payloads.push_back({wire::ike::VendorId{to_bytes(std::string("evil\nline\x1b[2J"))}});
    const std::string text = tracer.describe_ike({}, {}, {}, message.emit());
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(tracer.describe_ike({}, {}, {}, Bytes(10)).find("not IKEv2: too_short"),
              std::string::npos);
}

TEST(KeyTable, NamesTheLineThatIsWrong) {
    const std::string good = key_table("classic-x25519-psk");
    EXPECT_EQ(read_key_table(good)->size(), 1U);
    EXPECT_EQ(read_key_table(good + "1,2\n").error().message, "line 3 has 2 fields instead of 8");
    std::string odd = good;
    odd.replace(odd.find("AES-GCM"), 7, "BLOWFIS");
    EXPECT_NE(read_key_table(odd).error().message.find("line 2 names algorithms"),
              std::string::npos);
}

TEST(TimeText, IsUtcToTheMicrosecond) {
    EXPECT_EQ(time_text(WallTime{1'700'000'000'123'456'789}), "2023-11-14 22:13:20.123456");
}

}  // namespace
}  // namespace anyswan::trace
