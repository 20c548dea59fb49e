// SPDX-License-Identifier: Apache-2.0
// One event of a capture's vector.json. A field that is missing or of another form reads as empty,
// so that the check that needs it fails by itself.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/bytes.h"

namespace anyswan::replay {

class Event {
public:
    /// Borrows `json`.
    explicit Event(const nlohmann::json& json) : json_(&json) {}

    /// "ike", "derive-child" ...
    [[nodiscard]] std::string kind() const { return text("event"); }
    /// Whether the field is there and not null.
    [[nodiscard]] bool has(const char* field) const;
    [[nodiscard]] std::string text(const char* field) const;
    [[nodiscard]] Bytes hex(const char* field) const;
    /// Up to 8 bytes of hex as a number.
    [[nodiscard]] std::uint64_t hex_number(const char* field) const;
    /// UINT64_MAX if missing: equal to nothing that is compared with it.
    [[nodiscard]] std::uint64_t number(const char* field) const;
    [[nodiscard]] bool flag(const char* field) const;
    [[nodiscard]] std::vector<std::string> texts(const char* field) const;

private:
    const nlohmann::json* json_;
};

}  // namespace anyswan::replay
