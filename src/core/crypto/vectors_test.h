// SPDX-License-Identifier: Apache-2.0
// Test support: vector files of tests/data, hex out of JSON, and randomness that is not random.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/random.h"

#ifndef ANYSWAN_TEST_DATA
#define ANYSWAN_TEST_DATA "tests/data"  // the build says where that is
#endif

namespace anyswan::vectors {

/// Parses tests/data/`path`. A missing or broken file fails the test and gives null.
inline nlohmann::json load(const std::string& path) {
    std::ifstream file(std::string(ANYSWAN_TEST_DATA) + "/" + path);
    nlohmann::json parsed = nlohmann::json::parse(file, nullptr, false);
    if (parsed.is_discarded()) {
        ADD_FAILURE() << "can't read tests/data/" << path;
        return {};
    }
    return parsed;
}

/// The field's hex as bytes; a missing field or bad hex fails the test.
inline Bytes hex_field(const nlohmann::json& object, const char* field) {
    const std::optional<Bytes> bytes = from_hex(object.value(field, "no such field"));
    EXPECT_TRUE(bytes.has_value()) << field;
    return bytes.value_or(Bytes{});
}

/// Hands out the given bytes in order; asking for more fails the test.
class FixedRandom final : public Random {
public:
    explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
    void fill(MutableBytes out) override {
        if (out.size() > bytes_.size() - used_) {
            ADD_FAILURE() << "more randomness drawn than the test gave";
            return;
        }
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(used_), out.size(), out.begin());
        used_ += out.size();
    }
    [[nodiscard]] bool spent() const { return used_ == bytes_.size(); }

private:
    Bytes bytes_;
    std::size_t used_ = 0;
};

}  // namespace anyswan::vectors
