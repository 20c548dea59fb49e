// SPDX-License-Identifier: Apache-2.0
// Session to records and back.
#include "core/ike/session_records.h"

#include "core/ike/auth/identity.h"
#include "core/ike/child.h"
#include "core/ike/exchange/mobike.h"
#include "core/ike/limits.h"
#include "core/ike/negotiate.h"
#include "core/ike/offer.h"
#include "core/ike/pending.h"
#include "core/ike/queue.h"
#include "core/sa/weak.h"

namespace anyswan::ike {

using wire::ike::Payload;

namespace {

void put_keys(sa::IkeSaRecord& record, const IkeKeys& keys) {
    record.sk_d = keys.d.clone();
    record.sk_ai = keys.ai.clone();
    record.sk_ar = keys.ar.clone();
    record.sk_ei = keys.ei.clone();
    record.sk_er = keys.er.clone();
    record.sk_pi = keys.pi.clone();
    record.sk_pr = keys.pr.clone();
}

IkeKeys take_keys(sa::IkeSaRecord& record) {
    return {std::move(record.sk_d),  std::move(record.sk_ai), std::move(record.sk_ar),
            std::move(record.sk_ei), std::move(record.sk_er), std::move(record.sk_pi),
            std::move(record.sk_pr)};
}

/// The Child SAs a claim names; those whose fact is missing are known by their inbound SPI alone.
std::vector<sa::ChildSaRecord> children_of(const sa::IkeSaRecord& record,
                                           const std::vector<sa::ChildSaRecord>& facts) {
    std::vector<sa::ChildSaRecord> children;
    for (const EspSpi spi : record.children) {
        sa::ChildSaRecord child;
        child.inbound_spi = spi;
        child.ike_spi = record.origin;
        child.tunnel = record.tunnel;
        for (const sa::ChildSaRecord& fact : facts) {
            if (fact.inbound_spi == spi) {
                child = without_keys(fact);
            }
        }
        children.push_back(std::move(child));
    }
    return children;
}

std::optional<in_flight::Rival> rival_of(const sa::RequestInFlight& request) {
    return request.rival == 0 ? std::nullopt
                              : std::optional(in_flight::Rival{request.rival, request.rival_nonce});
}

/// Our CREATE_CHILD_SA in flight, out of what it says and the seed it was made from. Nothing if
/// they don't belong together: another release drew its key exchange in another way.
std::optional<InFlight> resume_create(const sa::RequestInFlight& request,
                                      const std::vector<Payload>& payloads) {
    using wire::ike::Message;
    const auto* proposals = Message::find_in<wire::ike::SecurityAssociation>(payloads);
    const auto* nonce = Message::find_in<wire::ike::Nonce>(payloads);
    const auto* ke = Message::find_in<wire::ike::KeyExchange>(payloads);
    if (proposals == nullptr || proposals->proposals.empty() || nonce == nullptr) {
        return std::nullopt;
    }
    const crypto::KeMethod method = ke != nullptr ? ke->method : crypto::KeMethod::none;
    if (ke != nullptr && !crypto::supported(method)) {
        return std::nullopt;
    }
    in_flight::Offer ours = remake_offer(request.seed.clone(), method);
    if (ours.nonce != nonce->data ||
        (ke != nullptr && !equal(ours.key_exchange->public_value(), ke->data))) {
        return std::nullopt;
    }
    const wire::ike::Proposal& proposal = proposals->proposals.front();
    if (const auto spi = ike_spi(proposal)) {
        return in_flight::RekeyIke{{task::RekeyIke{}}, *spi, std::move(ours), rival_of(request)};
    }
    const auto inbound = esp_spi(proposal);
    if (!inbound) {
        return std::nullopt;
    }
    in_flight::CreateChild create{
        {task::NewChild{}}, {}, *inbound, std::move(ours), rival_of(request)};
    create.gone = request.gone;
    create.wish.task = task::NewChild{.made_for = request.made_for};
    const auto* rekey = find_notify(payloads, wire::ike::NotifyType::rekey_sa);
    if (rekey != nullptr && rekey->spi.size() == 4) {
        create.replaces = EspSpi(load_u32(rekey->spi));
        create.wish.task = task::RekeyChild{create.replaces};
    }
    return create;
}

/// Our IKE_FOLLOWUP_KE in flight, likewise.
std::optional<InFlight> resume_followup(const sa::RequestInFlight& request,
                                        const std::vector<Payload>& payloads) {
    const auto* ke = wire::ike::Message::find_in<wire::ike::KeyExchange>(payloads);
    if (!request.pending || !can_go_on(*request.pending) || ke == nullptr ||
        ke->method != methods_left(*request.pending).front()) {
        return std::nullopt;
    }
    in_flight::Offer ours = remake_offer(request.seed.clone(), ke->method);
    if (!equal(ours.key_exchange->public_value(), ke->data)) {
        return std::nullopt;
    }
    sa::PendingSa pending = request.pending->clone();
    if (const auto* ike = std::get_if<sa::IkeAgreement>(&pending.agreement)) {
        const IkeSpi our_spi = ike->our_spi;
        return in_flight::RekeyIke{
            {task::RekeyIke{}}, our_spi, std::move(ours), rival_of(request), std::move(pending)};
    }
    const EspSpi inbound = std::get<sa::ChildAgreement>(pending.agreement).inbound_spi;
    in_flight::CreateChild create{{task::NewChild{.made_for = request.made_for}},
                                  pending.replaces,
                                  inbound,
                                  std::move(ours),
                                  rival_of(request)};
    if (create.replaces != EspSpi{}) {
        create.wish.task = task::RekeyChild{create.replaces};
    }
    create.gone = request.gone;
    create.pending = std::move(pending);
    return create;
}

/// What an INFORMATIONAL of ours in flight is about; nothing: the end of the IKE SA.
std::optional<InFlight> resume_informational(const std::vector<Payload>& payloads) {
    if (const auto* away = find_notify(payloads, wire::ike::NotifyType::redirect)) {
        if (const auto words = read_redirect(away->data)) {
            return in_flight::Redirect{words->gateway};
        }
    }
    in_flight::DeleteChildren gone;
    for (const Payload& payload : payloads) {
        const auto* deleted = std::get_if<wire::ike::Delete>(&payload.body);
        if (deleted != nullptr && deleted->protocol == wire::ike::ProtocolId::ike) {
            return std::nullopt;
        }
        for (const Bytes& spi : deleted != nullptr ? deleted->spis : std::vector<Bytes>{}) {
            if (spi.size() == 4) {
                gone.inbound.emplace_back(load_u32(spi));
            }
        }
    }
    if (gone.inbound.empty()) {
        return in_flight::Probe{};
    }
    return gone;
}

void resume_request(Session& session, const sa::RequestInFlight& request,
                    const EngineConfig& config, Now now) {
    if (request.datagrams.empty()) {
        return;
    }
    const auto view = wire::ike::HeaderView::read(request.datagrams.front());
    const auto chain = session.channel->read_own(request.datagrams);
    if (!view || !chain) {
        return;
    }
    session.window.resume({request.message_id, view->header.exchange, request.datagrams, 0, {}, {}},
                          now.instant, retransmit_policy(session, config));
    Established& sa = session.in<Established>();
    if (view->header.exchange == wire::ike::ExchangeType::create_child_sa) {
        sa.asked = resume_create(request, chain->payloads);
    } else if (view->header.exchange == wire::ike::ExchangeType::ike_followup_ke) {
        sa.asked = resume_followup(request, chain->payloads);
    } else if (auto mobile = mobike::resume(request, chain->payloads)) {
        sa.asked = std::move(mobile);
    } else if (auto asked = resume_informational(chain->payloads)) {
        sa.asked = std::move(asked);
    } else {
        Deleting deleting{std::move(sa)};
        become(session, std::move(deleting));
    }
}

/// The request in flight for the claim, with what an adopter needs to understand its answer.
sa::RequestInFlight request_of(const OutstandingRequest& outstanding, const Established& sa) {
    sa::RequestInFlight request{outstanding.id, outstanding.datagrams};
    const auto put = [&request](const auto& asked) {
        request.seed = asked.ours.seed.clone();
        if (asked.rival) {
            request.rival = asked.rival->spi;
            request.rival_nonce = asked.rival->lowest_nonce;
        }
        if (asked.pending) {
            request.pending = asked.pending->clone();
        }
    };
    if (!sa.asked) {
        return request;
    }
    if (const auto* create = std::get_if<in_flight::CreateChild>(&*sa.asked)) {
        request.gone = create->gone;
        if (const auto* fresh = std::get_if<task::NewChild>(&create->wish.task)) {
            request.made_for = fresh->made_for;
        }
        put(*create);
    } else if (const auto* rekey = std::get_if<in_flight::RekeyIke>(&*sa.asked)) {
        put(*rekey);
    } else if (const auto* update = std::get_if<in_flight::UpdateAddresses>(&*sa.asked)) {
        request.path = {update->path.local, update->path.remote};
    } else if (const auto* check = std::get_if<in_flight::CheckPath>(&*sa.asked)) {
        request.path = {check->path.local, check->path.remote};
    }
    return request;
}

/// What our side has rekeyed before and not yet deleted. A rekey by the peer makes a Child SA whose
/// use waits for it, and the end of the old one is the peer's business.
void end_replaced(Session& session, Now now) {
    if (!session.is<Established>()) {
        return;  // all of it ends
    }
    const Established& sa = session.in<Established>();
    for (const sa::ChildSaRecord& child : sa.children) {
        if (child.replaces != EspSpi{} && !child.outbound_waits &&
            find_child(sa, child.replaces) != nullptr && !is_deleting(sa, child.replaces)) {
            wish_later(session, task::DeleteChildren{{child.replaces}}, now.instant + replaced_for);
        }
    }
}

/// Of a claim that doesn't say. On port 4500 it is right but for peers that moved there without a
/// NAT, and it is only used when the peer moves again, which is what a NAT does.
NatStatus guessed_nat(const sa::IkeSaRecord& record) {
    const bool natt = record.local.port == nat_port;
    return {natt, false, natt, natt};
}

}  // namespace

sa::IkeSaRecord claim_of(const Session& session, const EngineConfig& config) {
    check(session.channel && session.tunnel, "a claim is of an authenticated IKE SA");
    sa::IkeSaRecord record;
    record.our_spi = session.our_spi;
    record.peer_spi = session.peer_spi;
    record.we_initiated = session.we_initiated;
    record.tunnel = *session.tunnel;
    record.origin = session.origin;
    record.origin_initiated = session.origin_initiated;
    record.heir_of = session.heir_of;
    record.fragmentation = session.fragmentation == Fragmentation::supported;
    record.assigned = session.assigned;
    record.nat = session.nat;
    record.mobility = session.mobility;
    record.redirect_supported = session.redirect_supported;
    record.suite = session.channel->suite();
    record.local = session.path.local;
    record.remote = session.path.remote;
    record.owner = config.edge_id;
    record.epoch = session.channel->epoch();
    record.expected_request = session.window.expected_request();
    record.next_request = session.window.next_request();
    record.next_iv = session.channel->next_iv();
    record.last_response = session.window.last_response();
    if (const Established* sa = established(session)) {
        put_keys(record, session.channel->keys());
        record.peer_id = sa->peer_id;
        record.successor = sa->successor;
        record.established_at = sa->since;
        for (const sa::ChildSaRecord& child : sa->children) {
            record.children.push_back(child.inbound_spi);
        }
        if (const auto& request = session.window.outstanding()) {
            record.request = request_of(*request, *sa);
        }
        for (const Awaited& awaited : sa->awaited) {
            record.pending.push_back(awaited.pending.clone());
        }
    } else {
        check(session.is<Ended>(), "a claim is of an authenticated IKE SA");
        record.ended = true;
    }
    return record;
}

sa::EndpointRecord endpoint_of(const Session& session) {
    sa::EndpointRecord record{session.origin,      session.path.local,
                              session.path.remote, session.nat.udp_encapsulation,
                              session.is<Ended>(), session.nat.we_are_behind};
    if (!session.origin_initiated && !session.assigned.addresses.empty()) {
        record.account = session.tunnel->account;
        record.assigned = session.assigned.addresses;
    }
    return record;
}

sa::EndpointRecord endpoint_of(const sa::IkeSaRecord& claim) {
    const NatStatus nat = claim.nat.value_or(guessed_nat(claim));
    sa::EndpointRecord record{claim.origin,          claim.local, claim.remote,
                              nat.udp_encapsulation, claim.ended, nat.we_are_behind};
    if (!claim.origin_initiated && !claim.assigned.addresses.empty()) {
        record.account = claim.tunnel.account;
        record.assigned = claim.assigned.addresses;
    }
    return record;
}

sa::ChildSaRecord without_keys(const sa::ChildSaRecord& child) {
    sa::ChildSaRecord copy = child.clone();
    copy.inbound = {};
    copy.outbound = {};
    return copy;
}

sa::ChildSaRecord tombstone_of(const sa::ChildSaRecord& child, Drain drain) {
    sa::ChildSaRecord tombstone = without_keys(child);
    tombstone.ended = true;
    tombstone.drain = drain == Drain::yes;
    return tombstone;
}

std::vector<IkeSpi> kin_of(const Session& session) {
    std::vector<IkeSpi> kin{session.heir_of};
    if (const Established* sa = established(session)) {
        kin.push_back(sa->successor);
        if (sa->asked) {
            if (const auto* rekey = std::get_if<in_flight::RekeyIke>(&*sa->asked)) {
                kin.push_back(rekey->our_spi);
            }
        }
    }
    std::erase(kin, IkeSpi{});
    return kin;
}

IkeSaSummary summary_of(const Session& session) {
    IkeSaSummary row;
    row.our_spi = session.our_spi;
    row.peer_spi = session.peer_spi;
    row.tunnel = session.tunnel.value_or(sa::TunnelId{});
    row.state = session.state_name();
    row.local = session.path.local;
    row.remote = session.path.remote;
    if (session.channel) {
        row.suite = crypto::to_string(session.channel->suite());
        row.weak = sa::weak_words(session.channel->suite());
    }
    row.we_initiated = session.origin_initiated;
    row.mobike = session.mobility.supported;
    row.peer_addresses = session.mobility.peer_addresses;
    row.origin = session.origin;
    row.assigned = session.assigned;
    const Established* sa = established(session);
    if (sa == nullptr) {
        return row;
    }
    row.peer_id = auth::text_of(sa->peer_id);
    row.established_at = sa->since;
    row.kin = kin_of(session);
    if (const auto* create =
            sa->asked ? std::get_if<in_flight::CreateChild>(&*sa->asked) : nullptr) {
        row.making = create->inbound;
    }
    row.redirectable = session.redirect_supported && !session.origin_initiated &&
                       session.is<Established>() && sa->successor == IkeSpi{};
    row.rekeying = session.is<Deleting>() || sa->successor != IkeSpi{} ||
                   wanted(session, task::RekeyIke{}) || wanted(session, task::DeleteIke{}) ||
                   peer_rekeys_ike(*sa);
    if (session.is<Established>() && sa->successor != IkeSpi{}) {
        row.state = "rekeyed";
    }
    for (const sa::ChildSaRecord& child : sa->children) {
        row.children.push_back({child.inbound_spi, child.expires_at,
                                is_replaced(*sa, child.inbound_spi) ||
                                    wanted(session, task::RekeyChild{child.inbound_spi}) ||
                                    peer_rekeys_child(*sa, child.inbound_spi) ||
                                    is_deleting(*sa, child.inbound_spi),
                                child.made_for});
    }
    return row;
}

Session session_from(Adopt adopt, const EngineConfig& config, Now now) {
    sa::IkeSaRecord& record = adopt.record;
    check(!record.ended, "an ended IKE SA isn't adopted");
    check(record.owner == config.edge_id, "only the owner adopts");
    Session session;
    session.our_spi = record.our_spi;
    session.peer_spi = record.peer_spi;
    session.we_initiated = record.we_initiated;
    session.origin = record.origin;
    session.origin_initiated = record.origin_initiated;
    session.heir_of = record.heir_of;
    session.fragmentation =
        record.fragmentation ? Fragmentation::supported : Fragmentation::unsupported;
    session.path = {record.local, record.remote};
    session.nat = record.nat.value_or(guessed_nat(record));
    session.mobility = record.mobility;
    session.redirect_supported = record.redirect_supported;
    session.tunnel = record.tunnel;
    session.assigned = std::move(record.assigned);
    session.window = Window({record.expected_request, record.next_request, record.last_response});
    session.state =
        Established{record.peer_id, children_of(record, adopt.children), record.established_at};
    session.in<Established>().successor = record.successor;
    session.in<Established>().retire_at = now.instant + retire_after;
    for (sa::PendingSa& pending : record.pending) {
        if (can_go_on(pending)) {
            session.in<Established>().awaited.push_back(
                {std::move(pending), now.instant + followup_timeout});
        }
    }
    session.channel.emplace(Channel::Setup{record.suite, take_keys(record), record.we_initiated,
                                           record.epoch, record.next_iv});
    if (record.request) {
        resume_request(session, *record.request, config, now);
    }
    end_replaced(session, now);
    return session;
}

}  // namespace anyswan::ike
