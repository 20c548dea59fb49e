// SPDX-License-Identifier: Apache-2.0
// Explicit congestion notification through a tunnel (RFC 6040): the outer header starts with the
// inner field; on the way out the inner field learns what the outer one met.
#pragma once

#include <cstdint>
#include <optional>

namespace anyswan::wire::ip {

/// The two low bits of the traffic class, RFC 3168 5.
enum class Ecn : std::uint8_t { not_ect = 0, ect_1 = 1, ect_0 = 2, ce = 3 };

[[nodiscard]] constexpr Ecn ecn_of(std::uint8_t traffic_class) {
    return static_cast<Ecn>(traffic_class & 3U);
}

[[nodiscard]] constexpr std::uint8_t with_ecn(std::uint8_t traffic_class, Ecn ecn) {
    return static_cast<std::uint8_t>((traffic_class & 0xfcU) | static_cast<unsigned>(ecn));
}

/// RFC 6040 4.2, figure 4: the field to forward, or nothing: the packet must be dropped.
[[nodiscard]] constexpr std::optional<Ecn> ecn_decapsulate(Ecn inner, Ecn outer) {
    switch (outer) {
        case Ecn::not_ect:
        case Ecn::ect_0:
            return inner;
        case Ecn::ect_1:
            return inner == Ecn::ect_0 ? Ecn::ect_1 : inner;
        case Ecn::ce:
            // "If the inner ECN field is Not-ECT and the outer ECN field is CE, the decapsulator
            // MUST drop the packet": its sender would not understand the mark.
            if (inner == Ecn::not_ect) {
                return std::nullopt;
            }
            return Ecn::ce;
    }
    return inner;
}

}  // namespace anyswan::wire::ip
