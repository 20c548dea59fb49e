// SPDX-License-Identifier: Apache-2.0
#include "core/esp/overhead.h"

#include <algorithm>

#include "core/wire/esp/esp.h"

namespace anyswan::esp {

namespace {
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr std::size_t udp_header = 8;
}  // namespace

std::size_t inner_mtu(std::size_t path_mtu, const OuterHeaders& outer,
                      const crypto::CipherSuite& suite) {
    const std::size_t around = (outer.family == IpFamily::v4 ? ipv4_header : ipv6_header) +
                               (outer.udp ? udp_header : 0) + wire::esp::header_size +
                               crypto::iv_size(suite) + crypto::icv_size(suite);
    if (path_mtu <= around) {
        return 0;
    }
    // RFC 4303 2.4: what is encrypted is a whole number of blocks, and of 4-byte words.
    const std::size_t unit = std::max<std::size_t>(4, crypto::block_size(suite));
    const std::size_t encrypted = (path_mtu - around) / unit * unit;
    return encrypted < wire::esp::trailer_size ? 0 : encrypted - wire::esp::trailer_size;
}

}  // namespace anyswan::esp
