// SPDX-License-Identifier: Apache-2.0
// ESP packets that two strongSwan daemons exchanged (tests/data/captures): each must open to the
// recorded plaintext, and sealed again with the same number and IV give the same bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/esp/transform.h"
#include "core/wire/esp/esp.h"
#include "core/wire/ip/ip_view.h"

namespace anyswan::esp {
namespace {

using nlohmann::json;

json load_events(const std::string& capture) {
    std::ifstream file(std::string(ANYSWAN_TEST_DATA) + "/captures/" + capture + "/vector.json");
    const json parsed = json::parse(file, nullptr, false);
    return parsed.is_discarded() ? json::array() : parsed.at("events");
}

Bytes hex(const json& event, const char* field) {
    return *from_hex(event.at(field).get<std::string>());
}

/// The transform of the SA that carries packets to `spi`.
Transform transform_of(const json& derived, std::uint32_t spi) {
    crypto::EspSuite suite;
    suite.cipher = {static_cast<crypto::EncrId>(derived.at("encr").get<int>()),
                    derived.at("keylen").get<std::uint16_t>(),
                    static_cast<crypto::IntegId>(derived.at("integ").get<int>())};
    const bool to_responder = load_u32(hex(derived, "spi_r")) == spi;
    auto made =
        Transform::make(EspSpi(spi), suite, hex(derived, to_responder ? "encr_i" : "encr_r"),
                        hex(derived, to_responder ? "integ_i" : "integ_r"));
    EXPECT_TRUE(made.has_value());
    return std::move(made).value();
}

class Captures : public ::testing::TestWithParam<const char*> {};

TEST_P(Captures, OpenAndSealAgainToTheSameBytes) {
    json derived;
    int packets = 0;
    for (const json& event : load_events(GetParam())) {
        if (event.at("event") == "derive-child") {
            derived = event;
        }
        if (event.at("event") != "esp") {
            continue;
        }
        const Bytes captured = hex(event, "packet");
        const Bytes plain = hex(event, "plain");
        const auto header = *wire::esp::read_header(captured);
        Transform transform = transform_of(derived, header.spi.value());
        const SequenceNumber number(header.sequence_low);

        Packet packet = Packet::copy_of(captured);
        ASSERT_TRUE(transform.good_length(packet.size()));
        ASSERT_TRUE(transform.decrypt(packet, number));
        EXPECT_EQ(to_hex(packet.bytes()), to_hex(plain));
        const auto next_header = remove_trailer(packet);
        ASSERT_TRUE(next_header.has_value());
        EXPECT_EQ(wire::ip::parse_ip(packet.bytes())->total_size, packet.size());

        const Bytes iv = to_bytes(ByteView(captured).subspan(8, transform.iv_size()));
        transform.seal(packet, number, iv, *next_header);
        EXPECT_EQ(to_hex(packet.bytes()), to_hex(captured));

        Packet damaged = Packet::copy_of(captured);
        damaged.bytes()[captured.size() / 2] ^= 1;
        EXPECT_FALSE(transform.decrypt(damaged, number));
        ++packets;
    }
    EXPECT_GE(packets, 6) << "captures missing under tests/data?";
}

INSTANTIATE_TEST_SUITE_P(StrongSwan, Captures,
                         ::testing::Values("classic-ecp256-aes128gcm-psk", "natt-x25519-psk",
                                           "classic-chacha20poly1305-psk",
                                           "classic-modp2048-aes256cbc-sha256-psk",
                                           "ipv6-pq-x25519-mlkem768-psk"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace anyswan::esp
