// SPDX-License-Identifier: Apache-2.0
// INFORMATIONAL (RFC 7296 1.4): liveness checks, DELETE of IKE and Child SAs, notifies. Both roles.
#include "core/ike/exchange/exchange.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike::informational {

using wire::ike::Delete;
using wire::ike::ExchangeType;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

namespace {

Established& established(Session& session) {
    if (auto* deleting = std::get_if<Deleting>(&session.state)) {
        check(deleting->sa.has_value(), "IKE SA that was never established");
        return *deleting->sa;
    }
    return session.in<Established>();
}

bool deletes_ike_sa(const std::vector<Payload>& payloads) {
    for (const Payload& payload : payloads) {
        const auto* gone = std::get_if<Delete>(&payload.body);
        if (gone != nullptr && gone->protocol == ProtocolId::ike) {
            return true;
        }
    }
    return false;
}

/// RFC 7296 2.21.2: "In an IKE_AUTH exchange, or in the INFORMATIONAL exchange immediately
/// following it ..., the UNSUPPORTED_CRITICAL_PAYLOAD, INVALID_SYNTAX, and AUTHENTICATION_FAILED
/// notifications are the only ones to cause the IKE SA to be deleted ... without a Delete payload."
std::optional<NotifyType> fatal_notify(const Session& session, const Inbound& in) {
    if (session.we_initiated || in.header.message_id != MessageId(2)) {
        return std::nullopt;
    }
    for (const NotifyType type : {NotifyType::authentication_failed, NotifyType::invalid_syntax,
                                  NotifyType::unsupported_critical_payload}) {
        if (wire::ike::find_notify(in.payloads, type) != nullptr) {
            return type;
        }
    }
    return std::nullopt;
}

void end_by_peer(Session& session, Context& context, const Inbound& in) {
    Ending ending = end(session, context);
    respond(session, context, in, {}, std::move(ending.writes), ending.persist);
}

/// Takes the Child SA out whose outbound SPI (the peer's inbound one) this is.
std::optional<sa::ChildSaRecord> take_child(Session& session, ByteView spi) {
    if (spi.size() != 4) {
        return std::nullopt;
    }
    auto& children = established(session).children;
    for (auto it = children.begin(); it != children.end(); ++it) {
        if (it->outbound_spi == EspSpi(load_u32(spi))) {
            sa::ChildSaRecord child = std::move(*it);
            children.erase(it);
            return child;
        }
    }
    return std::nullopt;
}

/// RFC 7296 1.4.1: "To delete an SA, an INFORMATIONAL exchange with one or more Delete payloads is
/// sent listing the SPIs (as they would be expected in the headers of inbound packets) of the SAs
/// to be deleted. The recipient MUST close the designated SAs. ... Normally, the response ... will
/// contain Delete payloads for the paired SAs going in the other direction."
void delete_children(Session& session, Context& context, const Inbound& in) {
    Delete paired{ProtocolId::esp, 4, {}};
    std::vector<Write> writes;
    for (const Payload& payload : in.payloads) {
        const auto* gone = std::get_if<Delete>(&payload.body);
        if (gone == nullptr || gone->protocol != ProtocolId::esp) {
            continue;
        }
        for (const Bytes& spi : gone->spis) {
            if (const auto child = take_child(session, spi)) {
                Writer inbound;
                inbound.u32(child->inbound_spi.value());
                paired.spis.push_back(std::move(inbound).take());
                writes.emplace_back(tombstone_of(*child));
                report(context, session, EventKind::child_sa_ended,
                       "Child SA " + hex(child->inbound_spi) + " in, " + hex(child->outbound_spi) +
                           " out: deleted by the peer",
                       child->inbound_spi);
            }
        }
    }
    std::vector<Payload> payloads;
    if (!paired.spis.empty()) {
        payloads.push_back({std::move(paired)});
    }
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
}

}  // namespace

void on_request(Session& session, Context& context, const Inbound& in) {
    if (session.is<Deleting>() && !session.in<Deleting>().sa) {
        // We told it that its AUTH failed; whatever it says now is from someone we don't know.
        return context.drop(DropReason::unexpected_exchange, in.path.remote,
                            "INFORMATIONAL before authentication");
    }
    if (const auto fatal = fatal_notify(session, in)) {
        report(context, session, EventKind::peer_refused,
               name(*fatal) + " by the peer after IKE_AUTH; the IKE SA ends" +
                   (*fatal == NotifyType::authentication_failed
                        ? ": it does not accept our identity or AUTH value; compare the pre-shared "
                          "key and the identity it expects of us"
                        : ""));
        return end_by_peer(session, context, in);
    }
    // RFC 7296 2.25.2: "If a peer receives a request to close an IKE SA that it is currently ...
    // trying to close, it SHOULD reply as usual, and forget about its own close request."
    if (deletes_ike_sa(in.payloads)) {
        report(context, session, EventKind::ike_sa_ended, "IKE SA deleted by the peer");
        return end_by_peer(session, context, in);
    }
    if (in.payloads.empty()) {
        // A liveness check; window.h tells why the store need not know.
        return respond(session, context, in, {}, {}, Persist::nothing);
    }
    delete_children(session, context, in);
}

void on_response(Session& session, Context& context, std::vector<Write> moved) {
    if (session.is<Deleting>()) {
        if (session.in<Deleting>().sa) {
            report(context, session, EventKind::ike_sa_ended, "IKE SA ended on our request");
        }
        return end_now(session, context);
    }
    if (session.in<Established>().terminate_wanted) {
        return send_delete(session, context, std::move(moved));
    }
    // The claim must forget the request: a successor that sent it again much later might get no
    // answer, since "responders are allowed to forget the response after a timeout of several
    // minutes" (RFC 7296 2.1), and would take the peer for dead.
    moved.emplace_back(claim_of(session, context.config));
    act(session, context, std::move(moved), {});
}

void send_delete(Session& session, Context& context, std::vector<Write> writes) {
    become(session, Deleting{std::move(session.in<Established>())});
    request(session, context, ExchangeType::informational, {{Delete{ProtocolId::ike, 0, {}}}},
            std::move(writes), Persist::claim);
}

}  // namespace anyswan::ike::informational
