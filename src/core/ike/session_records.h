// SPDX-License-Identifier: Apache-2.0
// A session as the fleet's records: the claim from which any edge can go on, the facts of its
// endpoint and Child SAs, their tombstones; and the way back from a claim.
#pragma once

#include "core/ike/session.h"

namespace anyswan::ike {

/// The IkeSa claim of a session that is Established or Deleting; once Ended its tombstone, without
/// keys, but with the last response, so that any edge can repeat it.
[[nodiscard]] sa::IkeSaRecord claim_of(const Session& session, const EngineConfig& config);
[[nodiscard]] sa::EndpointRecord endpoint_of(const Session& session);
/// Where the peer was when the claim was written.
[[nodiscard]] sa::EndpointRecord endpoint_of(const sa::IkeSaRecord& claim);
/// A Child SA's end: the same SPIs and selectors, keys gone; whether edges still receive on it for
/// a few seconds.
enum class Drain : std::uint8_t { no, yes };
[[nodiscard]] sa::ChildSaRecord tombstone_of(const sa::ChildSaRecord& child, Drain drain);
/// What the session remembers of a Child SA: all but the keys.
[[nodiscard]] sa::ChildSaRecord without_keys(const sa::ChildSaRecord& child);

/// IKE SAs that it works together with: its heir, the one that it is the heir of, the one that our
/// rekey in flight makes (which a former owner may have made already).
[[nodiscard]] std::vector<IkeSpi> kin_of(const Session& session);

/// A row of `anyswan sa list`.
[[nodiscard]] IkeSaSummary summary_of(const Session& session);

/// Rebuilds the session of a claim that isn't ended. A request of ours that contains a DELETE of
/// the IKE SA puts it into Deleting.
[[nodiscard]] Session session_from(Adopt adopt, const EngineConfig& config, Now now);

}  // namespace anyswan::ike
