// SPDX-License-Identifier: Apache-2.0
// What the kernel has of one tunnel, what it should have, and the steps from one to the other.
// Pure: the same function serves a change of one SA and the reconciliation after a restart.
#pragma once

#include <map>

#include "dataplane/xfrm/messages.h"

namespace anyswan::dataplane::xfrm {

/// How we mark what is ours: reqid and if_id of every tunnel lie in this range, no other daemon
/// numbers that high. States, policies and routes outside of it are never touched.
inline constexpr std::uint32_t own_first = 0x40000000;
inline constexpr std::uint32_t own_last = 0x7fffffff;
[[nodiscard]] inline bool is_own(std::uint32_t reqid) {
    return reqid >= own_first && reqid <= own_last;
}
/// The protocol number of our routes (rt_protos has no name for it).
inline constexpr std::uint8_t own_route_protocol = 165;

/// States and policies of one tunnel.
struct Contents {
    std::map<StateId, State> states;
    std::map<PolicyId, Policy> policies;
    [[nodiscard]] bool empty() const { return states.empty() && policies.empty(); }
};

struct RemoveState {
    StateId id;
    IpAddress source;
    Mark mark;
};

/// In the order in which they are to be taken: what is needed comes before what needs it, so that
/// at every moment each packet finds a policy and a state.
struct Steps {
    std::vector<RemoveState> replace;     // states of the same id but another key: removed first
    std::vector<const State*> add;        // borrowed from `wanted`
    std::vector<const State*> update;     // limits, ports, marks
    std::vector<const Policy*> policies;  // inbound ones first
    std::vector<PolicyId> remove_policies;
    std::vector<RemoveState> remove_states;
    [[nodiscard]] bool empty() const {
        return replace.empty() && add.empty() && update.empty() && policies.empty() &&
               remove_policies.empty() && remove_states.empty();
    }
};

[[nodiscard]] Steps diff(const Contents& present, const Contents& wanted);

/// Whether the kernel's state is this SA's: algorithms, keys, window, tunnel. Sequence numbers,
/// limits and addresses may differ.
[[nodiscard]] bool same_instance(const State& a, const State& b);

[[nodiscard]] Algorithms clone(const Algorithms& algorithms);
[[nodiscard]] State clone(const State& state);

}  // namespace anyswan::dataplane::xfrm
