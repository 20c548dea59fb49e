// SPDX-License-Identifier: Apache-2.0
// Assertions for our own bugs. They stay on in release builds: a crash of one edge is a liveness
// problem that the fleet survives; continuing with broken state is a safety problem that it
// doesn't. Misbehaviour of peers is never checked with these (see drop reasons), nor is environment
// trouble (see Result).
#pragma once

#include <source_location>

namespace anyswan {

[[noreturn]] void check_failed(const char* what, const std::source_location& where);

/// Aborts the process, naming file and line, unless `condition` holds.
inline void check(bool condition, const char* what = "check failed",
                  const std::source_location& where = std::source_location::current()) {
    if (!condition) [[unlikely]] {
        check_failed(what, where);
    }
}

}  // namespace anyswan
