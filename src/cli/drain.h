// SPDX-License-Identifier: Apache-2.0
// `anyswan drain` and `anyswan health`.
#pragma once

#include "cli/commands.h"

namespace anyswan::cli {

struct DrainOptions {
    bool wait = false;
    bool cancel = false;
    int timeout_s = 60;
};
int drain(const Common& common, const DrainOptions& options);
int health(const Common& common);

}  // namespace anyswan::cli
