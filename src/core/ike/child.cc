// SPDX-License-Identifier: Apache-2.0
// Negotiating one Child SA.
#include "core/ike/child.h"

#include <algorithm>

#include "core/ike/configuration.h"
#include "core/ike/negotiate.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"
#include "core/sa/weak.h"

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

/// What a responder accepts besides: a tunnel without PFS takes a peer's PFS, with any group that
/// the tunnel's IKE SA may use. The peer asks for more, never for less.
std::vector<EspSuite> acceptable(const sa::TunnelRecord& tunnel, ChildStage stage) {
    std::vector<EspSuite> suites = child_suites(tunnel, stage);
    if (stage == ChildStage::first) {
        return suites;
    }
    const std::size_t configured = suites.size();
    for (std::size_t i = 0; i < configured; ++i) {
        if (suites[i].ke != crypto::KeMethod::none) {
            continue;
        }
        for (const crypto::IkeSuite& ike : sa::ike_suites_of(tunnel)) {
            suites.push_back({suites[i].cipher, suites[i].sn, ike.ke, ike.additional});
            if (ike.additional != crypto::AdditionalKe{}) {
                suites.push_back({suites[i].cipher, suites[i].sn, ike.ke});
            }
        }
    }
    return suites;
}

ChildKe ke_of(ChildStage stage) {
    return stage == ChildStage::first ? ChildKe::ignored : ChildKe::negotiated;
}

ChildRefusal wrong_group(const EspSuite& chosen) {
    // RFC 7296 1.3: "If the responder selects a proposal using a different Diffie-Hellman group
    // (other than NONE), the responder MUST reject the request and indicate its preferred
    // Diffie-Hellman group in the INVALID_KE_PAYLOAD Notify payload."
    Writer group;
    group.u16(static_cast<std::uint16_t>(chosen.ke));
    return {NotifyType::invalid_ke_payload, "we choose " + name(chosen.ke),
            std::move(group).take()};
}

std::vector<Payload> ts_payloads(std::vector<TrafficSelector> ts_i,
                                 std::vector<TrafficSelector> ts_r) {
    return {{TsInitiator{TrafficSelectors{std::move(ts_i), {}}}},
            {TsResponder{TrafficSelectors{std::move(ts_r), {}}}}};
}

}  // namespace

std::vector<EspSuite> child_suites(const sa::TunnelRecord& tunnel, ChildStage stage) {
    std::vector<EspSuite> suites;
    for (const EspSuite& configured : sa::esp_suites_of(tunnel)) {
        EspSuite suite{configured.cipher, configured.sn};
        if (stage == ChildStage::later) {
            suite = configured;
        }
        if (crypto::supported(suite)) {
            suites.push_back(suite);
        }
    }
    return suites;
}

std::optional<ChildPayloads> ChildPayloads::of(const std::vector<Payload>& payloads) {
    using wire::ike::Message;
    const ChildPayloads found{Message::find_in<SecurityAssociation>(payloads),
                              Message::find_in<TsInitiator>(payloads),
                              Message::find_in<TsResponder>(payloads),
                              Message::find_in<wire::ike::KeyExchange>(payloads)};
    if (found.sa == nullptr || found.ts_i == nullptr || found.ts_r == nullptr) {
        return std::nullopt;
    }
    return found;
}

bool ChildPayloads::any_in(const std::vector<Payload>& payloads) {
    using wire::ike::Message;
    return Message::find_in<SecurityAssociation>(payloads) != nullptr ||
           Message::find_in<TsInitiator>(payloads) != nullptr ||
           Message::find_in<TsResponder>(payloads) != nullptr;
}

std::vector<Payload> offer_child(const Session& session, const sa::TunnelRecord& tunnel,
                                 EspSpi inbound, ChildStage stage) {
    std::vector<Payload> payloads{{offer(child_suites(tunnel, stage), inbound)}};
    for (Payload& payload : ts_payloads(configuration::local_selectors(session, tunnel),
                                        configuration::remote_selectors(session, tunnel))) {
        payloads.push_back(std::move(payload));
    }
    return payloads;
}

