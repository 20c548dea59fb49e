// SPDX-License-Identifier: Apache-2.0
// Choosing what both sides can do: proposals (RFC 7296 2.7, 3.3) and traffic selectors (RFC 7296
// 2.9). Pure functions on wire values; both roles.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/crypto/suites.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike {

/// A suite and the Proposal that says so to the peer: its number and SPI field as offered, exactly
/// one transform of each type.
template <class Suite>
struct Chosen {
    Suite suite;
    wire::ike::Proposal proposal;
};

/// The part of `offered` that says `suite`, or nothing if it can't be read out of it.
[[nodiscard]] std::optional<wire::ike::Proposal> match(const crypto::IkeSuite& suite,
                                                       const wire::ike::Proposal& offered);
/// Whether a Child SA's proposals are about a key exchange too. In IKE_AUTH they are not: such
/// transforms are read over there.
enum class ChildKe : std::uint8_t { ignored, negotiated };
/// The same for ESP.
[[nodiscard]] std::optional<wire::ike::Proposal> match(const crypto::EspSuite& suite,
                                                       const wire::ike::Proposal& offered,
                                                       ChildKe ke = ChildKe::ignored);

/// The first of our suites that some offered proposal contains.
[[nodiscard]] std::optional<Chosen<crypto::IkeSuite>> choose(
    std::span<const crypto::IkeSuite> preferred, const wire::ike::SecurityAssociation& offered);
[[nodiscard]] std::optional<Chosen<crypto::EspSuite>> choose(
    std::span<const crypto::EspSuite> preferred, const wire::ike::SecurityAssociation& offered,
    ChildKe ke = ChildKe::ignored);

/// What an initiator offers: one proposal per suite, numbered from 1 in order of preference.
/// `spi`: our SPI of the new IKE SA when one is rekeyed, else 0 (RFC 7296 3.3.1).
[[nodiscard]] wire::ike::SecurityAssociation offer(std::span<const crypto::IkeSuite> suites,
                                                   IkeSpi spi = {});
/// `spi`: our inbound SPI, in each proposal.
[[nodiscard]] wire::ike::SecurityAssociation offer(std::span<const crypto::EspSuite> suites,
                                                   EspSpi spi);

/// Which of the suites that `offer` made a responder chose; nothing if it didn't choose exactly one
/// of them.
[[nodiscard]] std::optional<crypto::IkeSuite> accepted(
    std::span<const crypto::IkeSuite> offered, const wire::ike::SecurityAssociation& answer);
[[nodiscard]] std::optional<crypto::EspSuite> accepted(std::span<const crypto::EspSuite> offered,
                                                       const wire::ike::SecurityAssociation& answer,
                                                       ChildKe ke = ChildKe::ignored);

/// The 8-byte IKE SPI of a proposal to rekey; nothing if it has another size or is zero.
[[nodiscard]] std::optional<IkeSpi> ike_spi(const wire::ike::Proposal& proposal);
/// The 4-byte ESP SPI of a proposal; nothing if it has another size or is reserved (RFC 4303 2.1).
[[nodiscard]] std::optional<EspSpi> esp_spi(const wire::ike::Proposal& proposal);

/// RFC 7296 2.9: what of `offered` lies within `allowed`, in the offered order, without repeats.
[[nodiscard]] std::vector<wire::ike::TrafficSelector> narrow(
    const std::vector<wire::ike::TrafficSelector>& offered,
    const std::vector<wire::ike::TrafficSelector>& allowed);
/// Whether each of `inner` lies within one of `outer`.
[[nodiscard]] bool within(const std::vector<wire::ike::TrafficSelector>& inner,
                          const std::vector<wire::ike::TrafficSelector>& outer);
/// Drops from both lists what is of an address family that the other list lacks: no packet could
/// match it.
void keep_common_families(std::vector<wire::ike::TrafficSelector>& a,
                          std::vector<wire::ike::TrafficSelector>& b);
[[nodiscard]] std::vector<wire::ike::TrafficSelector> selectors_of(
    const std::vector<IpPrefix>& prefixes);

}  // namespace anyswan::ike
