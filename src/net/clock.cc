// SPDX-License-Identifier: Apache-2.0
#include "net/clock.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace anyswan::net {

namespace {

void fill_from_kernel(MutableBytes out) {
    while (!out.empty()) {
        const ssize_t got = getrandom(out.data(), out.size(), 0);
        check(got > 0 || errno == EINTR, "getrandom failed");
        if (got > 0) {
            out = out.subspan(static_cast<std::size_t>(got));
        }
    }
}

}  // namespace

Now read_clock() {
    const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {{std::chrono::duration_cast<Duration>(monotonic)},
            {std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count()}};
}

void SystemRandom::fill(MutableBytes out) {
    if (out.size() >= block_.size()) {
        fill_from_kernel(out);
        return;
    }
    while (!out.empty()) {
        if (used_ == block_.size()) {
            fill_from_kernel(block_);
            used_ = 0;
        }
        const std::size_t size = std::min(out.size(), block_.size() - used_);
        const MutableBytes from = MutableBytes(block_).subspan(used_, size);
        std::ranges::copy(from, out.begin());
        wipe(from);  // what was handed out is not ours to keep
        used_ += size;
        out = out.subspan(size);
    }
}

}  // namespace anyswan::net
