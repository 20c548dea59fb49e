// SPDX-License-Identifier: Apache-2.0
// Deliberate bugs, to show that the oracle bites. They live in the simulated surroundings; no
// production code knows of them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace anyswan::sim {

struct Bugs {
    /// N1: all dataplanes start with the same incarnation.
    bool one_incarnation = false;
    /// N2: the store lets everybody win a SequenceLease.
    bool leases_for_all = false;
    /// N3: dataplanes forget their replay windows now and then.
    bool windows_forgotten = false;
    /// N3: the bus carries no replay marks.
    bool marks_forgotten = false;
    /// N4: the store lets everybody win an IKE SA's claim.
    bool claims_for_all = false;
    /// N4: who takes over what a draining edge gives away gets the claim of one exchange before.
    bool drain_drops_queue = false;
    /// Liveness: nobody hears that a draining edge gives something away.
    bool drain_never_ends = false;
    /// N5: a Child SA's record counts as written before it is.
    bool early_answers = false;
    /// N6: the store forgets tombstones.
    bool tombstones_forgotten = false;
    /// N7: what an edge tells on the bus has a key in it.
    bool keys_told = false;
};

struct BugInfo {
    std::string_view name;
    std::string_view invariant;
    std::string_view what;
    bool Bugs::*flag;
};

[[nodiscard]] const std::vector<BugInfo>& all_bugs();
/// The switch of this name, or nothing.
[[nodiscard]] std::optional<Bugs> bug_named(std::string_view name);

}  // namespace anyswan::sim
