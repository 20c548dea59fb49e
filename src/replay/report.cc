// SPDX-License-Identifier: Apache-2.0
#include "replay/report.h"

namespace anyswan::replay {

namespace {

constexpr std::size_t failures_shown = 10;

std::size_t sum(const std::map<std::string, std::size_t>& counts) {
    std::size_t total = 0;
    for (const auto& [what, count] : counts) {
        total += count;
    }
    return total;
}

}  // namespace

bool Report::expect(std::string_view kind, bool holds, std::string_view what) {
    if (holds) {
        ++passed_[std::string(kind)];
    } else {
        failures_.push_back(place_ + ": " + std::string(kind) + ": " + std::string(what));
    }
    return holds;
}

bool Report::require(bool holds, std::string_view what) {
    if (!holds) {
        failures_.push_back(place_ + ": " + std::string(what));
    }
    return holds;
}

std::size_t Report::passed() const {
    return sum(passed_);
}

std::size_t Report::skipped() const {
    return sum(skipped_);
}

std::string Report::to_string() const {
    std::string text = capture_ + (failures_.empty() ? ": ok" : ": FAILED");
    for (const auto& [kind, count] : passed_) {
        text += ", " + kind + " " + std::to_string(count);
    }
    text += "\n";
    for (const auto& [why, count] : skipped_) {
        text += "  not checked: " + why + " (" + std::to_string(count) + ")\n";
    }
    for (std::size_t i = 0; i < failures_.size() && i < failures_shown; ++i) {
        text += "  failed: " + failures_[i] + "\n";
    }
    if (failures_.size() > failures_shown) {
        text += "  failed: " + std::to_string(failures_.size() - failures_shown) + " more\n";
    }
    return text;
}

}  // namespace anyswan::replay
