// SPDX-License-Identifier: Apache-2.0
// Which dataplane driver an edge runs: what its configuration says, or for "auto" what its kernel
// can do.
#pragma once

#include <memory>

#include "dataplane/xfrm/probe.h"
#include "edge/host.h"

namespace anyswan::edge {

/// What "auto" takes where the kernel can serve so.
[[nodiscard]] config::DataplaneType driver_for(std::optional<dataplane::xfrm::Mode> mode);

/// Logs what was found and chosen. `random` outlives the driver.
[[nodiscard]] Result<std::unique_ptr<dataplane::Driver>> make_driver(const DriverWishes& wishes,
                                                                     Random& random,
                                                                     dataplane::DriverSink sink);

}  // namespace anyswan::edge
