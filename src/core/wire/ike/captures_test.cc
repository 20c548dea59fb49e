// SPDX-License-Identifier: Apache-2.0
// The codec against messages that are not ours: everything two strongSwan daemons said to each
// other in tests/data/captures, as it travelled and as it was inside SK.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/wire/ike/message.h"

namespace anyswan::wire::ike {
namespace {

using nlohmann::json;

/// Calls `use(where, event)` for each event of every capture that has the string field `field`.
template <class Use>
std::size_t each_event_with(const char* field, Use use) {
    std::size_t count = 0;
    for (const auto& folder : std::filesystem::directory_iterator(ANYSWAN_TEST_DATA "/captures")) {
        if (!folder.is_directory()) {
            continue;
        }
        std::ifstream file(folder.path() / "vector.json");
        const json vector = json::parse(file);
        for (const json& event : vector.at("events")) {
            const auto found = event.find(field);
            if (found != event.end() && found->is_string()) {
                use(folder.path().filename().string() + "[" + std::to_string(count) + "]", event);
                ++count;
            }
        }
    }
    return count;
}

TEST(Captures, EveryDatagramComesBackAsTheSameBytes) {
    const std::size_t count = each_event_with("wire", [](const std::string& where, const json& e) {
        const Bytes datagram = *from_hex(e["wire"].get<std::string>());
        const auto message = Message::parse(datagram);
        ASSERT_TRUE(message) << where << ": " << name(message.error());
        EXPECT_EQ(message->emit(), datagram) << where;
        EXPECT_EQ(name(message->header.exchange), e["exchange"].get<std::string>()) << where;
        EXPECT_EQ(message->header.message_id.value(), e["mid"].get<unsigned>()) << where;
        EXPECT_EQ(message->header.response, e["resp"].get<bool>()) << where;
    });
    EXPECT_GT(count, 200U);
}

TEST(Captures, EveryInnerChainComesBackAsTheSameBytes) {
    const std::size_t count = each_event_with("plain", [](const std::string& where, const json& e) {
        if (e["event"] != "ike") {
            return;
        }
        const Bytes plain = *from_hex(e["plain"].get<std::string>());
        const auto chain = parse_chain(PayloadType(e["first_payload"].get<std::uint8_t>()), plain);
        ASSERT_TRUE(chain) << where << ": " << name(chain.error());
        EXPECT_EQ(emit_chain(*chain), plain) << where;
        ASSERT_EQ(chain->size(), e["payloads"].size()) << where;
        for (std::size_t i = 0; i < chain->size(); ++i) {
            std::string label = name(chain->at(i).type());
            if (const auto* notify = std::get_if<Notify>(&chain->at(i).body)) {
                label += "(" + std::to_string(static_cast<unsigned>(notify->type)) + ")";
            }
            EXPECT_EQ(label, e["payloads"][i].get<std::string>()) << where;
            EXPECT_FALSE(std::holds_alternative<UnknownPayload>(chain->at(i).body)) << where;
        }
    });
    EXPECT_GT(count, 100U);
}

TEST(Captures, NoInnerChainCutShortIsAChain) {
    each_event_with("plain", [](const std::string& where, const json& e) {
        if (e["event"] != "ike") {
            return;
        }
        const Bytes plain = *from_hex(e["plain"].get<std::string>());
        const PayloadType first{e["first_payload"].get<std::uint8_t>()};
        for (std::size_t size = 0; size < plain.size(); ++size) {
            EXPECT_FALSE(parse_chain(first, ByteView(plain).first(size))) << where << " " << size;
        }
    });
}

}  // namespace
}  // namespace anyswan::wire::ike
