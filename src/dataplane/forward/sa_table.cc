// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward/sa_table.h"

#include <algorithm>

#include "dataplane/forward/limits.h"

namespace anyswan::dataplane {

namespace {

/// Best first: our own, then newest by time of publication, then by SPI, so that edges agree.
bool better(const Sa* a, const Sa* b) {
    return std::tie(b->send_on, a->published_at, a->inbound_spi) >
           std::tie(a->send_on, b->published_at, b->inbound_spi);
}

}  // namespace

bool Sa::sending(Instant now) const {
    return usage.packets_out > 0 ||
           (rate_at && rate_per_s > 0 && now - *rate_at < 2 * report_interval);
}

Result<Sa*> SaTable::insert(const InstallSa& install, DomainId domain) {
    const sa::ChildSaRecord& record = install.record;
    auto inbound = esp::InboundSa::make(record);
    if (!inbound) {
        return Unexpected<Error>{inbound.error()};
    }
    auto outbound = esp::OutboundSa::make(record);
    if (!outbound) {
        return Unexpected<Error>{outbound.error()};
    }
    const bool replaces = record.outbound_waits && record.replaces != EspSpi{};
    auto made = std::make_unique<Sa>(
        Sa{.inbound = std::move(*inbound),
           .outbound = std::move(*outbound),
           .inbound_spi = record.inbound_spi,
           .ike_spi = record.ike_spi,
           .domain = domain,
           .tunnel = &tunnel(record.tunnel),
           .published_at = record.published_at,
           .send_on = install.send_on,
           .expires_at = record.expires_at,
           .waits_for = replaces ? std::optional(record.replaces) : std::nullopt,
           .local = install.local,
           .remote = install.remote,
           .udp_encapsulation = install.udp_encapsulation,
           .behind_nat = install.behind_nat});
    Sa* sa = made.get();
    sa->inbound.lift(install.mark);
    sa->numbered = record.suite.sn != crypto::SnId::unspecified_32;
    check(by_spi_.try_emplace(sa->inbound_spi, std::move(made)).second, "SPI installed twice");
    by_ike_spi_[sa->ike_spi].push_back(sa);
    std::vector<Sa*>& siblings = sa->tunnel->best_first;
    siblings.insert(std::ranges::upper_bound(siblings, sa, better), sa);
    return sa;
}

std::unique_ptr<Sa> SaTable::remove(EspSpi spi) {
    const auto found = by_spi_.find(spi);
    if (found == by_spi_.end()) {
        return nullptr;
    }
    std::unique_ptr<Sa> sa = std::move(found->second);
    by_spi_.erase(found);
    std::vector<Sa*>& of_ike = by_ike_spi_[sa->ike_spi];
    std::erase(of_ike, sa.get());
    if (of_ike.empty()) {
        by_ike_spi_.erase(sa->ike_spi);
    }
    std::erase(sa->tunnel->best_first, sa.get());
    release(*std::exchange(sa->tunnel, nullptr));
    return sa;
}

Sa* SaTable::find(EspSpi spi) const {
    const auto found = by_spi_.find(spi);
    return found == by_spi_.end() ? nullptr : found->second.get();
}

std::vector<Sa*> SaTable::of_ike_sa(IkeSpi spi) const {
    const auto found = by_ike_spi_.find(spi);
    return found == by_ike_spi_.end() ? std::vector<Sa*>{} : found->second;
}

std::vector<EspSpi> SaTable::of_domain(DomainId domain) const {
    std::vector<EspSpi> spis;
    for (const auto& [spi, sa] : by_spi_) {
        if (sa->domain == domain) {
            spis.push_back(spi);
        }
    }
    return spis;
}

Tunnel& SaTable::tunnel(const sa::TunnelId& id) {
    std::unique_ptr<Tunnel>& slot = tunnels_[id];
    if (slot == nullptr) {
        slot = std::make_unique<Tunnel>(Tunnel{.id = id});
    }
    return *slot;
}

Tunnel* SaTable::find_tunnel(const sa::TunnelId& id) const {
    const auto found = tunnels_.find(id);
    return found == tunnels_.end() ? nullptr : found->second.get();
}

void SaTable::release(Tunnel& tunnel) {
    if (tunnel.best_first.empty() && tunnel.routes == 0) {
        const sa::TunnelId id = tunnel.id;
        tunnels_.erase(id);
    }
}

}  // namespace anyswan::dataplane
