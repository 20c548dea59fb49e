// SPDX-License-Identifier: Apache-2.0
// Whether an inner packet belongs into an SA (RFC 4301 4.4.1.1, RFC 7296 3.13.1). Checked in both
// directions: RFC 4301 5.2 step 4 wants it of the receiver, so that a peer can't send from the
// addresses of another.
#pragma once

#include <span>

#include "core/wire/ike/payloads.h"
#include "core/wire/ip/ip_view.h"

namespace anyswan::esp {

using wire::ike::TrafficSelector;

/// Whether `source` has a selector for the packet's source and `destination` one for its
/// destination. Later fragments have no ports: they match selectors for any port or OPAQUE alone.
[[nodiscard]] bool selectors_match(std::span<const TrafficSelector> source,
                                   std::span<const TrafficSelector> destination,
                                   const wire::ip::IpView& packet);

}  // namespace anyswan::esp
