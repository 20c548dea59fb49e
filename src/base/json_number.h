// SPDX-License-Identifier: Apache-2.0
/// Whole numbers out of JSON and CBOR that others wrote.
#pragma once

#include <cstdint>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>

namespace anyswan {

/// Thrown by json_number().
class WrongNumber final : public std::exception {
public:
    const char* what() const noexcept override { return "not a whole number that fits here"; }
};

/// A whole number. The library's get() would cast whatever number it finds: -1 to 65535, and what
/// it makes of 1e58 is undefined. Throws WrongNumber.
template <class T>
T json_number(const nlohmann::json& json) {
    using Limits = std::numeric_limits<T>;
    if (json.is_number_unsigned()) {
        const auto value = json.get<std::uint64_t>();
        if (value <= static_cast<std::uint64_t>(Limits::max())) {
            return static_cast<T>(value);
        }
    } else if (json.is_number_integer()) {
        // Read from text or CBOR, what isn't below zero counts as unsigned.
        const auto value = json.get<std::int64_t>();
        if (value >= 0
                ? static_cast<std::uint64_t>(value) <= static_cast<std::uint64_t>(Limits::max())
                : Limits::is_signed && value >= static_cast<std::int64_t>(Limits::min())) {
            return static_cast<T>(value);
        }
    }
    throw WrongNumber();
}

}  // namespace anyswan
