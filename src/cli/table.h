// SPDX-License-Identifier: Apache-2.0
// Tables for people: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace anyswan::cli {

/// The first row is the heading.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace anyswan::cli
