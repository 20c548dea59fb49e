// SPDX-License-Identifier: Apache-2.0
// What IKE negotiated, in the kernel's terms: algorithms by name, traffic selectors as prefixes
// and port masks.
#pragma once

#include <span>

#include "base/result.h"
#include "core/sa/records.h"
#include "dataplane/xfrm/messages.h"

namespace anyswan::dataplane::xfrm {

/// The kernel's windows have at most this many packets (XFRMA_REPLAY_ESN_MAX).
inline constexpr std::uint32_t replay_window_max = 4096;
/// More pairs of selectors than this are refused: the kernel has a policy for each, per direction.
inline constexpr std::size_t selectors_max = 256;

/// Fails if the kernel can't have the suite, or the keys don't fit it.
[[nodiscard]] Result<Algorithms> algorithms_of(const crypto::CipherSuite& suite,
                                               const sa::ChildKeys& keys);
/// The modules that bring the suite into the kernel, for people: "esp4 esp6 gcm seqiv".
[[nodiscard]] std::string modules_of(const crypto::CipherSuite& suite);

/// From `source` to `destination`: every pair of one family whose protocols go together.
[[nodiscard]] Result<std::vector<Selector>> selectors_of(
    std::span<const wire::ike::TrafficSelector> source,
    std::span<const wire::ike::TrafficSelector> destination);

/// The fewest prefixes that make up first..last, of one family.
[[nodiscard]] std::vector<IpPrefix> prefixes_of_range(const IpAddress& first,
                                                      const IpAddress& last);

}  // namespace anyswan::dataplane::xfrm
