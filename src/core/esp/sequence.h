// SPDX-License-Identifier: Apache-2.0
// Outbound sequence numbers of one SA (invariant N2). In the `pinned` and `per-edge` sender rules
// numbers come from grants that the edge reserved in the store before (GrantSequence in
// dataplane/driver.h); a number outside a grant is never used. Where the peer doesn't check replay
// (`spread`, RFC 9827's unspecified numbers) each edge counts for itself.
#pragma once

#include <optional>

#include "base/strong.h"
#include "core/crypto/suites.h"

namespace anyswan::esp {

class SequenceAllocator {
public:
    enum class Rule : std::uint8_t { granted, free_running };

    SequenceAllocator(crypto::SnId sn, Rule rule);

    /// Numbers first..last may be used. One that follows on the last extends it; a higher `first`
    /// skips; what was used before is never used again. False (and nothing changes): the range is
    /// empty, or beyond what the SA's numbers can express.
    [[nodiscard]] bool grant(SequenceNumber first, SequenceNumber last);
    /// Another edge is the sender now: what is left of the grant is given up.
    void revoke();

    /// The next number, or nothing: none is granted, or the SA is exhausted.
    [[nodiscard]] std::optional<SequenceNumber> take();

    /// How many numbers take() will give without another grant.
    [[nodiscard]] std::uint64_t available() const;
    /// The highest number that take() gave; 0 before the first.
    [[nodiscard]] SequenceNumber used_up_to() const { return SequenceNumber(used_); }
    /// Half of what was granted is used: time to ask for more.
    [[nodiscard]] bool running_low() const;
    /// The last number that the SA has is used. RFC 4303 3.3.3: the number must not cycle.
    [[nodiscard]] bool exhausted() const;

private:
    [[nodiscard]] std::uint64_t number_max() const;

    crypto::SnId sn_;
    Rule rule_;
    std::uint64_t used_ = 0;
    std::uint64_t next_ = 1;
    std::uint64_t last_ = 0;     // of the grant; next_ > last_: nothing is left
    std::uint64_t granted_ = 0;  // how much was left just after the last grant
};

}  // namespace anyswan::esp
