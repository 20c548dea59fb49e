// SPDX-License-Identifier: Apache-2.0
// Test support: states and policies in memory behind the driver's channel, with the kernel's
// answers and with faults as a test orders them.
#pragma once

#include <functional>
#include <map>

#include "dataplane/xfrm/kernel.h"

namespace anyswan::dataplane::xfrm::testing {

struct Fault {
    std::uint16_t type = 0;  // of the message, as XFRM_MSG_NEWSA
    int error = 0;
    int times = 1;
    bool done = false;            // done all the same: the answer got lost
    std::optional<EspSpi> spi{};  // of the state; else any
    std::string why{};            // the kernel's words
};

/// What the scripted kernel holds; it outlives the channel.
struct Script {
    std::map<StateId, State> states;
    std::map<PolicyId, Policy> policies;
    std::vector<Fault> faults;
    std::vector<std::uint16_t> requests;  // types, in order
    std::vector<Duration> pauses;

    [[nodiscard]] std::size_t count(std::uint16_t type) const;
};

[[nodiscard]] std::unique_ptr<Channel> make_channel(Script& script);

}  // namespace anyswan::dataplane::xfrm::testing
