// SPDX-License-Identifier: Apache-2.0
// Reads TOML into values and says, for everything wrong, where it is and how to mend it:
//   edge.toml:12: edge.id: "one" is not a whole number; write 1..65535, unique in the fleet
// All mistakes of a file are collected, so that one run shows them all. Keys that nobody asked for
// are mistakes too: a misspelt option must not be ignored silently.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace anyswan::config {

/// toml++ found that an assumption of its own doesn't hold. Some texts get it there ("[[[", toml++
/// 3.3), and a file or an API request must not end the daemon.
struct ParserGaveUp {};
[[noreturn]] inline void give_up_parsing() {
    throw ParserGaveUp{};
}

}  // namespace anyswan::config

#define TOML_ASSERT(expr) ((expr) ? void() : anyswan::config::give_up_parsing())
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "base/result.h"

namespace anyswan::config {

/// The mistakes of one file, in the order found.
class Mistakes {
public:
    explicit Mistakes(std::string file) : file_(std::move(file)) {}
    void add(const toml::source_region& where, const std::string& field, const std::string& what);
    [[nodiscard]] bool empty() const { return lines_.empty(); }
    /// All of them, a line each.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] const std::string& file() const { return file_; }

private:
    std::string file_;
    std::vector<std::string> lines_;
};

/// Reads and parses a file; a syntax error names its line.
[[nodiscard]] Result<toml::table> load_toml(const std::string& path);
/// The same from text; `name` stands for the file in messages.
[[nodiscard]] Result<toml::table> parse_toml(const std::string& text, const std::string& name);

/// One table of the file. Borrowed: the toml::table and the Mistakes must outlive it.
class TableReader {
public:
    TableReader(const toml::table& table, std::string path, Mistakes& mistakes)
        : table_(table), path_(std::move(path)), mistakes_(mistakes) {}

    /// Required unless a fallback is given. On a mistake the fallback (or an empty value) is
    /// returned.
    std::string text(const char* key, std::optional<std::string> fallback = std::nullopt);
    struct Range {
        std::int64_t low = 0;
        std::int64_t high = 0;
    };
    std::int64_t number(const char* key, Range range,
                        std::optional<std::int64_t> fallback = std::nullopt);
    bool flag(const char* key, bool fallback);
    /// A list of texts, or one text alone.
    std::vector<std::string> texts(const char* key,
                                   std::optional<std::vector<std::string>> fallback = std::nullopt);
    /// "90s", "5m", "8h", "1d" or a number of seconds.
    std::uint32_t duration_s(const char* key, Range range, std::uint32_t fallback);
    /// Each text of a list through `parse`; what it refuses is a mistake that says `expected`.
    template <class T>
    std::vector<T> parsed_list(const char* key, const char* expected,
                               const std::function<std::optional<T>(const std::string&)>& parse,
                               std::optional<std::vector<std::string>> fallback = std::nullopt) {
        std::vector<T> values;
        for (const std::string& item : texts(key, std::move(fallback))) {
            if (auto value = parse(item)) {
                values.push_back(std::move(*value));
            } else {
                mistake(key, "\"" + item + "\" is not " + expected);
            }
        }
        return values;
    }
    template <class T>
    T parsed(const char* key, const char* expected,
             const std::function<std::optional<T>(const std::string&)>& parse,
             std::optional<std::string> fallback = std::nullopt) {
        const std::string item = text(key, std::move(fallback));
        if (auto value = parse(item)) {
            return std::move(*value);
        }
        if (table_.contains(key)) {
            mistake(key, "\"" + item + "\" is not " + expected);
        }
        return T{};
    }

    /// The table under `key`, or nothing.
    std::optional<TableReader> table(const char* key);
    /// Each table of an array of tables ([[key]]).
    std::vector<TableReader> tables(const char* key);
    [[nodiscard]] bool has(const char* key) const { return table_.contains(key); }
    void mistake(const char* key, const std::string& what);
    /// Names every key that was not asked for, with the nearest known one.
    void refuse_unknown();
    [[nodiscard]] const toml::table& raw() const { return table_; }

private:
    const toml::node* find(const char* key);
    [[nodiscard]] std::string field(const char* key) const;

    const toml::table& table_;
    std::string path_;
    Mistakes& mistakes_;
    std::set<std::string> asked_;
};

}  // namespace anyswan::config
