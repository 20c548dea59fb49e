// SPDX-License-Identifier: Apache-2.0
// The replay itself: the captures hold, and a capture with any one byte changed does not.
#include "replay/replay.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/random.h"

namespace anyswan::replay {
namespace {

using nlohmann::json;

json load(const std::string& capture) {
    std::ifstream file(ANYSWAN_TEST_DATA "/captures/" + capture + "/vector.json");
    return json::parse(file);
}

Report replay(const json& vector) {
    return replay_vector("test", vector.dump());
}

TEST(Replay, EveryCaptureHolds) {
    const auto folders = find_captures(ANYSWAN_TEST_DATA "/captures");
    ASSERT_TRUE(folders);
    EXPECT_EQ(folders->size(), 25U);
    for (const auto& folder : *folders) {
        const Report report = replay_folder(folder);
        EXPECT_EQ(report.failed(), 0U) << report.to_string();
        EXPECT_GT(report.passed(), 0U) << folder;
    }
}

/// `hex` with one digit of one byte changed.
std::string damaged(std::string hex, Random& random) {
    char& digit = hex[random.below(hex.size())];
    digit = digit == '0' ? '1' : '0';
    return hex;
}

class Bites : public testing::TestWithParam<const char*> {};

// Each hex field of each event in turn gets one wrong digit; each time the replay must notice.
TEST_P(Bites, OnOneWrongDigitInAnyField) {
    constexpr std::uint64_t seed = 1;
    SeededRandom random(seed);
    const json good = load(GetParam());
    ASSERT_EQ(replay(good).failed(), 0U);
    std::size_t fields = 0;
    for (std::size_t i = 0; i < good["events"].size(); ++i) {
        for (const auto& [field, value] : good["events"][i].items()) {
            if (!value.is_string() || value.get<std::string>().empty() || field == "event" ||
                field == "kind" || field == "verified") {
                continue;
            }
            json bad = good;
            bad["events"][i][field] = damaged(value, random);
            EXPECT_GT(replay(bad).failed(), 0U)
                << "event " << i << " " << good["events"][i]["event"] << " " << field << ", seed "
                << seed;
            ++fields;
        }
    }
    EXPECT_GT(fields, 40U);
}

TEST_P(Bites, OnEveryWrongNumberAndFlag) {
    const json good = load(GetParam());
    for (std::size_t i = 0; i < good["events"].size(); ++i) {
        for (const auto& [field, value] : good["events"][i].items()) {
            json bad = good;
            if (value.is_boolean()) {
                bad["events"][i][field] = !value.get<bool>();
            } else if (value.is_number()) {
                bad["events"][i][field] = value.get<unsigned>() + 1;
            } else {
                continue;
            }
            EXPECT_GT(replay(bad).failed(), 0U)
                << "event " << i << " " << good["events"][i]["event"] << " " << field;
        }
    }
}

// Captures in which both sides' AUTH covers every byte of IKE_SA_INIT.
INSTANTIATE_TEST_SUITE_P(Replay, Bites,
                         testing::Values("classic-modp2048-aes256cbc-sha256-psk",
                                         "classic-chacha20poly1305-psk", "cert-ed25519",
                                         "pq-x25519-mlkem768-psk-frag576", "ppk-rfc8784",
                                         "rekey-classic-x25519-pfs", "pq-rekey-child-and-ike"),
                         [](const auto& test) {
                             std::string label = test.param;
                             std::replace(label.begin(), label.end(), '-', '_');
                             return label;
                         });

TEST(Replay, WhatIsNotCheckedIsNotPassed) {
    const Report natt = replay(load("natt-x25519-psk"));
    EXPECT_EQ(natt.skipped(), 2U) << natt.to_string();
    const Report unknown = replay(json{{"events", {{{"event", "surprise"}}}}});
    EXPECT_EQ(unknown.passed(), 0U);
    EXPECT_EQ(unknown.skipped(), 1U);
}

TEST(Replay, SignaturesAreVerified) {
    for (const char* capture : {"cert-ecdsa-p256", "cert-ed25519", "cert-rsa3072-pkcs1-rfc7296",
                                "cert-rsa3072-pss-frag1280"}) {
        const Report report = replay(load(capture));
        EXPECT_NE(report.to_string().find("signatures 2"), std::string::npos) << report.to_string();
        EXPECT_EQ(report.skipped(), 0U) << report.to_string();
    }
}

TEST(Replay, TextThatIsNoVectorFails) {
    EXPECT_EQ(replay_vector("test", "").failed(), 1U);
    EXPECT_EQ(replay_vector("test", "[]").failed(), 1U);
    EXPECT_EQ(replay_vector("test", R"({"events": []})").failed(), 1U);
    EXPECT_GT(replay_vector("test", R"({"events": [{"event": "ike"}]})").failed(), 0U);
    EXPECT_EQ(replay_folder("/nonexistent").failed(), 1U);
    EXPECT_FALSE(find_captures("/nonexistent"));
}

}  // namespace
}  // namespace anyswan::replay
