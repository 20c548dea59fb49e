// SPDX-License-Identifier: Apache-2.0
// Which dataplane driver an edge runs: what its configuration says, or for "auto" what its kernel
// can do.
#pragma once

#include <memory>

#include "base/random.h"
#include "config/config.h"
#include "dataplane/driver.h"

namespace anyswan::edge {

struct DriverWishes {
    config::DataplaneOptions options;
    std::vector<IpAddress> local_addresses;
    Incarnation incarnation;
};

/// Logs what was found and chosen. `random` outlives the driver.
[[nodiscard]] Result<std::unique_ptr<dataplane::Driver>> make_driver(const DriverWishes& wishes,
                                                                     Random& random,
                                                                     dataplane::DriverSink sink);

}  // namespace anyswan::edge
