// SPDX-License-Identifier: Apache-2.0
// Conformance: facts and their watchers.
#include "store/conformance.h"

namespace anyswan::store {
namespace {

using namespace std::chrono_literals;

TEST_P(StoreConformance, AWatcherHearsEveryPutInTheOrderOfRevisions) {
    Watched watched;
    auto reader = watcher(watched);
    auto writer = client();
    std::map<std::uint64_t, std::string> acknowledged;
    int retries = 0;  // a cluster on a busy machine may elect a leader meanwhile
    std::function<void(std::string)> put_key = [&](const std::string& key) {
        writer->put_fact(key, to_bytes(key), [&, key](StoreResult<Revision> result) {
            if (result) {
                acknowledged[result->value()] = key;
            } else {
                ASSERT_EQ(result.error().failure, Failure::unavailable) << result.error().message;
                ++retries;
                loop_.executor()([&, key] { put_key(key); });
            }
        });
    };
    for (int i = 0; i < 300; ++i) {
        put_key("child/" + std::to_string(i));
    }
    ASSERT_TRUE(loop_.run_until([&] { return acknowledged.size() == 300; }, 60s));
    const Revision last{acknowledged.rbegin()->first};
    ASSERT_TRUE(loop_.run_until([&] { return watched.last() >= last; }));
    EXPECT_TRUE(watched.revisions_increase());
    for (const FactEvent& event : watched.facts) {
        EXPECT_EQ(to_string(event.value), event.key);
        EXPECT_EQ(event.path, FactPath::watch);
        const auto at = acknowledged.find(event.revision.value());
        if (at != acknowledged.end()) {
            EXPECT_EQ(at->second, event.key);
            acknowledged.erase(at);
        } else {
            EXPECT_GT(retries, 0) << event.key << " was never acknowledged as this revision";
        }
    }
    EXPECT_TRUE(acknowledged.empty()) << acknowledged.size() << " were not delivered";
}

TEST_P(StoreConformance, PutsOfOneClientAreAppliedInTheOrderOfTheCalls) {
    auto writer = client();
    Revision last;
    int answered = 0;
    for (int i = 1; i <= 100; ++i) {
        writer->put_fact("edge/a", to_bytes(std::to_string(i)), [&](StoreResult<Revision> result) {
            ASSERT_TRUE(result.has_value());
            EXPECT_GT(*result, last);
            last = *result;
            ++answered;
        });
    }
    ASSERT_TRUE(loop_.run_until([&] { return answered == 100; }));
    Watched watched;
    auto late = watcher(watched);
    EXPECT_EQ(watched.state(), (std::map<std::string, std::string>{{"edge/a", "100"}}));
    EXPECT_EQ(watched.facts.size(), 1U) << "a snapshot holds the last value of a key only";
}

TEST_P(StoreConformance, ALateJoinerGetsTheSnapshotThenItsEndOnceThenNews) {
    auto writer = client();
    Revision last;
    for (int i = 0; i < 50; ++i) {
        last = put(loop_, *writer, "tunnel/acme/" + std::to_string(i), "t").value();
    }
    Watched watched;
    auto late = watcher(watched);
    EXPECT_EQ(watched.facts_before_snapshot, 50U);
    EXPECT_EQ(watched.snapshots, std::vector<Revision>{last});
    ASSERT_TRUE(put(loop_, *writer, "tunnel/acme/new", "n").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().contains("tunnel/acme/new"); }));
    EXPECT_EQ(watched.facts.size(), 51U);
    EXPECT_TRUE(watched.revisions_increase());
    EXPECT_EQ(watched.snapshots.size(), 1U);
    EXPECT_TRUE(watched.resets.empty());
}

TEST_P(StoreConformance, TheSnapshotOfAnEmptyStoreEndsAtOnce) {
    Watched watched;
    auto reader = watcher(watched);
    EXPECT_EQ(watched.snapshots, std::vector<Revision>{Revision{0}});
    EXPECT_TRUE(watched.facts.empty());
}

TEST_P(StoreConformance, AWatchResumesAfterARevision) {
    auto writer = client();
    const Revision first = put(loop_, *writer, "child/1", "a").value();
    const Revision second = put(loop_, *writer, "child/2", "b").value();
    ASSERT_TRUE(erase(loop_, *writer, "child/1").has_value());
    Watched all_seen;
    Watched some_seen;
    auto reader = watcher(some_seen, first);
    EXPECT_EQ(some_seen.facts.front().key, "child/2");
    EXPECT_EQ(some_seen.facts.size(), 2U);
    EXPECT_EQ(some_seen.state(), (std::map<std::string, std::string>{{"child/2", "b"}}));
    auto other = watcher(all_seen, some_seen.last());
    EXPECT_TRUE(all_seen.facts.empty());
    EXPECT_EQ(all_seen.snapshots, std::vector<Revision>{some_seen.last()});
    EXPECT_GT(some_seen.last(), second);
    ASSERT_TRUE(put(loop_, *writer, "child/3", "c").has_value());
    ASSERT_TRUE(
        loop_.run_until([&] { return all_seen.facts.size() == 1 && some_seen.facts.size() == 3; }));
    EXPECT_TRUE(all_seen.resets.empty());
    EXPECT_TRUE(some_seen.resets.empty());
}

