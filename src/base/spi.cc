// SPDX-License-Identifier: Apache-2.0
#include "base/spi.h"

#include <array>

#include "base/bytes.h"

namespace anyswan {

std::string hex(EspSpi spi) {
    std::array<std::uint8_t, 4> raw{};
    store_u32(raw, spi.value());
    return to_hex(raw);
}

std::string hex(IkeSpi spi) {
    std::array<std::uint8_t, 8> raw{};
    store_u64(raw, spi.value());
    return to_hex(raw);
}

}  // namespace anyswan
