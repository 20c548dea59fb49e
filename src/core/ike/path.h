// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"

namespace anyswan::ike {

/// Where a datagram came from and to which of our addresses: answers go the same way back.
struct Path {
    Endpoint local;
    Endpoint remote;
    bool operator==(const Path&) const = default;
};

}  // namespace anyswan::ike
