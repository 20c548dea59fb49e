// SPDX-License-Identifier: Apache-2.0
// INFORMATIONAL (RFC 7296 1.4): liveness checks, DELETE of IKE and Child SAs, notifies. Both roles.
#include "core/ike/child.h"
#include "core/ike/configuration.h"
#include "core/ike/exchange/mobike.h"
#include "core/ike/exchange/redirect.h"
#include "core/ike/limits.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike::informational {

using wire::ike::Delete;
using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

namespace {

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
    if (session.origin_initiated || session.origin != session.our_spi ||
        in.header.message_id != MessageId(2)) {
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

/// The peer answered our request for a Child SA, and deletes what it made before its answer comes.
void note_gone(Established& sa, const Bytes& spi) {
    auto* create = sa.asked ? std::get_if<in_flight::CreateChild>(&*sa.asked) : nullptr;
    if (create != nullptr && spi.size() == 4 && create->gone.size() < children_max) {
        create->gone.emplace_back(load_u32(spi));
    }
}

/// RFC 7296 1.4.1: "To delete an SA, an INFORMATIONAL exchange with one or more Delete payloads is
/// sent listing the SPIs (as they would be expected in the headers of inbound packets) of the SAs
/// to be deleted. The recipient MUST close the designated SAs. ... Normally, the response ... will
/// contain Delete payloads for the paired SAs going in the other direction."
void delete_children(Session& session, Context& context, const Inbound& in) {
    Established& sa = *established(session);
    Delete paired{ProtocolId::esp, 4, {}};
    std::vector<Write> writes;
    for (const Payload& payload : in.payloads) {
        const auto* gone = std::get_if<Delete>(&payload.body);
        if (gone == nullptr || gone->protocol != ProtocolId::esp) {
            continue;
        }
        for (const Bytes& spi : gone->spis) {
            const sa::ChildSaRecord* found = find_child_of_peer(sa, spi);
            if (found == nullptr) {
                note_gone(sa, spi);
                continue;
            }
            const EspSpi inbound = found->inbound_spi;
            // "If a node receives a delete request for SAs for which it has already issued a delete
            // request ... the responses MUST NOT include Delete payloads for the deleted SAs, since
            // that would result in duplicate deletion and could in theory delete the wrong SA."
            if (!is_closing(sa, inbound)) {
                paired.spis.push_back(spi_bytes(inbound));
            }
            writes.emplace_back(*bury_child(sa, inbound));
            report(context, session, EventKind::child_sa_ended,
                   "Child SA " + hex(inbound) + ": deleted by the peer", inbound);
        }
    }
    std::vector<Payload> payloads = mobike::on_request(session, context, in, writes);
    if (!paired.spis.empty()) {
        payloads.push_back({std::move(paired)});
    }
    configuration::answer(in.payloads, payloads);
    respond(session, context, in, payloads, std::move(writes), Persist::claim);
    mobike::go_on(session, context);
    // RFC 5685 5: "Once the client sends an acknowledgement to the gateway, it SHOULD delete the
    // existing security associations with the old gateway".
    if (session.is<Established>() && redirect::follow(session, context, in.payloads)) {
        wish(session, context, task::DeleteIke{});
    }
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
    if (Message::find_in<Delete>(in.payloads) != nullptr) {
        rekey_ike::accept_estate(session, context);
    }
    delete_children(session, context, in);
}

void on_response(Session& session, Context& context) {
    if (const auto& sa = session.in<Deleting>().sa) {
        report(context, session, EventKind::ike_sa_ended,
               sa->successor != IkeSpi{} ? "the rekeyed IKE SA is gone"
                                         : "IKE SA ended on our request");
    }
    end_now(session, context);
}

void send_delete(Session& session, Context& context, std::vector<Write> writes) {
    become(session, Deleting{std::move(session.in<Established>())});
    request(session, context, ExchangeType::informational, {{Delete{ProtocolId::ike, 0, {}}}},
            std::move(writes), Persist::claim);
}

}  // namespace anyswan::ike::informational

namespace anyswan::ike::tasks {

Started start(Session& session, Context& context, const task::Probe&, Wish&,
              std::vector<Write>& writes) {
    session.in<Established>().asked = in_flight::Probe{};
    std::vector<wire::ike::Payload> payloads;
    mobike::append_to_probe(payloads, session, context);
    request(session, context, wire::ike::ExchangeType::informational, payloads, std::move(writes),
            Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context&, const Inbound& in, in_flight::Probe&, std::vector<Write>&) {
    mobike::on_probe_answer(session, in);
}

Started start(Session& session, Context& context, const task::DeleteChildren& task, Wish&,
              std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    in_flight::DeleteChildren asked;
    wire::ike::Delete gone{wire::ike::ProtocolId::esp, 4, {}};
    for (const EspSpi inbound : task.inbound) {
        if (task.unknown || find_child(sa, inbound) != nullptr) {
            asked.inbound.push_back(inbound);
            gone.spis.push_back(spi_bytes(inbound));
        }
    }
    if (asked.inbound.empty()) {
        return Started::moot;
    }
    sa.asked = std::move(asked);
    request(session, context, wire::ike::ExchangeType::informational, {{std::move(gone)}},
            std::move(writes), Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context& context, const Inbound&, in_flight::DeleteChildren& asked,
            std::vector<Write>& writes) {
    Established& sa = session.in<Established>();
    for (const EspSpi inbound : asked.inbound) {
        // Gone already if the peer's DELETE of it crossed ours.
        if (auto tombstone = bury_child(sa, inbound)) {
            writes.emplace_back(std::move(*tombstone));
            report(context, session, EventKind::child_sa_ended,
                   "Child SA " + hex(inbound) + ": deleted on our request", inbound);
        }
    }
}

Started start(Session& session, Context& context, const task::DeleteIke&, Wish&,
              std::vector<Write>& writes) {
    informational::send_delete(session, context, std::move(writes));
    return Started::yes;
}

}  // namespace anyswan::ike::tasks
