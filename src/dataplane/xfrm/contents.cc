// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/contents.h"

#include <algorithm>

namespace anyswan::dataplane::xfrm {

namespace {

std::optional<Algorithm> clone(const std::optional<Algorithm>& one) {
    return one ? std::optional(Algorithm{one->name, one->key.clone(), one->icv_bits})
               : std::nullopt;
}

/// What an update of a live state can change.
bool needs_update(const State& present, const State& wanted) {
    return present.limits.soft_packets != wanted.limits.soft_packets ||
           present.limits.hard_packets != wanted.limits.hard_packets ||
           present.limits.soft_bytes != wanted.limits.soft_bytes ||
           present.limits.hard_bytes != wanted.limits.hard_bytes ||
           present.encapsulation != wanted.encapsulation || present.set_mark != wanted.set_mark;
}

RemoveState removal_of(const State& state) {
    return {state.id, state.source, state.mark};
}

void diff_states(const Contents& present, const Contents& wanted, Steps& steps) {
    for (const auto& [id, state] : wanted.states) {
        const auto found = present.states.find(id);
        if (found == present.states.end()) {
            steps.add.push_back(&state);
        } else if (!same_instance(found->second, state)) {
            steps.replace.push_back(removal_of(found->second));
            steps.add.push_back(&state);
        } else if (needs_update(found->second, state)) {
            steps.update.push_back(&state);
        }
    }
    for (const auto& [id, state] : present.states) {
        if (!wanted.states.contains(id)) {
            steps.remove_states.push_back(removal_of(state));
        }
    }
}

void diff_policies(const Contents& present, const Contents& wanted, Steps& steps) {
    for (const auto& [id, policy] : wanted.policies) {
        const auto found = present.policies.find(id);
        if (found == present.policies.end() || !(found->second == policy)) {
            steps.policies.push_back(&policy);
        }
    }
    // A packet that was let out may be answered at once.
    std::stable_partition(steps.policies.begin(), steps.policies.end(), [](const Policy* policy) {
        return policy->id.direction != Direction::out;
    });
    for (const auto& [id, policy] : present.policies) {
        if (!wanted.policies.contains(id)) {
            steps.remove_policies.push_back(id);
        }
    }
}

}  // namespace

bool same_instance(const State& a, const State& b) {
    return a.algorithms == b.algorithms && a.esn == b.esn && a.reqid == b.reqid &&
           a.if_id == b.if_id && a.mark == b.mark && a.header == b.header &&
           a.replay.window == b.replay.window &&
           a.encapsulation.has_value() == b.encapsulation.has_value();
}

Algorithms clone(const Algorithms& algorithms) {
    return {clone(algorithms.aead), clone(algorithms.cipher), clone(algorithms.integrity)};
}

State clone(const State& state) {
    State copy;
    copy.id = state.id;
    copy.source = state.source;
    copy.reqid = state.reqid;
    copy.if_id = state.if_id;
    copy.algorithms = clone(state.algorithms);
    copy.esn = state.esn;
    copy.replay = state.replay;
    copy.encapsulation = state.encapsulation;
    copy.limits = state.limits;
    copy.mark = state.mark;
    copy.set_mark = state.set_mark;
    copy.header = state.header;
    copy.reports = state.reports;
    copy.mapping_interval_s = state.mapping_interval_s;
    copy.bytes = state.bytes;
    copy.packets = state.packets;
    return copy;
}

Steps diff(const Contents& present, const Contents& wanted) {
    Steps steps;
    diff_states(present, wanted, steps);
    diff_policies(present, wanted, steps);
    return steps;
}

}  // namespace anyswan::dataplane::xfrm
