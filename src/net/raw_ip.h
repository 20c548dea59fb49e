// SPDX-License-Identifier: Apache-2.0
// Whole IP packets, given to the network stack as if the host sent them, whatever their source.
#pragma once

#include "base/ip.h"
#include "net/fd.h"

namespace anyswan::net {

class RawIpSender {
public:
    /// Needs CAP_NET_RAW.
    static Result<RawIpSender> open();
    /// No IPsec policy touches what it sends.
    Status bypass_ipsec() const;
    /// The mark leads routing rules and IPsec policies. False: no IP packet, or the stack refused.
    [[nodiscard]] bool send(ByteView packet, std::uint32_t mark = 0);

private:
    RawIpSender(Fd v4, Fd v6) : v4_(std::move(v4)), v6_(std::move(v6)) {}
    Fd v4_;
    Fd v6_;  // not valid without IPv6
    std::uint32_t mark_ = 0;
};

}  // namespace anyswan::net
