// SPDX-License-Identifier: Apache-2.0
#include "edge/announce_hook.h"

#include <gtest/gtest.h>

#include "edge/asio_loop.h"

namespace anyswan::edge {
namespace {

class AnnounceHookTest : public testing::Test {
protected:
    void end(Status status) {
        ASSERT_TRUE(done_);
        std::exchange(done_, nullptr)(std::move(status));
    }

    AsioLoop loop_;
    std::vector<std::string> runs_;
    std::function<void(Status)> done_;
    AnnounceHook hook_{loop_, [this](const std::string& word, std::function<void(Status)> done) {
                           EXPECT_FALSE(done_) << "one run at a time";
                           runs_.push_back(word);
                           done_ = std::move(done);
                       }};
    using Runs = std::vector<std::string>;
};

TEST_F(AnnounceHookTest, WhatIsWantedAgainIsNotRunAgain) {
    hook_.want(true);
    EXPECT_FALSE(hook_.told(true)) << "not before the command has ended";
    end({});
    hook_.want(true);
    EXPECT_TRUE(hook_.told(true));
    EXPECT_EQ(runs_, Runs{"up"});
}

TEST_F(AnnounceHookTest, ANewWishWaitsForTheRunAndTheNewestCounts) {
    hook_.want(true);
    hook_.want(false);
    EXPECT_EQ(runs_, Runs{"up"});
    end({});
    EXPECT_EQ(runs_, (Runs{"up", "down"}));
    EXPECT_FALSE(hook_.told(false));
    end({});
    EXPECT_TRUE(hook_.told(false));
}

TEST_F(AnnounceHookTest, AWishTakenBackDuringARunCostsNoRun) {
    hook_.want(true);
    hook_.want(false);
    hook_.want(true);
    end({});
    EXPECT_EQ(runs_, Runs{"up"});
    EXPECT_TRUE(hook_.told(true));
}

TEST_F(AnnounceHookTest, AFailureIsToldCountedAndTriedAgain) {
    hook_.want(false);
    end(fail("no route daemon"));
    EXPECT_FALSE(hook_.told(false));
    EXPECT_EQ(hook_.trouble(), "no route daemon");
    EXPECT_EQ(hook_.counters().at("announce_hook_failures"), 1U);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (runs_.size() < 2 && std::chrono::steady_clock::now() < deadline) {
        loop_.run_ready();
    }
    ASSERT_EQ(runs_, (Runs{"down", "down"}));
    end({});
    EXPECT_TRUE(hook_.told(false));
    EXPECT_TRUE(hook_.trouble().empty());
}

TEST_F(AnnounceHookTest, AtTheEndDownIsOwedToWhoWasToldUp) {
    EXPECT_FALSE(hook_.end()) << "never told up";
    AnnounceHook up(loop_, [](const std::string&, auto done) { done({}); });
    up.want(true);
    EXPECT_TRUE(up.end());
    EXPECT_FALSE(up.end()) << "once";
    AnnounceHook down(loop_, [](const std::string&, auto done) { done({}); });
    down.want(true);
    down.want(false);
    EXPECT_FALSE(down.end());
}

TEST_F(AnnounceHookTest, WithoutACommandEverythingIsToldAtOnce) {
    AnnounceHook none(loop_, nullptr);
    none.want(true);
    EXPECT_TRUE(none.told(true));
    none.want(false);
    EXPECT_TRUE(none.told(false));
}

}  // namespace
}  // namespace anyswan::edge
