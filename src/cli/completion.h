// SPDX-License-Identifier: Apache-2.0
// Shell completion, made from the command tree itself so that it can't fall behind.
#pragma once

namespace CLI {
class App;
}

namespace anyswan::cli {

int print_bash_completion(const CLI::App& app);

}  // namespace anyswan::cli
