// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/checksum.h"

#include "base/check.h"

namespace anyswan::wire::ip {

namespace {

std::uint16_t fold(ChecksumSum sum) {
    while (sum > 0xffff) {
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(sum);
}

}  // namespace

ChecksumSum checksum_add(ChecksumSum sum, ByteView bytes) {
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) {
        sum += (static_cast<ChecksumSum>(bytes[i]) << 8U) | bytes[i + 1];
    }
    if (i < bytes.size()) {
        sum += static_cast<ChecksumSum>(bytes[i]) << 8U;
    }
    return sum;
}

std::uint16_t checksum_finish(ChecksumSum sum) {
    return static_cast<std::uint16_t>(~fold(sum));
}

std::uint16_t checksum(ByteView bytes) {
    return checksum_finish(checksum_add(0, bytes));
}

std::uint16_t checksum_update(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) {
    // RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m')
    const ChecksumSum sum = static_cast<ChecksumSum>(static_cast<std::uint16_t>(~checksum)) +
                            static_cast<std::uint16_t>(~before) + after;
    return checksum_finish(sum);
}

ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                              std::uint8_t protocol, std::size_t length) {
    check(source.family() == destination.family(), "pseudo header of two families");
    ChecksumSum sum = checksum_add(0, source.bytes());
    sum = checksum_add(sum, destination.bytes());
    return sum + protocol + (length >> 16U) + (length & 0xffffU);
}

}  // namespace anyswan::wire::ip