Expected<ChildAgreement, std::string> check_child(const Session& session,
                                                  const sa::TunnelRecord& tunnel, EspSpi inbound,
                                                  const ChildPayloads& answer, ChildStage stage) {
    const auto suite = accepted(child_suites(tunnel, stage), *answer.sa, ke_of(stage));
    if (!suite) {
        return Unexpected{"the peer chose " + describe(*answer.sa) + "; we offered " +
                          describe(sa::esp_suites_of(tunnel))};
    }
    const auto& local = answer.ts_i->selectors;
    const auto& remote = answer.ts_r->selectors;
    // RFC 7296 2.9: "IKEv2 allows the responder to choose a subset of the traffic proposed by the
    // initiator", and nothing else.
    if (local.empty() || remote.empty() || !answer.ts_i->opaque.empty() ||
        !answer.ts_r->opaque.empty() ||
        !within(local, configuration::local_selectors(session, tunnel)) ||
        !within(remote, configuration::remote_selectors(session, tunnel))) {
        return Unexpected{"the peer's traffic selectors " + describe(local) + " and " +
                          describe(remote) + " are not within what we offered"};
    }
    return ChildAgreement{*suite, inbound, *esp_spi(answer.sa->proposals.front()), local, remote};
}

Expected<AcceptedChild, ChildRefusal> accept_child(const Session& session, Context& context,
                                                   const sa::TunnelRecord& tunnel,
                                                   const ChildPayloads& offer, ChildStage stage) {
    auto chosen =
        choose(std::span<const EspSuite>(acceptable(tunnel, stage)), *offer.sa, ke_of(stage));
    if (!chosen) {
        return Unexpected{ChildRefusal{NotifyType::no_proposal_chosen,
                                       "offered " + describe(*offer.sa) + " for ESP; tunnel " +
                                           tunnel.id.to_string() + " accepts " +
                                           describe(sa::esp_suites_of(tunnel))}};
    }
    const auto allowed_remote = configuration::remote_selectors(session, tunnel);
    const auto allowed_local = configuration::local_selectors(session, tunnel);
    auto remote = narrow(offer.ts_i->selectors, allowed_remote);
    auto local = narrow(offer.ts_r->selectors, allowed_local);
    keep_common_families(remote, local);
    if (remote.empty() || local.empty()) {
        // RFC 7296 2.9: "If the responder's policy does not allow it to accept any part of the
        // proposed Traffic Selectors, it responds with a TS_UNACCEPTABLE Notify message."
        return Unexpected{ChildRefusal{
            NotifyType::ts_unacceptable,
            "offered " + describe(offer.ts_i->selectors) + " on its side and " +
                describe(offer.ts_r->selectors) + " on ours; tunnel " + tunnel.id.to_string() +
                " has " + describe(allowed_remote) + " and " + describe(allowed_local)}};
    }
    if (chosen->suite.ke != crypto::KeMethod::none &&
        (offer.ke == nullptr || offer.ke->method != chosen->suite.ke)) {
        return Unexpected{wrong_group(chosen->suite)};
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
    ChildKeyPair keys =
        derive_child_keys(channel.suite().prf, agreement.suite.cipher, channel.keys().d.reveal(),
                          maker.nonces, maker.shared_secret, maker.additional);
    sa::ChildSaRecord child;
    child.inbound_spi = agreement.inbound_spi;
    child.outbound_spi = agreement.outbound_spi;
    child.ike_spi = session.origin;
    child.tunnel = tunnel.id;
    child.suite = agreement.suite;
    child.inbound =
        std::move(maker.we_began ? keys.responder_to_initiator : keys.initiator_to_responder);
    child.outbound =
        std::move(maker.we_began ? keys.initiator_to_responder : keys.responder_to_initiator);
    child.local_ts = std::move(agreement.local_ts);
    child.remote_ts = std::move(agreement.remote_ts);
    if (session.origin_initiated) {
        child.our_addresses = session.assigned.addresses;
    }
    // `automatic` starts with one sender; going per-edge makes further Child SAs later.
    child.sender_rule = tunnel.sender_rule;
    child.replay_window = tunnel.replay_window;
    child.negotiated_on = context.config.edge_name;
    child.published_at = context.now.wall;
    child.expires_at.unix_ns =
        context.now.wall.unix_ns + std::int64_t{tunnel.child_lifetime_s} * Duration(1s).count();
    child.replaces = maker.replaces;
    child.outbound_waits = !maker.we_began;
    return child;
}

void report_child(Context& context, const Session& session, const sa::ChildSaRecord& child) {
    const bool rekey = child.replaces != EspSpi{};
    report(context, session, rekey ? EventKind::child_sa_rekeyed : EventKind::child_sa_established,
           "Child SA " + hex(child.inbound_spi) + " in, " + hex(child.outbound_spi) + " out, " +
               crypto::to_string(child.suite) + ", " + describe(child.local_ts) + " here, " +
               describe(child.remote_ts) + " there" +
               (session.nat.udp_encapsulation ? ", ESP in UDP" : "") +
               (rekey ? ", in place of " + hex(child.replaces) : ""),
           child.inbound_spi);
    report_weak(context, session, "Child SA " + hex(child.inbound_spi),
                sa::weak_words(child.suite));
}

const sa::ChildSaRecord* find_child(const Established& sa, EspSpi inbound) {
    for (const sa::ChildSaRecord& child : sa.children) {
        if (child.inbound_spi == inbound) {
            return &child;
        }
    }
    return nullptr;
}

Bytes spi_bytes(EspSpi spi) {
    Writer writer;
    writer.u32(spi.value());
    return std::move(writer).take();
}

const sa::ChildSaRecord* find_child_of_peer(const Established& sa, ByteView spi) {
    for (const sa::ChildSaRecord& child : sa.children) {
        if (spi.size() == 4 && child.outbound_spi == EspSpi(load_u32(spi))) {
            return &child;
        }
    }
    return nullptr;
}

bool is_replaced(const Established& sa, EspSpi inbound) {
    return std::any_of(
        sa.children.begin(), sa.children.end(),
        [inbound](const sa::ChildSaRecord& child) { return child.replaces == inbound; });
}

bool is_closing(const Established& sa, EspSpi inbound) {
    const auto* asked = sa.asked ? std::get_if<in_flight::DeleteChildren>(&*sa.asked) : nullptr;
    return asked != nullptr &&
           std::find(asked->inbound.begin(), asked->inbound.end(), inbound) != asked->inbound.end();
}

bool is_deleting(const Established& sa, EspSpi inbound) {
    const auto deletes = [inbound](const Wish& wish) {
        const auto* task = std::get_if<task::DeleteChildren>(&wish.task);
        return task != nullptr && std::find(task->inbound.begin(), task->inbound.end(), inbound) !=
                                      task->inbound.end();
    };
    return is_closing(sa, inbound) || std::any_of(sa.wishes.begin(), sa.wishes.end(), deletes);
}

std::optional<sa::ChildSaRecord> bury_child(Established& sa, EspSpi inbound) {
    const auto found = std::find_if(
        sa.children.begin(), sa.children.end(),
        [inbound](const sa::ChildSaRecord& child) { return child.inbound_spi == inbound; });
    if (found == sa.children.end()) {
        return std::nullopt;
    }
    const sa::ChildSaRecord child = std::move(*found);
    sa.children.erase(found);
    // Replaced, or one of two that replace the same (a collision): the other one goes on, and what
    // is still under way may come in.
    const bool other_goes_on =
        is_replaced(sa, inbound) || (child.replaces != EspSpi{} && is_replaced(sa, child.replaces));
    return tombstone_of(child, other_goes_on ? Drain::yes : Drain::no);
}

}  // namespace anyswan::ike
