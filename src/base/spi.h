// SPDX-License-Identifier: Apache-2.0
// SPIs as people and store keys write them: lower-case hexadecimal of full width.
#pragma once

#include <string>

#include "base/strong.h"

namespace anyswan {

/// 8 digits.
[[nodiscard]] std::string hex(EspSpi spi);
/// 16 digits.
[[nodiscard]] std::string hex(IkeSpi spi);

}  // namespace anyswan
