// SPDX-License-Identifier: Apache-2.0
// ESP packets that the kernel's IPsec can't open, since nobody has told it their SPI: Linux drops
// them without a word. Two packet sockets look at what comes in; a BPF program with the set of
// known SPIs lets only ESP (raw, or in UDP) with other ones through, so that a packet of an SA in
// force costs a few dozen instructions and one look into a hash table, and is never copied.
//
// The kernel goes on with the packets as if nobody looked.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "base/ip.h"
#include "base/strong.h"
#include "net/fd.h"

namespace anyswan::net {

class EspTap {
public:
    /// Packets to these addresses alone; an unspecified one stands for all. Needs CAP_NET_RAW and
    /// CAP_BPF (or CAP_SYS_ADMIN), Linux 5.1 with CONFIG_BPF_SYSCALL and CONFIG_PACKET; the error
    /// says so.
    static Result<EspTap> open(std::span<const IpAddress> addresses, std::uint16_t natt_port);

    /// The kernel knows the SPI from now on. False: the set is full.
    [[nodiscard]] bool know(EspSpi spi) const;
    void forget(EspSpi spi) const;

    /// Readable when packets are there: one for IPv4, one for IPv6.
    [[nodiscard]] std::array<int, 2> fds() const { return {v4_.get(), v6_.get()}; }
    /// Hands over whole IP packets, at most `count_max`, and never blocks. False: none are left.
    [[nodiscard]] bool receive(std::size_t count_max,
                               const std::function<void(MutableBytes)>& each);

private:
    EspTap(Fd map, Fd v4, Fd v6);
    Fd map_;
    Fd v4_;
    Fd v6_;
    Bytes buffer_;
};

}  // namespace anyswan::net
