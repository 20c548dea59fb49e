// SPDX-License-Identifier: Apache-2.0
// The kernel's replay window, moved by what other edges have received (N3). Pure.
#pragma once

#include "core/esp/replay_window.h"
#include "dataplane/xfrm/messages.h"

namespace anyswan::dataplane::xfrm {

/// `replay` with its window moved up to the mark, and all up to `mark.settled` taken for received.
/// The same if the window has size 0 or the mark says nothing new.
[[nodiscard]] Replay lifted(const Replay& replay, const esp::FleetMark& mark);

}  // namespace anyswan::dataplane::xfrm
