// SPDX-License-Identifier: Apache-2.0
#include "core/sa/fact_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/sa/samples_test.h"

namespace anyswan::sa {
namespace {

/// A fact as a test writes it: key, version, content, and whether it is a tombstone.
struct Written {
    std::string key;
    std::uint64_t epoch;
    std::uint64_t counter;
    std::string content;
    bool ended = false;
};

FactVerdict apply(FactTable& table, const Written& fact, FactSource source) {
    return table.apply({RecordKind::child_sa, fact.key, {Epoch(fact.epoch), fact.counter}, 1},
                       to_bytes(fact.content), fact.ended, source);
}

FactVerdict sift(FactTable& table, const Written& fact, FactSource source) {
    return table.sift({RecordKind::child_sa, fact.key, {Epoch(fact.epoch), fact.counter}, 1},
                      as_bytes(fact.content), source);
}

std::string content(const FactTable& table, const std::string& key) {
    const Fact* fact = table.find(key);
    return fact == nullptr ? "nothing" : to_string(fact->envelope);
}

std::vector<std::string> keys(const std::vector<const Fact*>& facts) {
    std::vector<std::string> keys;
    for (const Fact* fact : facts) {
        keys.push_back(fact->header.key);
    }
    return keys;
}

using Keys = std::vector<std::string>;
constexpr FactSource own = FactSource::own;
constexpr FactSource store = FactSource::store;
constexpr FactSource fast = FactSource::fast;

TEST(FactTable, TheHigherVersionWins) {
    FactTable table;
    EXPECT_EQ(apply(table, {"a", 1, 5, "old"}, store), FactVerdict::newer);
    EXPECT_EQ(apply(table, {"a", 1, 4, "older"}, store), FactVerdict::stale);
    EXPECT_EQ(apply(table, {"a", 1, 5, "old"}, fast), FactVerdict::same);
    EXPECT_EQ(apply(table, {"a", 1, 6, "new"}, fast), FactVerdict::newer);
    EXPECT_EQ(apply(table, {"a", 2, 0, "newest"}, store), FactVerdict::newer);
    EXPECT_EQ(content(table, "a"), "newest");
    EXPECT_EQ(content(table, "b"), "nothing");
}

TEST(FactTable, SiftSaysBeforehandWhatNeedsOpening) {
    FactTable table;
    EXPECT_EQ(sift(table, {"a", 1, 5, "x"}, fast), FactVerdict::newer);
    EXPECT_EQ(table.find("a"), nullptr);
    apply(table, {"a", 1, 5, "x"}, fast);
    EXPECT_EQ(sift(table, {"a", 1, 5, "x"}, store), FactVerdict::same);
    EXPECT_TRUE(table.find("a")->in_store);
    EXPECT_EQ(sift(table, {"a", 1, 6, "y"}, fast), FactVerdict::newer);
    EXPECT_EQ(sift(table, {"a", 1, 4, "may be a tombstone"}, fast), FactVerdict::newer);
    apply(table, {"a", 1, 7, "end", true}, fast);
    EXPECT_EQ(sift(table, {"a", 1, 4, "x"}, fast), FactVerdict::stale);
    EXPECT_EQ(sift(table, {"a", 1, 8, "x"}, fast), FactVerdict::newer);
}

TEST(FactTable, WhatHasEndedStaysEnded) {  // N6
    FactTable table;
    apply(table, {"a", 2, 1, "live"}, store);
    EXPECT_EQ(apply(table, {"a", 1, 9, "end", true}, fast), FactVerdict::newer);
    EXPECT_EQ(apply(table, {"a", 3, 1, "live again"}, store), FactVerdict::stale);
    EXPECT_TRUE(table.find("a")->ended);
    EXPECT_EQ(table.counts().live, 0U);
    EXPECT_EQ(table.counts().ended, 1U);
}

TEST(FactTable, ADeletedTunnelsNameCanBeGivenAgain) {
    FactTable table;
    const auto put = [&](std::uint64_t counter, const char* text, bool ended) {
        return table.apply({RecordKind::tunnel, "t", {Epoch(1), counter}, 1}, to_bytes(text), ended,
                           store);
    };
    EXPECT_EQ(put(1, "first", false), FactVerdict::newer);
    EXPECT_EQ(put(2, "deleted", true), FactVerdict::newer);
    EXPECT_EQ(put(1, "first", false), FactVerdict::stale);
    EXPECT_EQ(put(3, "second", false), FactVerdict::newer);
    EXPECT_EQ(put(2, "deleted", true), FactVerdict::stale);
    EXPECT_EQ(content(table, "t"), "second");
    EXPECT_EQ(table.sift({RecordKind::tunnel, "t", {Epoch(1), 2}, 1}, as_bytes("x"), fast),
              FactVerdict::stale);
}

TEST(FactTable, OneVersionWithTwoContentsConvergesAndIsCounted) {
    FactTable first, second;
    const Written x{"a", 1, 1, "xxx"};
    const Written y{"a", 1, 1, "yyy"};
    EXPECT_EQ(apply(first, x, store), FactVerdict::newer);
    EXPECT_EQ(apply(first, y, store), FactVerdict::newer);
    EXPECT_EQ(apply(second, y, store), FactVerdict::newer);
    EXPECT_EQ(apply(second, x, store), FactVerdict::stale);
    EXPECT_EQ(content(first, "a"), content(second, "a"));
    EXPECT_EQ(first.counts().conflicts, 1U);
    EXPECT_EQ(second.counts().conflicts, 1U);
}

TEST(FactTable, DeletedStaysDeletedUntilAHigherVersion) {
    FactTable table;
    apply(table, {"tunnel", 1, 3, "x"}, store);
    EXPECT_TRUE(table.remove("tunnel"));
    EXPECT_EQ(table.find("tunnel"), nullptr);
    EXPECT_FALSE(table.remove("tunnel"));
    EXPECT_EQ(apply(table, {"tunnel", 1, 3, "x"}, fast), FactVerdict::stale);
    EXPECT_EQ(apply(table, {"tunnel", 1, 2, "w"}, store), FactVerdict::stale);
    EXPECT_EQ(sift(table, {"tunnel", 1, 3, "x"}, fast), FactVerdict::stale);
    EXPECT_EQ(apply(table, {"tunnel", 1, 4, "y"}, store), FactVerdict::newer);
    EXPECT_EQ(content(table, "tunnel"), "y");
}

TEST(FactTable, ADeletedTombstoneStillHolds) {
    FactTable table;
    apply(table, {"a", 1, 3, "end", true}, store);
    EXPECT_TRUE(table.remove("a"));
    EXPECT_EQ(apply(table, {"a", 9, 9, "live"}, store), FactVerdict::stale);
    EXPECT_EQ(table.find("a"), nullptr);
    table.forget("a");
    EXPECT_EQ(apply(table, {"a", 9, 9, "live"}, store), FactVerdict::newer);
    table.forget("a");  // alive: not forgotten
    EXPECT_EQ(content(table, "a"), "live");
}

TEST(FactTable, ADeleteOlderThanOurWriteIsPassedOver) {
    FactTable table;
    apply(table, {"tunnel", 1, 1, "x"}, store);
    apply(table, {"tunnel", 1, 2, "y"}, own);  // on its way
    EXPECT_FALSE(table.remove("tunnel"));      // somebody's delete of x
    EXPECT_EQ(apply(table, {"tunnel", 1, 2, "y"}, store), FactVerdict::same);
    EXPECT_EQ(content(table, "tunnel"), "y");
    EXPECT_TRUE(table.remove("tunnel"));
    EXPECT_FALSE(table.remove("unknown"));
}

TEST(FactTable, OwnFactsArePutAgainAfterAReset) {
    FactTable table;
    apply(table, {"a", 1, 1, "mine"}, own);
    apply(table, {"b", 1, 1, "theirs"}, store);
    apply(table, {"c", 1, 1, "mine, ended", true}, own);
    apply(table, {"d", 1, 1, "mine once"}, own);
    apply(table, {"d", 2, 1, "taken over"}, store);
    EXPECT_EQ(keys(table.own_facts()), (Keys{"a", "c"}));
    EXPECT_EQ(keys(table.not_in_store()), (Keys{"a", "c"}));
    apply(table, {"a", 1, 1, "mine"}, store);
    apply(table, {"c", 1, 1, "mine, ended", true}, store);
    EXPECT_TRUE(table.not_in_store().empty());

    table.on_store_reset();
    apply(table, {"b", 1, 1, "theirs"}, store);  // the new snapshot
    EXPECT_EQ(keys(table.own_facts()), (Keys{"a", "c"}));
    EXPECT_EQ(keys(table.not_in_store()), (Keys{"a", "c", "d"}));
    EXPECT_EQ(content(table, "d"), "taken over");
}

TEST(FactTable, AnOlderVersionPutOverOursIsNoticed) {
    FactTable table;
    apply(table, {"a", 1, 1, "live"}, store);
    apply(table, {"a", 1, 2, "end", true}, own);
    EXPECT_EQ(apply(table, {"a", 1, 1, "live"}, fast), FactVerdict::stale);
    apply(table, {"a", 1, 2, "end", true}, store);
    EXPECT_TRUE(table.not_in_store().empty());
    EXPECT_EQ(sift(table, {"a", 1, 1, "live"}, store), FactVerdict::stale);  // a late writer
    EXPECT_EQ(keys(table.not_in_store()), Keys{"a"});
    EXPECT_EQ(sift(table, {"a", 1, 2, "end", true}, store), FactVerdict::same);
    EXPECT_TRUE(table.not_in_store().empty());
}

TEST(FactTable, CountsWhatItSaw) {
    FactTable table;
    apply(table, {"a", 1, 1, "x"}, store);
    apply(table, {"b", 1, 1, "x"}, store);
    apply(table, {"a", 1, 1, "x"}, fast);
    sift(table, {"a", 1, 1, "x"}, fast);
    apply(table, {"a", 1, 0, "w"}, fast);
    const FactCounts counts = table.counts();
    EXPECT_EQ(counts.live, 2U);
    EXPECT_EQ(counts.newer, 2U);
    EXPECT_EQ(counts.same, 2U);
    EXPECT_EQ(counts.stale, 1U);
}

TEST(FactTable, KnowsATombstoneFromItsRecord) {
    EXPECT_FALSE(has_ended(samples::child_sa()));
    EXPECT_TRUE(has_ended(samples::child_sa_tombstone()));
    EXPECT_TRUE(has_ended(samples::ike_sa_tombstone()));
    EXPECT_FALSE(has_ended(samples::tunnel()));
}

TEST(FactTable, AnyOrderOfArrivalGivesTheSameTable) {  // N6
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SeededRandom random(seed);
        std::vector<Written> facts;
        for (int i = 0; i < 40; ++i) {
            const bool ended = random.below(6) == 0;
            facts.push_back({std::string(1, static_cast<char>('a' + random.below(5))),
                             random.below(3), random.below(3),
                             std::to_string(random.below(4)) + (ended ? " end" : ""), ended});
        }
        std::map<std::string, std::string> expected;
        for (int edge = 0; edge < 4; ++edge) {
            for (std::size_t i = facts.size(); i > 1; --i) {
                std::swap(facts[i - 1], facts[random.below(i)]);
            }
            FactTable table;
            for (const Written& fact : facts) {
                const FactSource source = random.below(2) == 0 ? store : fast;
                if (sift(table, fact, source) == FactVerdict::newer) {
                    apply(table, fact, source);
                }
                if (random.below(4) == 0) {
                    apply(table, fact, source);  // twice
                }
            }
            std::map<std::string, std::string> held;
            for (const char key : {'a', 'b', 'c', 'd', 'e'}) {
                const Fact* fact = table.find(std::string(1, key));
                held[std::string(1, key)] =
                    fact == nullptr
                        ? ""
                        : content(table, std::string(1, key)) + (fact->ended ? " ended" : " live");
            }
            if (edge == 0) {
                expected = held;
            }
            ASSERT_EQ(held, expected) << "seed " << seed << ", edge " << edge;
        }
    }
}

}  // namespace
}  // namespace anyswan::sa
