// SPDX-License-Identifier: Apache-2.0
// What the edge tells the forwarder: domains, SAs, endpoints, routes, sequence numbers.
#include <algorithm>

#include "dataplane/forward/forwarder.h"
#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

using esp::DropReason;

void Forwarder::apply(const Change& change, const Now& now, ForwarderOutput& out) {
    std::visit([&](const auto& one) { on(one, now, out); }, change);
}

Forwarder::Domain* Forwarder::domain_of(const std::string& account) {
    const auto found = domains_.find(account);
    return found == domains_.end() ? nullptr : found->second.get();
}

void Forwarder::on(const AddDomain& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    std::unique_ptr<Domain>& slot = domains_[change.account];
    if (slot == nullptr) {
        slot = std::make_unique<Domain>(Domain{.id = next_domain_, .account = change.account});
        domains_by_id_[next_domain_] = slot.get();
        next_domain_ = next_domain_.next();
    }
}

void Forwarder::on(const RemoveDomain& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    const auto found = domains_.find(change.account);
    if (found == domains_.end()) {
        return;
    }
    Domain& domain = *found->second;
    for (const EspSpi spi : sas_.of_domain(domain.id)) {
        const auto waiting = remove_sa(spi);
        count_drop(drops_, DropReason::no_sa, waiting.size());
    }
    for (Tunnel* tunnel : domain.routed) {
        tunnel->routes = 0;
        sas_.release(*tunnel);
    }
    domains_by_id_.erase(domain.id);
    domains_.erase(found);
}

void Forwarder::on(const InstallSa& change, const Now& now, ForwarderOutput& out) {
    const EspSpi spi = change.record.inbound_spi;
    if (sas_.find(spi) != nullptr) {
        return;
    }
    const Domain* domain = domain_of(change.record.tunnel.account);
    if (domain == nullptr) {
        out.events.emplace_back(
            SaFailed{spi, "account " + change.record.tunnel.account + " has no routing domain"});
        return;
    }
    const auto installed = sas_.insert(change, domain->id);
    if (!installed) {
        out.events.emplace_back(SaFailed{spi, installed.error().message});
        return;
    }
    Sa& sa = *installed.value();
    if (change.record.outbound_waits && !sa.waits_for && sa.tunnel->best_first.size() > 1) {
        sa.waits_until = now.instant + outbound_wait;
    }
    // A rekeyed tunnel that is sending will want numbers of the new SA at once.
    const bool busy = std::ranges::any_of(
        sa.tunnel->best_first, [&](const Sa* sibling) { return sibling->sending(now.instant); });
    if (busy && sa.tunnel->best_first.front() == &sa && sa.outbound.sequence().available() == 0) {
        ask_for_sequence(sa, now.instant, out);
    }
    std::vector<esp::OuterPacket> held = held_.release(spi);
    if (!held.empty()) {
        receive_run(sa, held, now, out);
    }
}

/// Takes the SA out; what waited for its numbers is handed back.
std::vector<esp::Packet> Forwarder::remove_sa(EspSpi spi) {
    const std::unique_ptr<Sa> sa = sas_.remove(spi);
    return sa == nullptr ? std::vector<esp::Packet>{} : take_waiting(*sa);
}

/// The packets that wait for numbers of this SA, in order.
std::vector<esp::Packet> Forwarder::take_waiting(Sa& sa) {
    std::vector<esp::Packet> packets;
    for (WaitingPacket& waiting : sa.waiting) {
        packets.push_back(std::move(waiting.packet));
    }
    waiting_count_ -= packets.size();
    sa.waiting.clear();
    return packets;
}

void Forwarder::on(const RemoveSa& change, const Now& now, ForwarderOutput& out) {
    Sa* sa = sas_.find(change.inbound_spi);
    if (sa == nullptr) {
        held_.deny(change.inbound_spi, now.instant);  // it was ended before it came here
        return;
    }
    const DomainId domain = sa->domain;
    std::vector<esp::Packet> waiting = take_waiting(*sa);
    if (!change.drain) {
        (void)remove_sa(change.inbound_spi);
    } else if (!sa->draining_until) {
        sa->draining_until = now.instant + drain_time;
        draining_sas_.push_back(change.inbound_spi);
    }
    send(domain, waiting, now, out);  // by another SA of the tunnel, if there is one
}

void Forwarder::on(const MoveEndpoint& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    for (Sa* sa : sas_.of_ike_sa(change.ike_spi)) {
        sa->local = change.local;
        sa->remote = change.remote;
        sa->udp_encapsulation = change.udp_encapsulation;
        sa->behind_nat = change.behind_nat;
    }
}

void Forwarder::on(const AddRoute& change, const Now& /*now*/, ForwarderOutput& out) {
    Domain* domain = domain_of(change.tunnel.account);
    if (domain == nullptr) {
        out.events.emplace_back(DomainFailed{
            change.tunnel.account,
            "route " + change.prefix.to_string() + ": the account has no routing domain"});
        return;
    }
    Tunnel& tunnel = sas_.tunnel(change.tunnel);
    if (domain->routes.add(&tunnel, change.prefix) && tunnel.routes++ == 0) {
        domain->routed.push_back(&tunnel);
    }
}

void Forwarder::on(const RemoveRoute& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    Domain* domain = domain_of(change.tunnel.account);
    Tunnel* tunnel = sas_.find_tunnel(change.tunnel);
    if (domain != nullptr && tunnel != nullptr && domain->routes.remove(tunnel, change.prefix) &&
        --tunnel->routes == 0) {
        std::erase(domain->routed, tunnel);
        sas_.release(*tunnel);
    }
}

void Forwarder::on(const GrantSequence& change, const Now& now, ForwarderOutput& out) {
    Sa* sa = sas_.find(change.inbound_spi);
    if (sa == nullptr) {
        return;
    }
    if (!sa->outbound.sequence().grant(change.first, change.last)) {
        out.events.emplace_back(SaFailed{
            change.inbound_spi, "sequence numbers " + std::to_string(change.first.value()) + ".." +
                                    std::to_string(change.last.value()) +
                                    " are no range of this SA"});
        return;
    }
    sa->asked_for_sequence.reset();
    send_waiting(*sa, now, out);
}

void Forwarder::on(const RevokeSequence& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    if (Sa* sa = sas_.find(change.inbound_spi)) {
        sa->outbound.sequence().revoke();
        sa->asked_for_sequence.reset();
    }
}

void Forwarder::on(const LiftReplay& change, const Now& /*now*/, ForwarderOutput& /*out*/) {
    if (Sa* sa = sas_.find(change.inbound_spi)) {
        sa->inbound.lift(change.mark);
    }
}

void Forwarder::on(const DenySpi& change, const Now& now, ForwarderOutput& /*out*/) {
    held_.deny(change.inbound_spi, now.instant);
}

}  // namespace anyswan::dataplane
