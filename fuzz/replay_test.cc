// SPDX-License-Identifier: Apache-2.0
// Inputs of the fuzz targets that once mattered, and some of every form, replayed without
// libFuzzer: tests/data/fuzz/TARGET/ANY_NAME. Whatever a fuzzer finds is added there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/random.h"
#include "targets.h"

namespace anyswan::fuzz {
namespace {

struct Named {
    const char* name;
    Target* run;
};
constexpr Named targets[] = {
    {"api", fuzz_api},
    {"bus", fuzz_bus},
    {"chain", fuzz_chain},
    {"config", fuzz_config},
    {"esp", fuzz_esp},
    {"ip", fuzz_ip},
    {"jetstream", fuzz_jetstream},
    {"message", fuzz_message},
    {"open", fuzz_open},
    {"pcap", fuzz_pcap},
    {"reassembly", fuzz_reassembly},
    {"record", fuzz_record},
    {"session", fuzz_session},
    {"x509", fuzz_x509},
    {"xfrm", fuzz_xfrm},
};

class Replay : public testing::TestWithParam<Named> {};

TEST_P(Replay, EveryInputKept) {
    const std::filesystem::path folder =
        std::filesystem::path(ANYSWAN_TEST_DATA) / "fuzz" / GetParam().name;
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        SCOPED_TRACE(entry.path().string());
        std::ifstream in(entry.path(), std::ios::binary);
        const Bytes input{std::istreambuf_iterator<char>(in), {}};
        EXPECT_EQ(GetParam().run(input.data(), input.size()), 0);
        ++count;
    }
    EXPECT_GT(count, 0U) << "no inputs in " << folder;
}

std::string test_name(const testing::TestParamInfo<Named>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(targets), test_name);

/// Scripts drawn at random, mostly of the commands that lead on. The fuzzer finds better ones;
/// these are played in every build.
TEST(Scripts, DrawnAtRandom) {
    // ANYSWAN_SCRIPTS=5000 plays more.
    const char* more = std::getenv("ANYSWAN_SCRIPTS");
    const std::uint64_t count = more != nullptr ? std::stoull(more) : 150;
    for (std::uint64_t seed = 1; seed <= count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        const Bytes script = random.bytes(40 + random.below(600));
        EXPECT_EQ(fuzz_session(script.data(), script.size()), 0);
    }
}

}  // namespace
}  // namespace anyswan::fuzz
