// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <cstring>

namespace anyswan {

void wipe(MutableBytes bytes) {
    if (!bytes.empty()) {
        explicit_bzero(bytes.data(), bytes.size());
    }
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe(bytes_);
        bytes_ = std::move(other.bytes_);
        other.bytes_.clear();
    }
    return *this;
}

}  // namespace anyswan
