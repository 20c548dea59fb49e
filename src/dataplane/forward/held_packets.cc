// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward/held_packets.h"

#include <algorithm>

#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

using esp::DropReason;

void HeldPackets::hold(EspSpi spi, const esp::OuterPacket& packet, Instant now,
                       std::vector<Event>& events) {
    auto found = entries_.find(spi);
    if (found == entries_.end()) {
        if (entries_.size() >= held_spis_max) {
            count_drop(drops_, DropReason::unknown_spi_full);
            return;
        }
        found = entries_.try_emplace(spi, Entry{{}, now - unknown_spi_interval, false}).first;
    }
    Entry& entry = found->second;
    if (now - entry.asked >= unknown_spi_interval) {
        entry.asked = now;
        entry.denied = false;
        events.emplace_back(UnknownSpi{spi, packet.remote});
    }
    if (entry.denied) {
        count_drop(drops_, DropReason::unknown_spi_denied);
        return;
    }
    if (entry.packets.size() >= held_packets_per_spi_max || size_ >= held_packets_max) {
        count_drop(drops_, DropReason::unknown_spi_full);
        return;
    }
    entry.packets.push_back({{esp::Packet::copy_of(packet.packet.bytes()), packet.local,
                              packet.remote, packet.udp_encapsulation, packet.traffic_class},
                             now});
    ++size_;
}

std::vector<esp::OuterPacket> HeldPackets::release(EspSpi spi) {
    std::vector<esp::OuterPacket> released;
    const auto found = entries_.find(spi);
    if (found == entries_.end()) {
        return released;
    }
    for (Held& held : found->second.packets) {
        released.push_back(std::move(held.packet));
    }
    size_ -= released.size();
    entries_.erase(found);
    return released;
}

void HeldPackets::deny(EspSpi spi, Instant now) {
    const auto found = entries_.find(spi);
    if (found == entries_.end()) {
        return;
    }
    Entry& entry = found->second;
    count_drop(drops_, DropReason::unknown_spi_denied, entry.packets.size());
    size_ -= entry.packets.size();
    entry.packets.clear();
    entry.denied = true;
    entry.asked = now;
}

void HeldPackets::drop_expired(Entry& entry, Instant now) {
    const auto alive = std::ranges::find_if(
        entry.packets, [&](const Held& held) { return now - held.since < held_max; });
    const auto expired = static_cast<std::size_t>(alive - entry.packets.begin());
    count_drop(drops_, DropReason::unknown_spi_timeout, expired);
    size_ -= expired;
    entry.packets.erase(entry.packets.begin(), alive);
}

void HeldPackets::tick(Instant now) {
    for (auto item = entries_.begin(); item != entries_.end();) {
        Entry& entry = item->second;
        drop_expired(entry, now);
        const bool done = entry.packets.empty() && now - entry.asked >= unknown_spi_interval;
        item = done ? entries_.erase(item) : std::next(item);
    }
}

}  // namespace anyswan::dataplane
