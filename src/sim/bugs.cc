// SPDX-License-Identifier: Apache-2.0
#include "sim/bugs.h"

namespace anyswan::sim {

const std::vector<BugInfo>& all_bugs() {
    static const std::vector<BugInfo> bugs{
        {"one-incarnation", "N1", "all dataplanes start with the same incarnation",
         &Bugs::one_incarnation},
        {"leases-for-all", "N2", "the store lets everybody win a SequenceLease",
         &Bugs::leases_for_all},
        {"windows-forgotten", "N3", "dataplanes forget their replay windows now and then",
         &Bugs::windows_forgotten},
        {"marks-forgotten", "N3", "the bus carries no replay marks", &Bugs::marks_forgotten},
        {"claims-for-all", "N4", "the store lets everybody win an IKE SA's claim",
         &Bugs::claims_for_all},
        {"drain-drops-queue", "N4",
         "a draining edge's IKE SAs are taken over without their last exchange",
         &Bugs::drain_drops_queue},
        {"drain-never-ends", "liveness", "nobody hears what a draining edge gives away",
         &Bugs::drain_never_ends},
        {"early-answers", "N5", "a Child SA's record counts as written before it is",
         &Bugs::early_answers},
        {"tombstones-forgotten", "N6", "the store forgets tombstones", &Bugs::tombstones_forgotten},
        {"keys-told", "N7", "edges tell a key of theirs on the bus", &Bugs::keys_told},
    };
    return bugs;
}

std::optional<Bugs> bug_named(std::string_view name) {
    for (const BugInfo& bug : all_bugs()) {
        if (bug.name == name) {
            Bugs bugs;
            bugs.*bug.flag = true;
            return bugs;
        }
    }
    return std::nullopt;
}

}  // namespace anyswan::sim
