// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/ip.h"

namespace anyswan::net {

/// The address that this host would send from to `remote`, by its routes as they are now. Nothing:
/// there is no route.
[[nodiscard]] std::optional<IpAddress> source_address(const IpAddress& remote);

/// Whether this kernel has IPv6.
[[nodiscard]] bool has_ipv6();

}  // namespace anyswan::net
