// SPDX-License-Identifier: Apache-2.0
#include "config/toml_reader.h"

#include <charconv>
#include <fstream>
#include <sstream>

namespace anyswan::config {

void Mistakes::add(const toml::source_region& where, const std::string& field,
                   const std::string& what) {
    lines_.push_back(file_ + ":" + std::to_string(where.begin.line) + ": " + field + ": " + what);
}

std::string Mistakes::text() const {
    std::string all;
    for (const std::string& line : lines_) {
        all += (all.empty() ? "" : "\n") + line;
    }
    return all;
}

Result<toml::table> parse_toml(const std::string& text, const std::string& name) try {
    toml::parse_result parsed = toml::parse(text, name);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return fail(name + ":" + std::to_string(error.source().begin.line) +
                    ": not valid TOML: " + std::string(error.description()));
    }
    return std::move(parsed).table();
} catch (const ParserGaveUp&) {
    return fail(name +
                ": not valid TOML; the parser can't say where. Look for a bracket, quote or dot "
                "too many");
}

Result<toml::table> load_toml(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return fail("cannot read " + path +
                    ": no such file or no permission; give the right path, or make it readable");
    }
    std::stringstream text;
    text << file.rdbuf();
    return parse_toml(text.str(), path);
}

std::string TableReader::field(const char* key) const {
    return path_.empty() ? key : path_ + "." + key;
}

const toml::node* TableReader::find(const char* key) {
    asked_.insert(key);
    return table_.get(key);
}

void TableReader::mistake(const char* key, const std::string& what) {
    const toml::node* node = table_.get(key);
    mistakes_.add(node != nullptr ? node->source() : table_.source(), field(key), what);
}

std::string TableReader::text(const char* key, std::optional<std::string> fallback) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        if (!fallback) {
            mistake(key, "is missing; add it");
        }
        return fallback.value_or("");
    }
    if (const auto value = node->value_exact<std::string>()) {
        return *value;
    }
    mistake(key, "is not a text; put it in double quotes");
    return fallback.value_or("");
}

std::int64_t TableReader::number(const char* key, Range range,
                                 std::optional<std::int64_t> fallback) {
    const std::string wanted =
        "write a whole number " + std::to_string(range.low) + ".." + std::to_string(range.high);
    const toml::node* node = find(key);
    if (node == nullptr) {
        if (!fallback) {
            mistake(key, "is missing; " + wanted);
        }
        return fallback.value_or(range.low);
    }
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < range.low || *value > range.high) {
        mistake(key, (value ? std::to_string(*value) + " is out of range"
                            : std::string("is not a whole number")) +
                         "; " + wanted);
        return fallback.value_or(range.low);
    }
    return *value;
}

bool TableReader::flag(const char* key, bool fallback) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return fallback;
    }
    if (const auto value = node->value_exact<bool>()) {
        return *value;
    }
    mistake(key, "is neither true nor false; write one of the two without quotes");
    return fallback;
}

std::vector<std::string> TableReader::texts(const char* key,
                                            std::optional<std::vector<std::string>> fallback) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        if (!fallback) {
            mistake(key, "is missing; write a list of texts: [\"...\", \"...\"]");
        }
        return fallback.value_or(std::vector<std::string>{});
    }
    if (const auto single = node->value_exact<std::string>()) {
        return {*single};
    }
    std::vector<std::string> values;
    if (const toml::array* array = node->as_array()) {
        for (const toml::node& item : *array) {
            if (const auto value = item.value_exact<std::string>()) {
                values.push_back(*value);
            } else {
                mistake(key, "has an item that is not a text; put each in double quotes");
            }
        }
        return values;
    }
    mistake(key, "is not a list of texts; write [\"...\", \"...\"]");
    return values;
}

std::uint32_t TableReader::duration_s(const char* key, Range range, std::uint32_t fallback) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return fallback;
    }
    std::int64_t seconds = -1;
    if (const auto value = node->value_exact<std::int64_t>()) {
        seconds = *value;
    } else if (const auto words = node->value_exact<std::string>(); words && !words->empty()) {
        std::int64_t count = 0;
        const char* end = words->data() + words->size();
        const auto [unit, error] = std::from_chars(words->data(), end, count);
        if (error == std::errc{} && count >= 0 && count < 1'000'000'000 && unit + 1 == end) {
            const std::int64_t scale = *unit == 's'   ? 1
                                       : *unit == 'm' ? 60
                                       : *unit == 'h' ? 3600
                                       : *unit == 'd' ? 86400
                                                      : -1;
            seconds = scale < 0 ? -1 : count * scale;
        }
    }
    if (seconds < range.low || seconds > range.high) {
        mistake(key, "is not a time from " + std::to_string(range.low) + " to " +
                         std::to_string(range.high) +
                         " seconds; write a number of seconds or \"90s\", \"5m\", \"8h\", \"1d\"");
        return fallback;
    }
    return static_cast<std::uint32_t>(seconds);
}

std::optional<TableReader> TableReader::table(const char* key) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    if (const toml::table* inner = node->as_table()) {
        return TableReader(*inner, field(key), mistakes_);
    }
    mistake(key, std::string("is not a table; begin it with [") + field(key) + "]");
    return std::nullopt;
}

std::vector<TableReader> TableReader::tables(const char* key) {
    std::vector<TableReader> readers;
    const toml::node* node = find(key);
    if (node == nullptr) {
        return readers;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
        mistake(key,
                std::string("is not a list of tables; begin each with [[") + field(key) + "]]");
        return readers;
    }
    for (std::size_t i = 0; i < array->size(); ++i) {
        if (const toml::table* inner = (*array)[i].as_table()) {
            readers.emplace_back(*inner, field(key) + "[" + std::to_string(i + 1) + "]", mistakes_);
        } else {
            mistake(key, std::string("has an item that is no table; begin each with [[") +
                             field(key) + "]]");
        }
    }
    return readers;
}

namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
            diagonal = row[j];
            row[j] = std::min({substitute, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

void TableReader::refuse_unknown() {
    for (const auto& [key, node] : table_) {
        const std::string name(key.str());
        if (asked_.contains(name)) {
            continue;
        }
        const auto nearest =
            std::min_element(asked_.begin(), asked_.end(), [&](const auto& a, const auto& b) {
                return edit_distance(name, a) < edit_distance(name, b);
            });
        const bool close = nearest != asked_.end() && edit_distance(name, *nearest) <= 3;
        mistakes_.add(node.source(), field(name.c_str()),
                      "is not an option here" + (close ? "; did you mean \"" + *nearest + "\"?"
                                                       : std::string("; remove it")));
    }
}

}  // namespace anyswan::config
