// SPDX-License-Identifier: Apache-2.0
// ESP packets whose SA isn't here yet. On a fleet the peer's first packet may outrun the SA's
// record; dropping it would cost the customer a retransmission at every rekey. So a bounded number
// waits for a bounded time, while the edge is asked once who knows the SPI.
#pragma once

#include <unordered_map>
#include <vector>

#include "core/esp/drop_reason.h"
#include "core/esp/packet.h"
#include "dataplane/driver.h"

namespace anyswan::dataplane {

class HeldPackets {
public:
    explicit HeldPackets(esp::DropCounts& drops) : drops_(drops) {}

    /// Copies the packet; appends UnknownSpi to `events` when it is time to ask.
    void hold(EspSpi spi, const esp::OuterPacket& packet, Instant now, std::vector<Event>& events);
    /// The SA arrived: its packets, in order of arrival.
    [[nodiscard]] std::vector<esp::OuterPacket> release(EspSpi spi);
    /// Nobody knows the SPI: drops what is held, and holds nothing until the next interval.
    void deny(EspSpi spi, Instant now);
    /// Drops what waited too long.
    void tick(Instant now);

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Held {
        esp::OuterPacket packet;
        Instant since;
    };
    struct Entry {
        std::vector<Held> packets;  // oldest first
        Instant asked;
        bool denied = false;
    };

    void drop_expired(Entry& entry, Instant now);

    esp::DropCounts& drops_;
    std::unordered_map<EspSpi, Entry> entries_;
    std::size_t size_ = 0;
};

}  // namespace anyswan::dataplane
