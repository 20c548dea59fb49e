// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/waiting_packets.h"

#include "dataplane/forward/limits.h"

namespace anyswan::dataplane::xfrm {

bool WaitingPackets::add(std::uint32_t tunnel, ByteView packet, Instant now) {
    std::deque<Waiting>& queue = queues_[tunnel];
    if (queue.size() >= waiting_packets_per_sa_max || size_ >= waiting_packets_max) {
        count_drop(drops_, esp::DropReason::sequence_queue_full);
        return false;
    }
    queue.push_back({to_bytes(packet), now});
    ++size_;
    return true;
}

std::vector<Bytes> WaitingPackets::take(std::uint32_t tunnel) {
    std::vector<Bytes> packets;
    const auto found = queues_.find(tunnel);
    if (found != queues_.end()) {
        for (Waiting& waiting : found->second) {
            packets.push_back(std::move(waiting.packet));
        }
        size_ -= packets.size();
        queues_.erase(found);
    }
    return packets;
}

std::vector<std::uint32_t> WaitingPackets::tick(Instant now) {
    std::vector<std::uint32_t> left;
    for (auto at = queues_.begin(); at != queues_.end();) {
        std::deque<Waiting>& queue = at->second;
        while (!queue.empty() && now - queue.front().since >= waiting_max) {
            count_drop(drops_, esp::DropReason::sequence_timeout);
            queue.pop_front();
            --size_;
        }
        if (!queue.empty()) {
            left.push_back(at->first);
        }
        at = queue.empty() ? queues_.erase(at) : std::next(at);
    }
    return left;
}

}  // namespace anyswan::dataplane::xfrm
