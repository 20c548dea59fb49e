// SPDX-License-Identifier: Apache-2.0
// ESP packets that outran their SA: its record is still on its way here. The kernel drops them;
// what the tap has seen of them waits, a bounded number for a bounded time, while the edge is asked
// who knows the SPI. When the SA is in force they come in once more, over the loopback interface,
// and the kernel opens them.
//
// A packet may so reach the kernel twice, if it came in the moment in which the SA was installed:
// the SA's replay window is for that.
#pragma once

#include "dataplane/forward/held_packets.h"
#include "net/esp_tap.h"
#include "net/raw_ip.h"

namespace anyswan::dataplane::xfrm {

class Outrun {
public:
    using Known = std::function<bool(EspSpi)>;

    /// `injector` passes by IPsec policies. `drops` outlives the object.
    Outrun(net::EspTap tap, net::RawIpSender injector, esp::DropCounts& drops)
        : tap_(std::move(tap)), injector_(std::move(injector)), drops_(drops), held_(drops) {}

    [[nodiscard]] std::array<int, 2> fds() const { return tap_.fds(); }
    /// The kernel has the SA. False: there is no room for more, the tap sees all packets of it.
    [[nodiscard]] bool know(EspSpi spi) const { return tap_.know(spi); }
    void forget(EspSpi spi) const { tap_.forget(spi); }

    /// Takes what came; packets of SAs that are `known` by now go to the kernel at once.
    void receive(Instant now, const Known& known, std::vector<Event>& events);
    /// Gives the kernel what waited for the SA.
    void release(EspSpi spi);
    void deny(EspSpi spi, Instant now) { held_.deny(spi, now); }
    void tick(Instant now) { held_.tick(now); }

    [[nodiscard]] std::uint64_t held() const { return held_count_; }
    [[nodiscard]] std::uint64_t returned() const { return returned_; }

private:
    void take(MutableBytes bytes, Instant now, const Known& known, std::vector<Event>& events);
    void give_back(ByteView packet);

    net::EspTap tap_;
    net::RawIpSender injector_;
    esp::DropCounts& drops_;
    HeldPackets held_;
    std::uint64_t held_count_ = 0;
    std::uint64_t returned_ = 0;
};

}  // namespace anyswan::dataplane::xfrm
