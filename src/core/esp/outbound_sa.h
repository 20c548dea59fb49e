// SPDX-License-Identifier: Apache-2.0
// The sending half of a Child SA: from inner packets to ESP packets (RFC 4303 3.3).
#pragma once

#include <span>

#include "base/random.h"
#include "core/esp/iv.h"
#include "core/esp/selectors.h"
#include "core/esp/sequence.h"
#include "core/esp/transform.h"
#include "core/sa/records.h"

namespace anyswan::esp {

class OutboundSa {
public:
    static Result<OutboundSa> make(const sa::ChildSaRecord& record);

    /// Whether the SA's selectors cover an inner packet.
    [[nodiscard]] bool covers(const wire::ip::IpView& packet) const {
        return selectors_match(local_ts_, remote_ts_, packet);
    }
    /// Seals packets in place, in order, until numbers run out; returns how many were sealed.
    std::size_t seal(std::span<Packet> packets, IvAllocator& ivs, Random& random);

    [[nodiscard]] SequenceAllocator& sequence() { return sequence_; }
    [[nodiscard]] const SequenceAllocator& sequence() const { return sequence_; }

private:
    OutboundSa(const sa::ChildSaRecord& record, Transform transform);
    void write_iv(MutableBytes iv, IvAllocator& ivs, Random& random) const;

    Transform transform_;
    SequenceAllocator sequence_;
    std::vector<TrafficSelector> local_ts_;
    std::vector<TrafficSelector> remote_ts_;
};

/// Which rule an SA's numbers follow: grants, unless the peer doesn't check replay.
[[nodiscard]] SequenceAllocator::Rule sequence_rule(const sa::ChildSaRecord& record);

}  // namespace anyswan::esp
