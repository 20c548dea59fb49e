// SPDX-License-Identifier: Apache-2.0
#include "replay/event.h"

#include <nlohmann/json.hpp>

namespace anyswan::replay {

namespace {

template <class T>
T value_or(const nlohmann::json& json, const char* field, T fallback, bool right_type) {
    return right_type ? json.at(field).get<T>() : fallback;
}

const nlohmann::json& find(const nlohmann::json& json, const char* field) {
    static const nlohmann::json none;
    const auto found = json.find(field);
    return found == json.end() ? none : *found;
}

}  // namespace

bool Event::has(const char* field) const {
    return !find(*json_, field).is_null();
}

std::string Event::text(const char* field) const {
    return value_or<std::string>(*json_, field, {}, find(*json_, field).is_string());
}

Bytes Event::hex(const char* field) const {
    return from_hex(text(field)).value_or(Bytes());
}

std::uint64_t Event::hex_number(const char* field) const {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : hex(field)) {
        value = value << 8U | byte;
    }
    return value;
}

std::uint64_t Event::number(const char* field) const {
    return value_or<std::uint64_t>(*json_, field, UINT64_MAX,
                                   find(*json_, field).is_number_unsigned());
}

bool Event::flag(const char* field) const {
    return value_or<bool>(*json_, field, false, find(*json_, field).is_boolean());
}

std::vector<std::string> Event::texts(const char* field) const {
    std::vector<std::string> all;
    for (const nlohmann::json& item : find(*json_, field)) {
        all.push_back(item.is_string() ? item.get<std::string>() : std::string());
    }
    return all;
}

}  // namespace anyswan::replay
