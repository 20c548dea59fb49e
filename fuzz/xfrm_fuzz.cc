// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message of the kernel's IPsec. What is read as a state or a policy can be written
// again, and is the same then.
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>

#include "base/check.h"
#include "dataplane/xfrm/messages.h"
#include "targets.h"

namespace {

using namespace anyswan;
using namespace anyswan::dataplane::xfrm;

/// A window as large as one that we would ask for, and with the bitmap that belongs to it.
bool writable(const State& state) {
    constexpr std::uint32_t window_max = 4096;
    return state.replay.window <= window_max &&
           state.replay.bitmap.size() == (state.replay.window + 31) / 32;
}

void write_again(State& state) {
    if (!writable(state)) {
        return;
    }
    const auto again = decode(encode_add(state).reveal());
    check(again.has_value(), "a state that was read, written");
    state.bytes = state.packets = 0;  // of dumps alone
    // A mask of nothing is as good as none.
    for (Mark* mark : {&state.mark, &state.set_mark}) {
        *mark = mark->mask == 0 ? Mark{} : *mark;
    }
    check(std::get<State>(*again) == state, "a state that was written, read");
}

void write_again(Policy& policy) {
    // A request to replace one reads like the kernel's own words but for its type.
    Bytes request = to_bytes(encode_put(policy).reveal());
    const std::uint16_t type = XFRM_MSG_NEWPOLICY;
    std::memcpy(request.data() + offsetof(nlmsghdr, nlmsg_type), &type, sizeof type);
    const auto again = decode(request);
    check(again.has_value(), "a policy that was read, written");
    policy.id.mark = policy.id.mark.mask == 0 ? Mark{} : policy.id.mark;
    policy.required = policy.allow ? policy.required : Template{};
    check(std::get<Policy>(*again) == policy, "a policy that was written, read");
    // Other programs' policies may have bits behind a prefix's length, or none of its family's.
    for (const IpPrefix& prefix : {policy.id.selector.source, policy.id.selector.destination}) {
        (void)prefix.contains(prefix.last());
        (void)prefix.to_string();
    }
}

}  // namespace

int anyswan::fuzz::fuzz_xfrm(const std::uint8_t* data, std::size_t size) {
    auto decoded = decode(ByteView(data, size));
    if (!decoded) {
        return 0;
    }
    if (auto* state = std::get_if<State>(&*decoded)) {
        write_again(*state);
    } else if (auto* policy = std::get_if<Policy>(&*decoded)) {
        write_again(*policy);
    }
    return 0;
}
