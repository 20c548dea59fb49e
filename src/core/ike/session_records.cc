// SPDX-License-Identifier: Apache-2.0
// Session to records and back.
#include "core/ike/session_records.h"

namespace anyswan::ike {

namespace {

const Established* established(const Session& session) {
    if (const auto* state = std::get_if<Established>(&session.state)) {
        return state;
    }
    if (const auto* state = std::get_if<Deleting>(&session.state)) {
        return state->sa ? &*state->sa : nullptr;
    }
    return nullptr;
}

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

bool deletes_ike_sa(const std::vector<wire::ike::Payload>& payloads) {
    for (const wire::ike::Payload& payload : payloads) {
        const auto* gone = std::get_if<wire::ike::Delete>(&payload.body);
        if (gone != nullptr && gone->protocol == wire::ike::ProtocolId::ike) {
            return true;
        }
    }
    return false;
}

/// The Child SAs a claim names; those whose fact is missing are known by their inbound SPI alone.
std::vector<sa::ChildSaRecord> children_of(const sa::IkeSaRecord& record,
                                           const std::vector<sa::ChildSaRecord>& facts) {
    std::vector<sa::ChildSaRecord> children;
    for (const EspSpi spi : record.children) {
        sa::ChildSaRecord child;
        child.inbound_spi = spi;
        child.ike_spi = record.our_spi;
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
                          now.instant, retransmit_policy(config));
    if (deletes_ike_sa(chain->payloads)) {
        Deleting deleting{std::move(session.in<Established>())};
        become(session, std::move(deleting));
    }
}

}  // namespace

sa::IkeSaRecord claim_of(const Session& session, const EngineConfig& config) {
    check(session.channel && session.tunnel, "a claim is of an authenticated IKE SA");
    sa::IkeSaRecord record;
    record.our_spi = session.our_spi;
    record.peer_spi = session.peer_spi;
    record.we_initiated = session.we_initiated;
    record.tunnel = *session.tunnel;
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
        record.established_at = sa->since;
        for (const sa::ChildSaRecord& child : sa->children) {
            record.children.push_back(child.inbound_spi);
        }
        if (const auto& request = session.window.outstanding()) {
            record.request = sa::RequestInFlight{request->id, request->datagrams};
        }
    } else {
        check(session.is<Ended>(), "a claim is of an authenticated IKE SA");
        record.ended = true;
    }
    return record;
}

sa::EndpointRecord endpoint_of(const Session& session) {
    return {session.our_spi, session.path.local, session.path.remote, session.nat.udp_encapsulation,
            session.is<Ended>()};
}

sa::ChildSaRecord without_keys(const sa::ChildSaRecord& child) {
    sa::ChildSaRecord copy;
    copy.inbound_spi = child.inbound_spi;
    copy.outbound_spi = child.outbound_spi;
    copy.ike_spi = child.ike_spi;
    copy.tunnel = child.tunnel;
    copy.suite = child.suite;
    copy.local_ts = child.local_ts;
    copy.remote_ts = child.remote_ts;
    copy.sender_rule = child.sender_rule;
    copy.replay_window = child.replay_window;
    copy.negotiated_on = child.negotiated_on;
    copy.published_at = child.published_at;
    copy.expires_at = child.expires_at;
    copy.ended = child.ended;
    return copy;
}

sa::ChildSaRecord tombstone_of(const sa::ChildSaRecord& child) {
    sa::ChildSaRecord tombstone = without_keys(child);
    tombstone.ended = true;
    return tombstone;
}

IkeSaSummary summary_of(const Session& session) {
    IkeSaSummary row;
    row.our_spi = session.our_spi;
    row.peer_spi = session.peer_spi;
    row.tunnel = session.tunnel.value_or(sa::TunnelId{});
    row.state = session.state_name();
    row.local = session.path.local;
    row.remote = session.path.remote;
    row.suite = session.channel ? crypto::to_string(session.channel->suite()) : "";
    row.we_initiated = session.we_initiated;
    if (const Established* sa = established(session)) {
        for (const sa::ChildSaRecord& child : sa->children) {
            row.children.push_back(child.inbound_spi);
        }
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
    session.path = {record.local, record.remote};
    // The Endpoint fact knows better; on port 4500 it is right but for peers that moved there
    // without a NAT, and it is only used when the peer moves again, which is what a NAT does.
    session.nat.udp_encapsulation = record.local.port == nat_port;
    session.nat.peer_is_behind = session.nat.udp_encapsulation;
    session.tunnel = record.tunnel;
    session.window = Window({record.expected_request, record.next_request, record.last_response});
    session.state = Established{record.peer_id, children_of(record, adopt.children),
                                record.established_at, false};
    session.channel.emplace(Channel::Setup{record.suite, take_keys(record), record.we_initiated,
                                           record.epoch, record.next_iv});
    if (record.request) {
        resume_request(session, *record.request, config, now);
    }
    return session;
}

}  // namespace anyswan::ike
