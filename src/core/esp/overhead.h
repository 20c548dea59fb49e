// SPDX-License-Identifier: Apache-2.0
// How much room ESP takes on the path, and what is left for the inner packet.
#pragma once

#include "base/ip.h"
#include "core/crypto/suites.h"

namespace anyswan::esp {

/// What goes around the ESP packet.
struct OuterHeaders {
    IpFamily family = IpFamily::v6;
    bool udp = true;
};

/// The biggest inner packet whose ESP packet, with its outer headers, has at most `path_mtu` bytes.
/// 0: not even an empty one fits.
[[nodiscard]] std::size_t inner_mtu(std::size_t path_mtu, const OuterHeaders& outer,
                                    const crypto::CipherSuite& suite);

/// inner_mtu() of a 1500-byte path for the most expensive suite and outer headers (IPv6, UDP,
/// AES-CBC with HMAC-SHA2-512-256): safe for every tunnel.
inline constexpr std::size_t default_inner_mtu = 1390;

}  // namespace anyswan::esp
