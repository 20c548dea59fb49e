// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA (RFC 7296 1.3). This release makes no further SAs under an IKE SA: each request
// is refused in the way that tells the peer best what to do instead.
#include "core/ike/exchange/exchange.h"
#include "core/ike/report.h"

namespace anyswan::ike::create_child {

using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

bool has_child(const Session& session, const Bytes& outbound) {
    const auto* sa = std::get_if<Established>(&session.state);
    if (sa == nullptr || outbound.size() != 4) {
        return false;
    }
    for (const sa::ChildSaRecord& child : sa->children) {
        if (child.outbound_spi == EspSpi(load_u32(outbound))) {
            return true;
        }
    }
    return false;
}

Notify refusal(const Session& session, const std::vector<Payload>& payloads) {
    // RFC 7296 2.25: "A TEMPORARY_FAILURE notification SHOULD be sent when a peer receives a
    // request that cannot be completed due to a temporary condition": here, that the IKE SA is
    // ending.
    if (session.is<Deleting>()) {
        return {{}, {}, NotifyType::temporary_failure, {}};
    }
    // RFC 7296 2.25: "A CHILD_SA_NOT_FOUND notification SHOULD be sent when a peer receives a
    // request to rekey a Child SA that does not exist. The SA that the initiator attempted to rekey
    // is indicated by the SPI field in the Notify payload, which is copied".
    const Notify* rekey = find_notify(payloads, NotifyType::rekey_sa);
    if (rekey != nullptr && !has_child(session, rekey->spi)) {
        return {rekey->protocol, rekey->spi, NotifyType::child_sa_not_found, {}};
    }
    // RFC 7296 1.3: "The responder sends a NO_ADDITIONAL_SAS notification to indicate that a
    // CREATE_CHILD_SA request is unacceptable because the responder is unwilling to accept any more
    // Child SAs on this IKE SA. This notification can also be used to reject IKE SA rekey."
    return {{}, {}, NotifyType::no_additional_sas, {}};
}

}  // namespace

void on_request(Session& session, Context& context, const Inbound& in) {
    if (session.is<Deleting>() && !session.in<Deleting>().sa) {
        return context.drop(DropReason::unexpected_exchange, in.path.remote,
                            "CREATE_CHILD_SA before authentication");
    }
    Notify notify = refusal(session, in.payloads);
    report(context, session, EventKind::we_refused,
           name(notify.type) +
               " to CREATE_CHILD_SA; the peer keeps its SAs until they expire and "
               "then starts a new IKE SA");
    respond(session, context, in, {{std::move(notify)}}, {}, Persist::claim);
}

}  // namespace anyswan::ike::create_child