TEST_P(StoreConformance, ADeletionIsSeenByWatchersAndLeavesNothingForLateJoiners) {
    Watched early;
    auto reader = watcher(early);
    auto writer = client();
    ASSERT_TRUE(put(loop_, *writer, "child/1", "a").has_value());
    ASSERT_TRUE(put(loop_, *writer, "child/2", "b").has_value());
    const Revision deleted = erase(loop_, *writer, "child/1").value();
    ASSERT_TRUE(loop_.run_until([&] { return early.last() == deleted; }));
    EXPECT_EQ(early.facts.back().key, "child/1");
    EXPECT_TRUE(early.facts.back().value.empty());
    Watched late;
    auto joiner = watcher(late);
    EXPECT_EQ(late.state(), (std::map<std::string, std::string>{{"child/2", "b"}}));
    ASSERT_TRUE(put(loop_, *writer, "child/1", "again").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return late.state().size() == 2; }));
    EXPECT_EQ(late.state().at("child/1"), "again");
}

TEST_P(StoreConformance, TheFastPathDeliversMarkedCopiesToAllWatchers) {
    Watched watched;
    Watched own;
    auto reader = watcher(watched);
    auto writer = watcher(own);
    const Revision revision = put(loop_, *writer, "child/1", "sealed").value();
    ASSERT_TRUE(loop_.run_until([&] {
        return watched.fast.size() == 1 && own.fast.size() == 1 && watched.last() == revision;
    }));
    EXPECT_EQ(watched.fast[0].key, "child/1");
    EXPECT_EQ(to_string(watched.fast[0].value), "sealed");
    EXPECT_EQ(watched.fast[0].revision, Revision{0});
    ASSERT_TRUE(erase(loop_, *writer, "child/1").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.fast.size() == 2; }));
    EXPECT_TRUE(watched.fast[1].value.empty());
}

TEST_P(StoreConformance, ARevisionTheStoreHasNotReachedIsAReset) {
    auto writer = client();
    const Revision last = put(loop_, *writer, "child/1", "a").value();
    Watched watched;
    auto reader = watcher(watched, Revision{last.value() + 1000});
    EXPECT_EQ(watched.resets.size(), 1U);
    EXPECT_EQ(watched.state(), (std::map<std::string, std::string>{{"child/1", "a"}}));
    EXPECT_EQ(watched.snapshots, std::vector<Revision>{last});
    ASSERT_TRUE(put(loop_, *writer, "child/2", "b").has_value());
    ASSERT_TRUE(loop_.run_until([&] { return watched.state().size() == 2; }));
}

TEST_P(StoreConformance, WritesThatBreakTheRulesAreRefused) {
    auto writer = client();
    for (const char* key : {"", "/", "a//b", "a/", "a.b", "a b", "a/*", "a/>", "\xc3\xa4"}) {
        auto result = put(loop_, *writer, key, "v");
        ASSERT_FALSE(result.has_value()) << key;
        EXPECT_EQ(result.error().failure, Failure::refused);
        EXPECT_FALSE(erase(loop_, *writer, key).has_value()) << key;
        EXPECT_FALSE(swap(loop_, *writer, key, "v", Revision{0}).has_value()) << key;
        EXPECT_FALSE(release(loop_, *writer, key, Revision{1}).has_value()) << key;
        EXPECT_FALSE(read(loop_, *writer, key).has_value()) << key;
    }
    EXPECT_FALSE(list(loop_, *writer, "a.>").has_value());
    EXPECT_FALSE(put(loop_, *writer, "a", "").has_value());
    EXPECT_FALSE(swap(loop_, *writer, "a", "", Revision{0}).has_value());
    const std::string big(value_bytes_max + 1, 'x');
    EXPECT_FALSE(put(loop_, *writer, "a", big).has_value());
    EXPECT_FALSE(swap(loop_, *writer, "a", big, Revision{0}).has_value());
}

TEST_P(StoreConformance, ValuesOfTheLargestSizeAndOfAnyBytesPass) {
    auto writer = client();
    std::string big(value_bytes_max, '\0');
    for (std::size_t i = 0; i < big.size(); ++i) {
        big[i] = static_cast<char>(i * 7 % 256);
    }
    const std::string key = "tunnel/" + std::string(key_bytes_max - 7, 'k');
    ASSERT_TRUE(put(loop_, *writer, key, big).has_value());
    const Swap written = swap(loop_, *writer, key, big, Revision{0}).value();
    ASSERT_TRUE(written.won);
    EXPECT_EQ(to_string(read(loop_, *writer, key).value()->value), big);
    Watched watched;
    auto reader = watcher(watched);
    EXPECT_EQ(watched.state().at(key), big);
}

}  // namespace
}  // namespace anyswan::store
