// SPDX-License-Identifier: Apache-2.0
// Replays captured IKEv2 and ESP exchanges (tests/data/captures) through our own codec, key
// schedule and ciphers. What strongSwan sent must open, mean what the capture says, and be made
// again to the same bytes.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "replay/report.h"

namespace anyswan::replay {

/// Replays the text of one vector.json. Text that is none gives a report with one failure.
[[nodiscard]] Report replay_vector(std::string capture, std::string_view json);

/// The capture folders under `root`, sorted: itself if it holds a vector.json, else its children
/// that do.
[[nodiscard]] Result<std::vector<std::filesystem::path>> find_captures(
    const std::filesystem::path& root);

/// Replays one capture folder.
[[nodiscard]] Report replay_folder(const std::filesystem::path& folder);

}  // namespace anyswan::replay
