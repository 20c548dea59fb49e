// SPDX-License-Identifier: Apache-2.0
// Assertions for our own bugs. They stay on in release builds: a crash of one edge is a liveness
// problem that the fleet survives; continuing with broken state is a safety problem that it
// doesn't. Misbehaviour of peers is never checked with these (see drop reasons), nor is environment
// trouble (see Result).
#pragma once

namespace anyswan {

/// Where a check stands: std::source_location in a form that Clang 14 has too.
struct CodeLocation {
    const char* file;
    unsigned line;
    const char* function;
    static constexpr CodeLocation current(const char* file = __builtin_FILE(),
                                          unsigned line = __builtin_LINE(),
                                          const char* function = __builtin_FUNCTION()) {
        return {file, line, function};
    }
};

[[noreturn]] void check_failed(const char* what, const CodeLocation& where);

/// Aborts the process, naming file and line, unless `condition` holds.
inline void check(bool condition, const char* what = "check failed",
                  const CodeLocation& where = CodeLocation::current()) {
    if (!condition) [[unlikely]] {
        check_failed(what, where);
    }
}

}  // namespace anyswan
