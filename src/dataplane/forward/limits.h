// SPDX-License-Identifier: Apache-2.0
// What the forwarder holds back, how much of it and for how long.
#pragma once

#include "base/time.h"

namespace anyswan::dataplane {

// ESP packets of an SPI that isn't installed yet: its record may be on its way through the store.
inline constexpr std::size_t held_packets_per_spi_max = 64;
inline constexpr std::size_t held_packets_max = 4096;
inline constexpr std::size_t held_spis_max = 1024;
inline constexpr Duration held_max = 1s;
/// An SPI is asked about once in this time, whatever came of it.
inline constexpr Duration unknown_spi_interval = 1s;

// Inner packets that wait for sequence numbers.
inline constexpr std::size_t waiting_packets_per_sa_max = 1024;
inline constexpr std::size_t waiting_packets_max = 16384;
inline constexpr Duration waiting_max = 1s;
/// NeedSequence is repeated after this, as long as packets wait.
inline constexpr Duration need_sequence_interval = 200ms;

/// How long an SA that was replaced still receives: longer than packets stay under way.
inline constexpr Duration drain_time = 5s;
/// So long an SA that the peer asked for, in place of none, lets others of the tunnel go first: the
/// peer has our response by then, or it will ask again.
inline constexpr Duration outbound_wait = 1s;

/// Usage reports, and EndpointMoved of one IKE SA, come at most this often.
inline constexpr Duration report_interval = 1s;

/// How often tick() wants to be called.
inline constexpr Duration tick_interval = 50ms;

static_assert(held_packets_per_spi_max <= held_packets_max);
static_assert(waiting_packets_per_sa_max <= waiting_packets_max);
static_assert(tick_interval < need_sequence_interval);

}  // namespace anyswan::dataplane
