// SPDX-License-Identifier: Apache-2.0
#include "net/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyswan::net {
namespace {

using testing::HasSubstr;

TEST(Command, EndsWell) {
    EXPECT_TRUE(run_command({{"true"}}));
    EXPECT_TRUE(run_command({{"sh", "-c", "test \"$COLOUR\" = red"}, {{"COLOUR", "red"}}}));
}

TEST(Command, AFailureNamesTheStatusAndWhatWasSaidLast) {
    const Status status =
        run_command({{"sh", "-c", "echo first; echo 'no such table' >&2; exit 3"}});
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("ended with status 3: no such table"));
}

TEST(Command, OneThatIsNotThereIsNamed) {
    const Status status = run_command({{"/nowhere/at-all", "up"}});
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("`/nowhere/at-all up`"));
}

TEST(Command, OneThatHangsIsEndedWithAllThatItStarted) {
    const Status status = run_command({{"sh", "-c", "sleep 600 | sleep 600"}, {}, 100ms});
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("was ended"));
}

TEST(Command, MuchOutputBlocksNobody) {
    EXPECT_TRUE(run_command({{"sh", "-c", "yes | head -c 1000000"}}));
}

}  // namespace
}  // namespace anyswan::net
