// SPDX-License-Identifier: Apache-2.0
// Anti-replay for one inbound SA (invariant N3): which sequence numbers were received, in a ring of
// 64-bit words as in RFC 6479, and the high half of extended sequence numbers, which doesn't travel
// (RFC 4303 appendix A2).
//
// Order of use: infer the full number, check() it before the packet is authenticated (a cheap no),
// commit() after: "the receive window MUST NOT be updated if the ICV check fails".
#pragma once

#include <vector>

#include "base/strong.h"

namespace anyswan::esp {

/// What is known of the numbers that other edges received on an SA.
struct FleetMark {
    SequenceNumber highest;  // authenticated somewhere
    SequenceNumber
        settled;  // authenticated so long ago that what is below is not under way any more
    bool operator==(const FleetMark&) const = default;
};

class ReplayWindow {
public:
    enum class Verdict : std::uint8_t { fresh, too_old, seen };

    /// `size` in packets; 0 switches the check off (numbers are still followed).
    explicit ReplayWindow(std::uint16_t size);

    [[nodiscard]] Verdict check(SequenceNumber number) const;
    /// Checks again and, if fresh, marks as received. Only for authentic packets.
    Verdict commit(SequenceNumber number);
    /// The window moves up to `mark.highest`, as if that had come here: what lies within the window
    /// is accepted still, since it may be on its way to us. Nothing up to `mark.settled` is.
    void lift(const FleetMark& mark);
    /// The highest number that was committed or marked; 0 before the first.
    [[nodiscard]] SequenceNumber highest() const { return SequenceNumber(top_); }
    /// RFC 4303 A2.2: the full number of a packet that carries `low`.
    [[nodiscard]] SequenceNumber infer_extended(std::uint32_t low) const;

private:
    void advance_to(std::uint64_t number);
    [[nodiscard]] std::uint64_t& word_of(std::uint64_t number);
    [[nodiscard]] std::uint64_t word_of(std::uint64_t number) const;

    std::uint64_t size_;
    std::uint64_t top_ = 0;
    std::uint64_t floor_ = 0;  // numbers up to this are refused
    std::vector<std::uint64_t> words_;
};

}  // namespace anyswan::esp
