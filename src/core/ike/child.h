// SPDX-License-Identifier: Apache-2.0
// Negotiating one Child SA: SA, TSi, TSr payloads against a tunnel's configuration (RFC 7296 2.7,
// 2.9), and the record that results. Used by IKE_AUTH; CREATE_CHILD_SA will use it too.
#pragma once

#include "core/ike/session.h"

namespace anyswan::ike {

/// SA, TSi and TSr of a message, borrowed.
struct ChildPayloads {
    const wire::ike::SecurityAssociation* sa = nullptr;
    const wire::ike::TsInitiator* ts_i = nullptr;
    const wire::ike::TsResponder* ts_r = nullptr;
    /// Nothing if one of them is missing.
    static std::optional<ChildPayloads> of(const std::vector<wire::ike::Payload>& payloads);
};

/// What both sides agreed on; `local_ts`, `remote_ts` from our point of view.
struct ChildAgreement {
    crypto::EspSuite suite;
    EspSpi inbound_spi;
    EspSpi outbound_spi;
    std::vector<wire::ike::TrafficSelector> local_ts;
    std::vector<wire::ike::TrafficSelector> remote_ts;
};

/// Why a Child SA isn't made: the notify for the peer, the words for the operator.
struct ChildRefusal {
    wire::ike::NotifyType notify{};
    std::string why;
};

/// Initiator: the payloads that ask for the tunnel's Child SA.
[[nodiscard]] std::vector<wire::ike::Payload> offer_child(const sa::TunnelRecord& tunnel,
                                                          EspSpi inbound);
/// Initiator: whether the answer lies within what we offered; else why not.
[[nodiscard]] Expected<ChildAgreement, std::string> check_child(const sa::TunnelRecord& tunnel,
                                                                EspSpi inbound,
                                                                const ChildPayloads& answer);

/// Responder: chooses and narrows; on success also the payloads that say so.
struct AcceptedChild {
    ChildAgreement agreement;
    std::vector<wire::ike::Payload> payloads;
};
[[nodiscard]] Expected<AcceptedChild, ChildRefusal> accept_child(Context& context,
                                                                 const sa::TunnelRecord& tunnel,
                                                                 const ChildPayloads& offer);

/// The ChildSa fact, with keys; `nonces` of the exchange that made it, which `we_began` or the
/// peer.
struct ChildMaker {
    NoncePair nonces;
    bool we_began = false;
};
[[nodiscard]] sa::ChildSaRecord make_child(const Session& session, const Context& context,
                                           const sa::TunnelRecord& tunnel, ChildAgreement agreement,
                                           const ChildMaker& maker);
/// Adds the event child_sa_established.
void report_child(Context& context, const Session& session, const sa::ChildSaRecord& child);

}  // namespace anyswan::ike
