// SPDX-License-Identifier: Apache-2.0
// Runs a program of the operator's and waits for it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace anyswan::net {

struct Command {
    std::vector<std::string> words;  // the program (found by PATH) and its arguments; no shell
    std::vector<std::pair<std::string, std::string>> environment = {};  // added to ours
    Duration timeout = 10s;
};

/// Blocks until it has ended, or is ended because it took too long. What it printed last is part of
/// the error.
[[nodiscard]] Status run_command(const Command& command);

}  // namespace anyswan::net
