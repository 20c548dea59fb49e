// SPDX-License-Identifier: Apache-2.0
// Negotiating one Child SA.
#include "core/ike/child.h"

#include "core/ike/negotiate.h"
#include "core/ike/report.h"

namespace anyswan::ike {

using crypto::EspSuite;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::SecurityAssociation;
using wire::ike::TrafficSelector;
using wire::ike::TrafficSelectors;
using wire::ike::TsInitiator;
using wire::ike::TsResponder;

namespace {

std::vector<EspSuite> usable(const sa::TunnelRecord& tunnel) {
    std::vector<EspSuite> suites;
    for (const EspSuite& suite : tunnel.esp_suites) {
        if (crypto::supported(suite.cipher)) {
            // RFC 7296 1.2: no key exchange in the first Child SA; PFS is for the later ones.
            suites.push_back({suite.cipher, suite.sn, crypto::KeMethod::none});
        }
    }
    return suites;
}

std::vector<Payload> ts_payloads(std::vector<TrafficSelector> ts_i,
                                 std::vector<TrafficSelector> ts_r) {
    return {{TsInitiator{TrafficSelectors{std::move(ts_i), {}}}},
            {TsResponder{TrafficSelectors{std::move(ts_r), {}}}}};
}

}  // namespace

std::optional<ChildPayloads> ChildPayloads::of(const std::vector<Payload>& payloads) {
    using wire::ike::Message;
    const ChildPayloads found{Message::find_in<SecurityAssociation>(payloads),
                              Message::find_in<TsInitiator>(payloads),
                              Message::find_in<TsResponder>(payloads)};
    if (found.sa == nullptr || found.ts_i == nullptr || found.ts_r == nullptr) {
        return std::nullopt;
    }
    return found;
}

std::vector<Payload> offer_child(const sa::TunnelRecord& tunnel, EspSpi inbound) {
    std::vector<Payload> payloads{{offer(usable(tunnel), inbound)}};
    for (Payload& payload :
         ts_payloads(selectors_of(tunnel.local_prefixes), selectors_of(tunnel.remote_prefixes))) {
        payloads.push_back(std::move(payload));
    }
    return payloads;
}

Expected<ChildAgreement, std::string> check_child(const sa::TunnelRecord& tunnel, EspSpi inbound,
                                                  const ChildPayloads& answer) {
    const auto suite = accepted(usable(tunnel), *answer.sa);
    if (!suite) {
        return Unexpected{"the peer chose " + describe(*answer.sa) + "; we offered " +
                          describe(tunnel.esp_suites)};
    }
    const auto& local = answer.ts_i->selectors;
    const auto& remote = answer.ts_r->selectors;
    // RFC 7296 2.9: "IKEv2 allows the responder to choose a subset of the traffic proposed by the
    // initiator", and nothing else.
    if (local.empty() || remote.empty() || !answer.ts_i->opaque.empty() ||
        !answer.ts_r->opaque.empty() || !within(local, selectors_of(tunnel.local_prefixes)) ||
        !within(remote, selectors_of(tunnel.remote_prefixes))) {
        return Unexpected{"the peer's traffic selectors " + describe(local) + " and " +
                          describe(remote) + " are not within what we offered"};
    }
    return ChildAgreement{*suite, inbound, *esp_spi(answer.sa->proposals.front()), local, remote};
}

Expected<AcceptedChild, ChildRefusal> accept_child(Context& context, const sa::TunnelRecord& tunnel,
                                                   const ChildPayloads& offer) {
    auto chosen = choose(std::span<const EspSuite>(usable(tunnel)), *offer.sa);
    if (!chosen) {
        return Unexpected{ChildRefusal{NotifyType::no_proposal_chosen,
                                       "offered " + describe(*offer.sa) + " for ESP; tunnel " +
                                           tunnel.id.to_string() + " accepts " +
                                           describe(tunnel.esp_suites)}};
    }
    auto remote = narrow(offer.ts_i->selectors, selectors_of(tunnel.remote_prefixes));
    auto local = narrow(offer.ts_r->selectors, selectors_of(tunnel.local_prefixes));
    keep_common_families(remote, local);
    if (remote.empty() || local.empty()) {
        // RFC 7296 2.9: "If the responder's policy does not allow it to accept any part of the
        // proposed Traffic Selectors, it responds with a TS_UNACCEPTABLE Notify message."
        return Unexpected{ChildRefusal{
            NotifyType::ts_unacceptable,
            "offered " + describe(offer.ts_i->selectors) + " on its side and " +
                describe(offer.ts_r->selectors) + " on ours; tunnel " + tunnel.id.to_string() +
                " has " + describe(selectors_of(tunnel.remote_prefixes)) + " and " +
                describe(selectors_of(tunnel.local_prefixes))}};
    }
    const auto inbound = context.spis.allocate();
    if (!inbound) {
        return Unexpected{ChildRefusal{NotifyType::no_additional_sas,
                                       "this edge holds no block of SPIs just now; the peer may "
                                       "try again when the store answers"}};
    }
    AcceptedChild accepted{{chosen->suite, *inbound, *esp_spi(chosen->proposal), local, remote},
                           {}};
    Writer spi;
    spi.u32(inbound->value());
    chosen->proposal.spi = std::move(spi).take();
    accepted.payloads.push_back({SecurityAssociation{{std::move(chosen->proposal)}}});
    for (Payload& payload : ts_payloads(std::move(remote), std::move(local))) {
        accepted.payloads.push_back(std::move(payload));
    }
    return accepted;
}

sa::ChildSaRecord make_child(const Session& session, const Context& context,
                             const sa::TunnelRecord& tunnel, ChildAgreement agreement,
                             const ChildMaker& maker) {
    const Channel& channel = *session.channel;
    ChildKeyPair keys = derive_child_keys(channel.suite().prf, agreement.suite.cipher,
                                          channel.keys().d.reveal(), maker.nonces, {});
    sa::ChildSaRecord child;
    child.inbound_spi = agreement.inbound_spi;
    child.outbound_spi = agreement.outbound_spi;
    child.ike_spi = session.our_spi;
    child.tunnel = tunnel.id;
    child.suite = agreement.suite;
    child.inbound =
        std::move(maker.we_began ? keys.responder_to_initiator : keys.initiator_to_responder);
    child.outbound =
        std::move(maker.we_began ? keys.initiator_to_responder : keys.responder_to_initiator);
    child.local_ts = std::move(agreement.local_ts);
    child.remote_ts = std::move(agreement.remote_ts);
    // `automatic` starts with one sender; going per-edge makes further Child SAs later.
    child.sender_rule = tunnel.sender_rule == sa::SenderRule::automatic ? sa::SenderRule::pinned
                                                                        : tunnel.sender_rule;
    child.replay_window = tunnel.replay_window;
    child.negotiated_on = context.config.edge_name;
    child.published_at = context.now.wall;
    child.expires_at.unix_ns =
        context.now.wall.unix_ns + std::int64_t{tunnel.child_lifetime_s} * Duration(1s).count();
    return child;
}

void report_child(Context& context, const Session& session, const sa::ChildSaRecord& child) {
    report(context, session, EventKind::child_sa_established,
           "Child SA " + hex(child.inbound_spi) + " in, " + hex(child.outbound_spi) + " out, " +
               crypto::to_string(child.suite) + ", " + describe(child.local_ts) + " here, " +
               describe(child.remote_ts) + " there" +
               (session.nat.udp_encapsulation ? ", ESP in UDP" : ""),
           child.inbound_spi);
}

}  // namespace anyswan::ike
