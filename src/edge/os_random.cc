// SPDX-License-Identifier: Apache-2.0
#include "edge/os_random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace anyswan::edge {

void OsRandom::fill(MutableBytes out) {
    while (!out.empty()) {
        const ssize_t got = getrandom(out.data(), out.size(), 0);
        check(got > 0 || errno == EINTR, "getrandom failed: no randomness, no keys");
        if (got > 0) {
            out = out.subspan(static_cast<std::size_t>(got));
        }
    }
}

}  // namespace anyswan::edge
