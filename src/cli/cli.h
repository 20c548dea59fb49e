// SPDX-License-Identifier: Apache-2.0
// The command line: one binary, its commands, their help. Commands about a running daemon speak to
// its API.
#pragma once

namespace anyswan::cli {

/// Runs one command. 0: done; 1: it failed, the reason is on stderr; 2: the words were wrong.
int run(int argc, char** argv);

}  // namespace anyswan::cli
