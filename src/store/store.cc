// SPDX-License-Identifier: Apache-2.0
// The naming rules that all stores share: see store.h.
#include "store/store.h"

#include <algorithm>

namespace anyswan::store {
namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// One or more non-empty tokens of allowed characters, joined by `separator`.
template <class Allowed>
bool is_token_list(std::string_view text, char separator, Allowed allowed) {
    char previous = separator;
    for (const char c : text) {
        if (c == separator ? previous == separator : !allowed(c)) {
            return false;
        }
        previous = c;
    }
    return previous != separator;
}

}  // namespace

const char* name(LinkState state) {
    switch (state) {
        case LinkState::connecting:
            return "connecting";
        case LinkState::connected:
            return "connected";
        case LinkState::disconnected:
            return "disconnected";
        case LinkState::closed:
            return "closed";
    }
    return "?";
}

bool valid_key(std::string_view key) {
    return key.size() <= key_bytes_max && is_token_list(key, '/', [](char c) {
               return is_alnum(c) || c == '_' || c == '=' || c == '-';
           });
}

std::optional<StoreError> refuse_read(std::string_view key) {
    if (valid_key(key)) {
        return std::nullopt;
    }
    return StoreError{Failure::refused, "\"" + std::string(key) +
                                            "\": a key is tokens of [A-Za-z0-9_=-] joined by '/', "
                                            "at most 200 bytes"};
}

std::optional<StoreError> refuse_list(std::string_view prefix) {
    if (prefix.ends_with('/')) {
        prefix.remove_suffix(1);
    } else if (prefix.empty()) {
        return std::nullopt;
    }
    return refuse_read(prefix);
}

std::optional<StoreError> refuse_write(std::string_view key, const std::optional<ByteView>& value) {
    if (auto refusal = refuse_read(key)) {
        return refusal;
    }
    if (value && (value->empty() || value->size() > value_bytes_max)) {
        return StoreError{Failure::refused, "write " + std::string(key) + ": a value has 1 to " +
                                                std::to_string(value_bytes_max) + " bytes, not " +
                                                std::to_string(value->size())};
    }
    return std::nullopt;
}

bool valid_subject(std::string_view subject) {
    return subject.size() <= key_bytes_max && is_token_list(subject, '.', [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

bool valid_pattern(std::string_view pattern) {
    return valid_subject(pattern.ends_with(".*") ? pattern.substr(0, pattern.size() - 2) : pattern);
}

bool matches(std::string_view pattern, std::string_view subject) {
    if (!pattern.ends_with(".*")) {
        return pattern == subject;
    }
    pattern.remove_suffix(1);
    return subject.size() > pattern.size() && subject.starts_with(pattern) &&
           subject.find('.', pattern.size()) == std::string_view::npos;
}

}  // namespace anyswan::store
