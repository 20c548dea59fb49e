// SPDX-License-Identifier: Apache-2.0
// Whole fleets under faults: short runs here, longer ones by `./test sim`. And that the oracle
// bites: each deliberate bug is found.
#include <gtest/gtest.h>

#include "edge/log.h"
#include "sim/world.h"

namespace anyswan::sim {
namespace {

Outcome run(std::uint64_t seed, std::uint64_t steps, const Bugs& bugs = {}) {
    Scenario scenario;
    scenario.seed = seed;
    scenario.steps = steps;
    scenario.bugs = bugs;
    return World(scenario).run();
}

std::string words_of(const Outcome& outcome) {
    return outcome.violation ? outcome.violation->invariant + ": " + outcome.violation->what
                             : "all held";
}

class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, KeepTheInvariants) {
    const Outcome outcome = run(GetParam(), 15000);
    EXPECT_FALSE(outcome.violation) << words_of(outcome);
    EXPECT_GT(outcome.counts.esp, 100U);
    EXPECT_GT(outcome.counts.inner, 100U);
    EXPECT_GT(outcome.counts.durable, 0U);
    EXPECT_FALSE(outcome.faults.empty());
}

INSTANTIATE_TEST_SUITE_P(Some, Seeds, testing::Range<std::uint64_t>(1, 5));

/// Every event that a simulation logs.
std::string history(std::uint64_t seed) {
    testing::internal::CaptureStdout();
    Scenario scenario;
    scenario.seed = seed;
    scenario.steps = 10000;
    scenario.log = true;
    (void)World(scenario).run();
    return testing::internal::GetCapturedStdout();
}

TEST(World, OneSeedIsOneHistory) {
    const std::string first = history(7);
    EXPECT_GT(first.size(), 1000U);
    EXPECT_EQ(first, history(7));
    EXPECT_NE(first, history(8));
}

class Deliberate : public testing::TestWithParam<BugInfo> {};

TEST_P(Deliberate, BugIsFound) {
    const BugInfo& info = GetParam();
    Bugs bugs;
    bugs.*info.flag = true;
    std::string found = "nothing";
    for (std::uint64_t seed = 1; seed <= 100 && found == "nothing"; ++seed) {
        const Outcome outcome = run(seed, 40000, bugs);
        found = outcome.violation ? outcome.violation->invariant : found;
    }
    EXPECT_EQ(found, info.invariant);
}

std::string name_of(const testing::TestParamInfo<BugInfo>& info) {
    std::string name(info.param.name);
    std::erase(name, '-');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Bugs, Deliberate, testing::ValuesIn(all_bugs()), name_of);

}  // namespace
}  // namespace anyswan::sim
