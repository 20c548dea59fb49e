// SPDX-License-Identifier: Apache-2.0
// Where an IKE datagram belongs: anycast may put any datagram of an IKE SA on any edge. Pure.
#pragma once

#include <variant>

#include "base/bytes.h"
#include "base/strong.h"

namespace anyswan::edge {

/// To the engine of the edge where it landed.
struct SteerHere {};
/// To whoever owns the IKE SA with this SPI of ours; until an owner dies that is edge_of(ours).
struct SteerToOwner {
    IkeSpi ours;
};
/// Not IKEv2 at all: too short.
struct SteerNowhere {};
using Steering = std::variant<SteerHere, SteerToOwner, SteerNowhere>;

/// The edge that allocated one of our IKE SPIs: its top 16 bits.
[[nodiscard]] constexpr EdgeId edge_of(IkeSpi ours) {
    return EdgeId(static_cast<std::uint16_t>(ours.value() >> 48U));
}

/// Looks at the header alone. Our SPI is the responder's if the peer is the original initiator,
/// else the initiator's; an IKE_SA_INIT request carries none yet and belongs where it lands.
[[nodiscard]] Steering steer(ByteView datagram);

}  // namespace anyswan::edge
