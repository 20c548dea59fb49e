// SPDX-License-Identifier: Apache-2.0
#include "edge/keeper.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace anyswan::edge {
namespace {

TEST(RedirectLimit, FiveWithinFiveMinutes) {
    RedirectLimit limit;
    const Instant start{1000s};
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(limit.allow(start + i * 10s));
    }
    EXPECT_FALSE(limit.allow(start + 60s));
    EXPECT_FALSE(limit.allow(start + 299s));
    EXPECT_TRUE(limit.allow(start + 300s)) << "the first is long ago";
    EXPECT_FALSE(limit.allow(start + 301s));
}

TEST(Resolver, FindsLocalhostAndNothingElseBlocks) {
    std::mutex mutex;
    std::condition_variable ready;
    std::vector<std::function<void()>> posted;
    net::Resolver resolver([&](std::function<void()> task) {
        const std::scoped_lock lock(mutex);
        posted.push_back(std::move(task));
        ready.notify_all();
    });
    std::vector<IpAddress> found;
    resolver.look_up("127.0.0.1", [&](std::vector<IpAddress> addresses) { found = addresses; });
    std::unique_lock lock(mutex);
    ASSERT_TRUE(ready.wait_for(lock, 10s, [&] { return !posted.empty(); }));
    const auto task = std::move(posted.front());
    lock.unlock();
    task();
    EXPECT_EQ(found, std::vector{*IpAddress::parse("127.0.0.1")});
}

}  // namespace
}  // namespace anyswan::edge
