// SPDX-License-Identifier: Apache-2.0
// Any bytes as a script of two sides that negotiate over a bad network, with a peer that holds the
// keys and lies (core/ike/conformance/script.h).
#include <gtest/gtest.h>

#include "core/ike/conformance/script.h"
#include "targets.h"

int anyswan::fuzz::fuzz_session(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    // The invariants that the engine's tests hold on each datagram fail by GoogleTest's means.
    testing::GTEST_FLAG(break_on_failure) = true;
    ike::test::play_script(ByteView(data, size));
    return 0;
}
