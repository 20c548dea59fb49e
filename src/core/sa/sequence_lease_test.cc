// SPDX-License-Identifier: Apache-2.0
#include "core/sa/sequence_lease.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <set>

#include "base/random.h"

namespace anyswan::sa {
namespace {

using crypto::SnId;

LeaseRequest request(std::uint16_t edge, std::uint64_t used = 0, std::uint64_t rate = 0) {
    return {EspSpi(0x1000),      EdgeId(edge),         Incarnation(edge * 10U),
            SnId::sequential_32, SequenceNumber(used), rate};
}

SequenceLeaseRecord claim(std::uint16_t edge, std::uint64_t reserved) {
    return {EspSpi(0x1000), EdgeId(edge), Incarnation(edge * 10U), Epoch(4),
            SequenceNumber(reserved)};
}

TEST(SequenceLease, TheFirstSenderStartsAtOne) {
    const auto grant = next_lease(std::nullopt, request(1));
    ASSERT_TRUE(grant.has_value());
    EXPECT_EQ(grant->first, SequenceNumber(1));
    EXPECT_EQ(grant->last, SequenceNumber(65536));
    EXPECT_EQ(grant->claim, (SequenceLeaseRecord{EspSpi(0x1000), EdgeId(1), Incarnation(10),
                                                 Epoch(1), SequenceNumber(65536)}));
    EXPECT_FALSE(grant->rekey_soon);
}

TEST(SequenceLease, TheSameSenderGoesOnWithoutAGap) {
    const auto grant = next_lease(claim(1, 65536), request(1, 60000));
    ASSERT_TRUE(grant.has_value());
    EXPECT_EQ(grant->first, SequenceNumber(65537));
    EXPECT_EQ(grant->claim.epoch, Epoch(4));
}

TEST(SequenceLease, ANewSenderStartsAboveTheReservationInANewEpoch) {
    const auto grant = next_lease(claim(1, 65536), request(2));
    ASSERT_TRUE(grant.has_value());
    EXPECT_EQ(grant->first, SequenceNumber(65537));
    EXPECT_EQ(grant->claim.sender, EdgeId(2));
    EXPECT_EQ(grant->claim.epoch, Epoch(5));
}

TEST(SequenceLease, ARestartedEdgeIsANewSender) {
    LeaseRequest again = request(1);
    again.incarnation = Incarnation(11);
    const auto grant = next_lease(claim(1, 65536), again);
    ASSERT_TRUE(grant.has_value());
    EXPECT_EQ(grant->first, SequenceNumber(65537));
    EXPECT_EQ(grant->claim.epoch, Epoch(5));
}

TEST(SequenceLease, SizeFollowsTheRateWithinBounds) {
    const auto size = [](SnId sn, std::uint64_t rate) {
        LeaseRequest fast = request(1, 0, rate);
        fast.sn = sn;
        const auto grant = next_lease(std::nullopt, fast);
        return grant->last.value() - grant->first.value() + 1;
    };
    EXPECT_EQ(size(SnId::sequential_32, 100), 65536U);
    EXPECT_EQ(size(SnId::sequential_32, 10'000), 600'000U);
    EXPECT_EQ(size(SnId::sequential_32, 1'000'000), 60'000'000U);
    EXPECT_LE(size(SnId::sequential_32, UINT64_MAX), lease_size_max_32);
    EXPECT_EQ(size(SnId::partially_transmitted_64, 10'000'000), 600'000'000U);
    EXPECT_LE(size(SnId::partially_transmitted_64, UINT64_MAX), lease_size_max_64);
    EXPECT_GE(size(SnId::partially_transmitted_64, UINT64_MAX), lease_size_max_64 - 60);
}

TEST(SequenceLease, ThirtyTwoBitNumbersEndAtTheirLast) {
    const auto last = next_lease(claim(1, UINT32_MAX - 10), request(1));
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(last->first, SequenceNumber(UINT32_MAX - 9));
    EXPECT_EQ(last->last, SequenceNumber(UINT32_MAX));
    EXPECT_TRUE(last->rekey_soon);
    const auto none = next_lease(claim(1, UINT32_MAX), request(1));
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error(), LeaseRefusal::exhausted);
    EXPECT_EQ(next_lease(claim(1, UINT64_MAX), request(2)).error(), LeaseRefusal::exhausted);
}

TEST(SequenceLease, ExtendedNumbersGoOnPastThirtyTwoBits) {
    LeaseRequest esn = request(1);
    esn.sn = SnId::partially_transmitted_64;
    const auto grant = next_lease(claim(1, UINT32_MAX), esn);
    ASSERT_TRUE(grant.has_value());
    EXPECT_EQ(grant->first, SequenceNumber(1ULL << 32U));
    EXPECT_FALSE(grant->rekey_soon);
    EXPECT_EQ(next_lease(claim(1, UINT64_MAX), esn).error(), LeaseRefusal::exhausted);
    EXPECT_EQ(next_lease(claim(1, UINT64_MAX - 1), esn)->last, SequenceNumber(UINT64_MAX));
}

TEST(SequenceLease, RekeyIsDueInTheLastQuarter) {
    EXPECT_FALSE(next_lease(claim(1, 3'000'000'000), request(1))->rekey_soon);
    EXPECT_TRUE(next_lease(claim(1, 3'221'225'472), request(1))->rekey_soon);
}

TEST(SequenceLease, AClaimBehindOurOwnUseIsALostClaim) {
    EXPECT_EQ(next_lease(std::nullopt, request(1, 5)).error(), LeaseRefusal::claim_lost);
    EXPECT_EQ(next_lease(claim(1, 1000), request(1, 1001)).error(), LeaseRefusal::claim_lost);
    EXPECT_TRUE(next_lease(claim(1, 1000), request(1, 1000)).has_value());
}

// Contention: senders that read, swap and send in any order, over a store that loses requests and
// replies and executes late, and that crash and come back. Numbers are 32-bit and leases small
// compared to the run, so that a run sees thousands of grants and the end of the numbers.

struct Swap {
    std::uint64_t expected = 0;  // revision
    LeaseGrant grant;
    int sender = 0;
    Incarnation incarnation;
};

struct Sender {
    Incarnation incarnation;
    std::uint64_t next = 1;
    std::uint64_t last = 0;  // may send next..last
    std::uint64_t used = 0;
    bool waiting = false;
};

class Contention {
public:
    explicit Contention(std::uint64_t seed) : random_(seed) {
        for (Sender& sender : senders_) {
            sender.incarnation = new_incarnation();
        }
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            const auto who = static_cast<std::size_t>(random_.below(senders_.size()));
            switch (random_.below(12)) {
                case 0:
                case 1:
                case 2:
                    ask(who);
                    break;
                case 3:
                case 4:
                case 5:
                    deliver_a_swap();
                    break;
                case 6:
                    senders_[who].waiting = false;  // timed out: counts as lost
                    break;
                case 7:
                    if (random_.below(10) == 0) {
                        senders_[who] = Sender{new_incarnation()};  // crashed, started again
                    }
                    break;
                default:
                    send(who);
            }
        }
    }

    int grants = 0, takeovers = 0, exhausted = 0, lost = 0;
    std::size_t packets = 0;

private:
    Incarnation new_incarnation() { return Incarnation(++incarnations_); }

    void ask(std::size_t who) {
        Sender& sender = senders_[who];
        if (sender.waiting || random_.below(8) == 0) {
            return;  // or: the read got no answer
        }
        LeaseRequest asks =
            request(static_cast<std::uint16_t>(who), sender.used, random_.below(2'000'000));
        asks.incarnation = sender.incarnation;
        const auto grant = next_lease(claim_, asks);
        if (!grant) {
            EXPECT_EQ(grant.error(), LeaseRefusal::exhausted);
            ++exhausted;
            return;
        }
        sender.waiting = true;
        in_flight_.push_back({revision_, *grant, static_cast<int>(who), sender.incarnation});
    }

    /// The store executes any of the swaps on their way, or it is lost.
    void deliver_a_swap() {
        if (in_flight_.empty()) {
            return;
        }
        auto at = in_flight_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(in_flight_.size())));
        const Swap swap = *at;
        in_flight_.erase(at);
        if (random_.below(10) == 0) {
            return;
        }
        const bool won = swap.expected == revision_;
        if (won) {
            win(swap);
        }
        Sender& sender = senders_[static_cast<std::size_t>(swap.sender)];
        const bool heard =
            random_.below(5) != 0 && sender.waiting && sender.incarnation == swap.incarnation;
        if (heard) {
            sender.waiting = false;
        }
        if (heard && won) {
            EXPECT_GT(swap.grant.first.value(), sender.used);
            sender.next = swap.grant.first.value();
            sender.last = swap.grant.last.value();
        } else {
            ++lost;
        }
    }

    void win(const Swap& swap) {
        // A new sender starts above every number used (N2), and so does the same one.
        EXPECT_GT(swap.grant.first.value(), highest_used_);
        EXPECT_GT(swap.grant.first.value(), highest_granted_);
        EXPECT_LE(swap.grant.first, swap.grant.last);
        EXPECT_LE(swap.grant.last.value(), UINT32_MAX);
        takeovers += claim_ && claim_->epoch != swap.grant.claim.epoch ? 1 : 0;
        highest_granted_ = swap.grant.last.value();
        claim_ = swap.grant.claim;
        ++revision_;
        ++grants;
    }

    /// Uses numbers whether or not the lease has been lost meanwhile: a sender can't know.
    void send(std::size_t who) {
        Sender& sender = senders_[who];
        for (int i = 0; i < 3 && sender.next <= sender.last; ++i) {
            EXPECT_TRUE(used_.insert(sender.next).second) << "sent twice: " << sender.next;
            highest_used_ = std::max(highest_used_, sender.next);
            sender.used = sender.next;
            sender.next += 1 + random_.below((sender.last - sender.next) / 2 + 1);
            ++packets;
        }
    }

    SeededRandom random_;
    std::array<Sender, 4> senders_;
    std::uint32_t incarnations_ = 0;
    std::optional<SequenceLeaseRecord> claim_;
    std::uint64_t revision_ = 0;
    std::list<Swap> in_flight_;
    std::set<std::uint64_t> used_;
    std::uint64_t highest_used_ = 0;
    std::uint64_t highest_granted_ = 0;
};

TEST(SequenceLease, NoNumberIsEverSentTwice) {  // N2
    int grants = 0, takeovers = 0, exhausted = 0, lost = 0;
    std::size_t packets = 0;
    for (std::uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Contention contention(seed);
        contention.run(2000);
        grants += contention.grants;
        takeovers += contention.takeovers;
        exhausted += contention.exhausted;
        lost += contention.lost;
        packets += contention.packets;
    }
    // The runs went where they should.
    EXPECT_GT(grants, 10'000);
    EXPECT_GT(takeovers, 5'000);
    EXPECT_GT(exhausted, 100);
    EXPECT_GT(lost, 10'000);
    EXPECT_GT(packets, 100'000U);
}

}  // namespace
}  // namespace anyswan::sa
