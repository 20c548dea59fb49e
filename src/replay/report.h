// SPDX-License-Identifier: Apache-2.0
// What the replay of one capture found: each check that held, by kind; each that didn't, with its
// place; and what could not be checked, which never counts as passed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anyswan::replay {

class Report {
public:
    explicit Report(std::string capture) : capture_(std::move(capture)) {}

    /// Where the following checks are made: "event 12 (esp)".
    void at(std::string place) { place_ = std::move(place); }
    /// Counts one check of `kind`; a failure is kept with its place and `what` differs. Returns
    /// `holds`.
    bool expect(std::string_view kind, bool holds, std::string_view what);
    /// A check that others rest on: it never counts as passed itself, but a failure counts.
    bool require(bool holds, std::string_view what);
    /// Counts something that this program has no means to check, and why.
    void skip(std::string_view why) { ++skipped_[std::string(why)]; }

    [[nodiscard]] std::size_t passed() const;
    [[nodiscard]] std::size_t skipped() const;
    [[nodiscard]] std::size_t failed() const { return failures_.size(); }
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
    /// One line of counts, a line for each thing not checked and for each of the first failures.
    [[nodiscard]] std::string to_string() const;

private:
    std::string capture_;
    std::string place_;
    std::map<std::string, std::size_t> passed_;
    std::map<std::string, std::size_t> skipped_;
    std::vector<std::string> failures_;
};

}  // namespace anyswan::replay
