// SPDX-License-Identifier: Apache-2.0
// What libFuzzer calls, for the target that the build names.
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return anyswan::fuzz::ANYSWAN_FUZZ_TARGET(data, size);
}
