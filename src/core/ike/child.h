// SPDX-License-Identifier: Apache-2.0
// Negotiating one Child SA: SA, TSi, TSr payloads against a tunnel's configuration (RFC 7296 2.7,
// 2.9), and the record that results. Used by IKE_AUTH and CREATE_CHILD_SA.
#pragma once

#include "core/ike/session.h"

namespace anyswan::ike {

/// Which exchange makes the Child SA. The first one comes with IKE_AUTH and has no key exchange of
/// its own (RFC 7296 1.2); later ones have the one that the suite names (PFS).
enum class ChildStage : std::uint8_t { first, later };

/// SA, TSi, TSr and, if there, KE of a message, borrowed.
struct ChildPayloads {
    const wire::ike::SecurityAssociation* sa = nullptr;
    const wire::ike::TsInitiator* ts_i = nullptr;
    const wire::ike::TsResponder* ts_r = nullptr;
    const wire::ike::KeyExchange* ke = nullptr;
    /// Nothing if SA, TSi or TSr is missing.
    static std::optional<ChildPayloads> of(const std::vector<wire::ike::Payload>& payloads);
    /// Whether SA, TSi or TSr is there at all.
    static bool any_in(const std::vector<wire::ike::Payload>& payloads);
};

using sa::ChildAgreement;

/// Why a Child SA isn't made: the notify for the peer, the words for the operator.
struct ChildRefusal {
    wire::ike::NotifyType notify{};
    std::string why;
    Bytes data = {};  // of the notify
};

/// The suites of a tunnel that an initiator offers.
[[nodiscard]] std::vector<crypto::EspSuite> child_suites(const sa::TunnelRecord& tunnel,
                                                         ChildStage stage);

/// Initiator: the payloads that ask for the tunnel's Child SA.
[[nodiscard]] std::vector<wire::ike::Payload> offer_child(const Session& session,
                                                          const sa::TunnelRecord& tunnel,
                                                          EspSpi inbound,
                                                          ChildStage stage = ChildStage::first);
/// Initiator: whether the answer lies within what we offered; else why not.
[[nodiscard]] Expected<ChildAgreement, std::string> check_child(
    const Session& session, const sa::TunnelRecord& tunnel, EspSpi inbound,
    const ChildPayloads& answer, ChildStage stage = ChildStage::first);

/// Responder: chooses and narrows; on success also the payloads that say so.
struct AcceptedChild {
    ChildAgreement agreement;
    std::vector<wire::ike::Payload> payloads;
};
[[nodiscard]] Expected<AcceptedChild, ChildRefusal> accept_child(
    const Session& session, Context& context, const sa::TunnelRecord& tunnel,
    const ChildPayloads& offer, ChildStage stage = ChildStage::first);

/// What goes into the ChildSa fact besides the agreement: `nonces` of the exchange that made it,
/// which `we_began` or the peer; with PFS `shared_secret` and those of additional key exchanges;
/// the Child SA that it replaces.
struct ChildMaker {
    NoncePair nonces;
    bool we_began = false;
    ByteView shared_secret = {};
    ByteView additional = {};
    EspSpi replaces = {};
};
/// With keys.
[[nodiscard]] sa::ChildSaRecord make_child(const Session& session, const Context& context,
                                           const sa::TunnelRecord& tunnel, ChildAgreement agreement,
                                           const ChildMaker& maker);
/// Adds the event child_sa_established or child_sa_rekeyed.
void report_child(Context& context, const Session& session, const sa::ChildSaRecord& child);

// The Child SAs of a session.

[[nodiscard]] const sa::ChildSaRecord* find_child(const Established& sa, EspSpi inbound);
/// By the peer's inbound SPI; nothing if `spi` isn't four bytes either.
[[nodiscard]] const sa::ChildSaRecord* find_child_of_peer(const Established& sa, ByteView spi);
/// As notifies and Delete payloads carry it.
[[nodiscard]] Bytes spi_bytes(EspSpi spi);
/// Whether another living Child SA was made in its place.
[[nodiscard]] bool is_replaced(const Established& sa, EspSpi inbound);
/// Whether our DELETE of it waits or is under way.
[[nodiscard]] bool is_deleting(const Established& sa, EspSpi inbound);
/// The same, but under way.
[[nodiscard]] bool is_closing(const Established& sa, EspSpi inbound);
/// Takes it out of the session: its tombstone, which says whether a rekey was the reason.
[[nodiscard]] std::optional<sa::ChildSaRecord> bury_child(Established& sa, EspSpi inbound);

}  // namespace anyswan::ike
