// SPDX-License-Identifier: Apache-2.0
#include "sim/secrets.h"

#include "base/check.h"

namespace anyswan::sim {

namespace {
constexpr std::size_t beginning = sizeof(std::uint64_t);
}

void Secrets::add(ByteView secret) {
    check(secret.size() >= beginning, "a secret too short to be told from chance");
    const std::uint64_t first = load_u64(secret);
    beginnings_.insert(first);
    filter_.set(first % filter_size);
}

bool Secrets::in(ByteView bytes) const {
    if (bytes.size() < beginning) {
        return false;
    }
    std::uint64_t window = load_u64(bytes);
    for (std::size_t next = beginning;; ++next) {
        if (filter_.test(window % filter_size) && beginnings_.contains(window)) {
            return true;
        }
        if (next == bytes.size()) {
            return false;
        }
        window = window << 8U | bytes[next];
    }
}

}  // namespace anyswan::sim
