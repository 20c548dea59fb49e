// SPDX-License-Identifier: Apache-2.0
// Any bytes as what another edge says over the bus, once its seal is open.
#include "base/check.h"
#include "edge/bus_messages.h"
#include "targets.h"

int anyswan::fuzz::fuzz_bus(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    const auto body = edge::decode(ByteView(data, size));
    if (body) {
        const Bytes again = edge::encode(*body);
        const auto read = edge::decode(again);
        check(read && edge::encode(*read) == again, "what decodes, encodes");
    }
    return 0;
}
