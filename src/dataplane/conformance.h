// SPDX-License-Identifier: Apache-2.0
// What every driver must do, as one GoogleTest suite. A driver's test program instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(User, DriverConformance, ::testing::Values(&make_user_host));
//
// A host is a driver with its surroundings: the test plays the peers outside, and the host's
// network stack inside.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/result.h"
#include "core/esp/packet.h"
#include "dataplane/driver.h"

namespace anyswan::dataplane::conformance {

// The driver's addresses and ports; peers are the .2 and .3 of each prefix.
inline constexpr const char* driver_v4 = "192.0.2.1";
inline constexpr const char* driver_v6 = "2001:db8:ff::1";
inline constexpr std::uint16_t ike_port = 500;
inline constexpr std::uint16_t natt_port = 4500;

class Host {
public:
    virtual ~Host() = default;
    [[nodiscard]] virtual Driver& driver() = 0;

    /// A peer at `remote` sends ESP to the driver at `local`; port 0: without UDP.
    virtual void send_esp(const Endpoint& remote, const Endpoint& local, ByteView esp,
                          std::uint8_t traffic_class) = 0;
    virtual void send_ike(const Endpoint& remote, const Endpoint& local, ByteView message) = 0;
    /// The host's stack sends an inner packet of account acme.
    virtual void send_inner(ByteView packet) = 0;

    /// What arrived since the last call, moved to the end of the lists.
    virtual void collect_esp(std::vector<esp::OuterPacket>& to) = 0;  // at peers; local is theirs
    virtual void collect_inner(std::vector<Bytes>& to) = 0;           // at the stack, acme's
    virtual void collect_ike_at_peers(std::vector<IkeDatagram>& to) = 0;
    virtual void collect_events(std::vector<Event>& to) = 0;
    virtual void collect_ike(std::vector<IkeDatagram>& to) = 0;  // out of the driver
    /// Lets a little time pass (tens of milliseconds, real or not).
    virtual void wait_a_little() = 0;
    /// The kernel drops ESP with an SPI that it doesn't know, and tells nobody; it reports what
    /// came in on an SA a moment later.
    [[nodiscard]] virtual bool kernel_opens_esp() const { return false; }
    /// Packets that come before their SA wait for it.
    [[nodiscard]] virtual bool holds_unknown_spis() const { return true; }
};

using MakeHost = Result<std::unique_ptr<Host>> (*)();

class DriverConformance : public ::testing::TestWithParam<MakeHost> {};

}  // namespace anyswan::dataplane::conformance
