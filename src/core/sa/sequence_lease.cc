// SPDX-License-Identifier: Apache-2.0
#include "core/sa/sequence_lease.h"

#include <algorithm>

namespace anyswan::sa {

namespace {

/// The highest number of the SA. 32-bit SAs of either kind end where their field does.
std::uint64_t last_number(crypto::SnId sn) {
    return sn == crypto::SnId::partially_transmitted_64 ? UINT64_MAX : UINT32_MAX;
}

std::uint64_t lease_size(const LeaseRequest& request) {
    const std::uint64_t most = request.sn == crypto::SnId::partially_transmitted_64
                                   ? lease_size_max_64
                                   : lease_size_max_32;
    // Compared before it is multiplied: the rate is a measurement, and may be anything.
    const std::uint64_t rate = std::min(request.rate_per_s, most / lease_seconds);
    return std::clamp(rate * lease_seconds, lease_size_min, most);
}

bool is_same_sender(const SequenceLeaseRecord& claim, const LeaseRequest& request) {
    return claim.sender == request.edge && claim.incarnation == request.incarnation;
}

}  // namespace

const char* name(LeaseRefusal refusal) {
    switch (refusal) {
        case LeaseRefusal::exhausted:
            return "exhausted";
        case LeaseRefusal::claim_lost:
            return "claim_lost";
    }
    return "unknown";
}

Expected<LeaseGrant, LeaseRefusal> next_lease(const std::optional<SequenceLeaseRecord>& current,
                                              const LeaseRequest& request) {
    const SequenceNumber reserved = current ? current->reserved_up_to : SequenceNumber(0);
    if (request.used_up_to > reserved) {
        return Unexpected{LeaseRefusal::claim_lost};
    }
    const std::uint64_t end = last_number(request.sn);
    if (reserved.value() >= end) {
        return Unexpected{LeaseRefusal::exhausted};
    }
    // N2: above everything that anybody may have used. For the sender that extends its own lease
    // that is the number after its last one.
    const std::uint64_t left = end - reserved.value();
    const SequenceNumber last(reserved.value() + std::min(left, lease_size(request)));
    LeaseGrant grant;
    grant.first = reserved.next();
    grant.last = last;
    grant.rekey_soon = end - last.value() < end / 4;
    grant.claim.inbound_spi = request.inbound_spi;
    grant.claim.sender = request.edge;
    grant.claim.incarnation = request.incarnation;
    grant.claim.reserved_up_to = last;
    if (!current) {
        grant.claim.epoch = Epoch(1);
    } else {
        grant.claim.epoch =
            is_same_sender(*current, request) ? current->epoch : current->epoch.next();
    }
    return grant;
}

}  // namespace anyswan::sa
