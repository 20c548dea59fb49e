// SPDX-License-Identifier: Apache-2.0
// Strong integers: every number that travels between modules has a type of its own, so that an SPI
// can't be passed where a message ID is wanted.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace anyswan {

template <class Tag, class Rep>
class Strong {
public:
    using Value = Rep;
    constexpr Strong() = default;
    constexpr explicit Strong(Rep value) : value_(value) {}

    [[nodiscard]] constexpr Rep value() const { return value_; }
    constexpr auto operator<=>(const Strong&) const = default;
    /// The successor; wrapping is the caller's business (compare first where it matters).
    [[nodiscard]] constexpr Strong next() const { return Strong(static_cast<Rep>(value_ + 1)); }

private:
    Rep value_ = 0;
};

/// IKE SA SPI, RFC 7296 3.1. Zero only as the responder SPI of the first IKE_SA_INIT request.
using IkeSpi = Strong<struct IkeSpiTag, std::uint64_t>;
/// ESP SPI, RFC 4303 2.1. 0 means "none"; 1..255 are reserved.
using EspSpi = Strong<struct EspSpiTag, std::uint32_t>;
/// IKEv2 message ID, RFC 7296 2.2.
using MessageId = Strong<struct MessageIdTag, std::uint32_t>;
/// ESP sequence number; 64 bits also where only the low 32 travel (RFC 4303 2.2.1).
using SequenceNumber = Strong<struct SequenceNumberTag, std::uint64_t>;
/// Number of an edge in its fleet; the top 16 bits of the IKE responder SPIs it allocates.
using EdgeId = Strong<struct EdgeIdTag, std::uint16_t>;
/// One start of a dataplane role; 24 bits, 1..2^24-1 (leads every AEAD IV it writes).
using Incarnation = Strong<struct IncarnationTag, std::uint32_t>;
/// Position in a store's history; grows with each write. 0 is "before the first".
using Revision = Strong<struct RevisionTag, std::uint64_t>;
/// Ownership term of an IKE SA: each takeover is epoch + 1.
using Epoch = Strong<struct EpochTag, std::uint64_t>;

}  // namespace anyswan

template <class Tag, class Rep>
struct std::hash<anyswan::Strong<Tag, Rep>> {
    std::size_t operator()(const anyswan::Strong<Tag, Rep>& strong) const noexcept {
        return std::hash<Rep>{}(strong.value());
    }
};
