// SPDX-License-Identifier: Apache-2.0
// Inner packets of tunnels that may not send now: a bounded number, for a bounded time. They go
// back to the network stack, which routes them again.
#pragma once

#include <deque>
#include <unordered_map>

#include "base/bytes.h"
#include "base/time.h"
#include "core/esp/drop_reason.h"
#include "core/esp/packet.h"

namespace anyswan::dataplane::xfrm {

class WaitingPackets {
public:
    explicit WaitingPackets(esp::DropCounts& drops) : drops_(drops) {}
    /// Copies the packet. False: too many wait, it was dropped.
    bool add(std::uint32_t tunnel, ByteView packet, Instant now);
    /// All that wait for the tunnel, oldest first.
    [[nodiscard]] std::vector<Bytes> take(std::uint32_t tunnel);
    [[nodiscard]] bool waits(std::uint32_t tunnel) const { return queues_.contains(tunnel); }
    /// Drops what waited too long; returns the tunnels that have packets waiting.
    [[nodiscard]] std::vector<std::uint32_t> tick(Instant now);

private:
    struct Waiting {
        Bytes packet;
        Instant since;
    };
    esp::DropCounts& drops_;
    std::unordered_map<std::uint32_t, std::deque<Waiting>> queues_;
    std::size_t size_ = 0;
};

}  // namespace anyswan::dataplane::xfrm
