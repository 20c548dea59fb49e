// SPDX-License-Identifier: Apache-2.0
// Conformance: claims. On these rest N4 (owner) and the incarnations of N1.
#include <array>

#include "store/conformance.h"

namespace anyswan::store {
namespace {

TEST_P(StoreConformance, AClaimIsCreatedOnceAndReadByAll) {
    auto a = client();
    auto b = client();
    EXPECT_FALSE(read(loop_, *a, "ike/1").value().has_value());
    const Swap first = swap(loop_, *a, "ike/1", "a", Revision{0}).value();
    ASSERT_TRUE(first.won);
    EXPECT_FALSE(swap(loop_, *b, "ike/1", "b", Revision{0}).value().won);
    const auto seen = read(loop_, *b, "ike/1").value();
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(to_string(seen->value), "a");
    EXPECT_EQ(seen->revision, first.revision);
}

TEST_P(StoreConformance, AStaleRevisionLosesAndChangesNothing) {
    auto a = client();
    auto b = client();
    const Swap first = swap(loop_, *a, "ike/1", "1", Revision{0}).value();
    const Swap second = swap(loop_, *b, "ike/1", "2", first.revision).value();
    ASSERT_TRUE(second.won);
    EXPECT_GT(second.revision, first.revision);
    EXPECT_FALSE(swap(loop_, *a, "ike/1", "3", first.revision).value().won);
    EXPECT_FALSE(swap(loop_, *a, "ike/1", "3", Revision{second.revision.value() + 1}).value().won);
    EXPECT_FALSE(release(loop_, *a, "ike/1", first.revision).value().won);
    EXPECT_EQ(to_string(read(loop_, *a, "ike/1").value()->value), "2");
    EXPECT_TRUE(swap(loop_, *a, "ike/1", "3", second.revision).value().won);
}

TEST_P(StoreConformance, ADeletedClaimIsGoneAndCanBeCreatedAgain) {
    auto a = client();
    Revision stale;
    for (int round = 0; round < 3; ++round) {
        const Swap created = swap(loop_, *a, "holder/7", "x", Revision{0}).value();
        ASSERT_TRUE(created.won) << round;
        EXPECT_GT(created.revision, stale);
        EXPECT_FALSE(release(loop_, *a, "holder/7", Revision{0}).value().won);
        ASSERT_TRUE(release(loop_, *a, "holder/7", created.revision).value().won);
        EXPECT_FALSE(read(loop_, *a, "holder/7").value().has_value());
        EXPECT_TRUE(list(loop_, *a, "holder/").value().empty());
        EXPECT_FALSE(swap(loop_, *a, "holder/7", "y", created.revision).value().won);
        EXPECT_FALSE(release(loop_, *a, "holder/7", created.revision).value().won);
        stale = created.revision;
    }
}

TEST_P(StoreConformance, ClaimsAreListedByPrefixSorted) {
    auto a = client();
    auto b = client();
    for (const char* key : {"inc/2", "inc/10", "inc/1", "ike/1", "incx/1", "inc/1/sub"}) {
        ASSERT_TRUE(swap(loop_, *a, key, "v", Revision{0}).value().won);
    }
    using Keys = std::vector<std::string>;
    EXPECT_EQ(list(loop_, *b, "inc/").value(), (Keys{"inc/1", "inc/1/sub", "inc/10", "inc/2"}));
    EXPECT_EQ(list(loop_, *b, "inc/1").value(), (Keys{"inc/1", "inc/1/sub", "inc/10"}));
    EXPECT_EQ(list(loop_, *b, "inc").value().size(), 5U);
    EXPECT_EQ(list(loop_, *b, "").value().size(), 6U);
    EXPECT_TRUE(list(loop_, *b, "none/").value().empty());
}

TEST_P(StoreConformance, OfThreeContendersExactlyOneWinsEachOf500Rounds) {
    std::array<std::unique_ptr<Store>, 3> contenders{client(), client(), client()};
    Revision current;
    std::array<int, 3> wins{};
    for (int round = 0; round < 500; ++round) {
        int answered = 0;
        std::vector<std::size_t> winners;
        Revision won;
        for (std::size_t i = 0; i < contenders.size(); ++i) {
            // Each begins in turn: in-process stores are fair to the first.
            const std::size_t who = (i + static_cast<std::size_t>(round)) % contenders.size();
            contenders[who]->swap_claim("ike/contended", to_bytes(std::to_string(who)), current,
                                        [&, who](StoreResult<Swap> result) {
                                            ASSERT_TRUE(result.has_value())
                                                << result.error().message;
                                            ++answered;
                                            if (result->won) {
                                                winners.push_back(who);
                                                won = result->revision;
                                            }
                                        });
        }
        ASSERT_TRUE(loop_.run_until([&] { return answered == 3; }));
        ASSERT_EQ(winners.size(), 1U) << "round " << round;
        const auto stored = read(loop_, *contenders[0], "ike/contended").value();
        ASSERT_EQ(to_string(stored->value), std::to_string(winners[0]));
        ASSERT_EQ(stored->revision, won);
        current = won;
        ++wins[winners[0]];
    }
    EXPECT_EQ(wins[0] + wins[1] + wins[2], 500);
}

}  // namespace
}  // namespace anyswan::store
