// SPDX-License-Identifier: Apache-2.0
// `anyswan edge` and `anyswan peer`: the long-running commands.
#pragma once

#include <string>

namespace anyswan::cli {

int run_edge(const std::string& config_path);
int run_peer(const std::string& config_path);

}  // namespace anyswan::cli
