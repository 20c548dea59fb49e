// SPDX-License-Identifier: Apache-2.0
#include "edge/dataplane_role.h"

#include <algorithm>
#include <iterator>

#include "base/spi.h"
#include "core/esp/outbound_sa.h"
#include "edge/log.h"

namespace anyswan::edge {

namespace {

/// The sequence number from which on an SA should be rekeyed: 80 % of all it has.
std::uint64_t numbers_low_mark(const sa::ChildSaRecord& record) {
    const std::uint64_t all = record.suite.esn() ? ~0ULL : 0xffffffffULL;
    return all / 10 * 8;
}

constexpr std::size_t changes_at_once = 256;

}  // namespace

DataplaneRole::DataplaneRole(Parts parts)
    : parts_(std::move(parts)),
      expiry_(parts_.loop),
      keepalive_(parts_.loop),
      keepalives_(parts_.nat_keepalive),
      needs_(parts_.edge) {
    expiry_.every(1s, [this] { expire(); });
    keepalive_.every(1s, [this] { keep_nat_mappings(); });
}

void DataplaneRole::keep_nat_mappings() {
    std::vector<dataplane::IkeDatagram> keepalives;
    for (const NatKeepalives::Path& path : keepalives_.due(parts_.loop.now().instant)) {
        keepalives.push_back({path.local, path.remote, {}});
    }
    if (!keepalives.empty()) {
        parts_.driver.send_ike(keepalives);
    }
}

void DataplaneRole::sent_to_peer(const Endpoint& local, const Endpoint& remote) {
    keepalives_.sent(parts_.loop.now().instant, {local, remote});
}

std::optional<sa::EndpointRecord> DataplaneRole::endpoint(IkeSpi origin) const {
    const auto found = endpoints_.find(origin);
    return found == endpoints_.end() ? std::nullopt : std::optional(found->second);
}

void DataplaneRole::change(dataplane::Change change) {
    if (batch_.empty()) {
        parts_.loop.post([this] { apply_batch(); });
    }
    batch_.push_back(std::move(change));
}

void DataplaneRole::on_in_step() {
    in_step_ = true;
    if (std::exchange(held_back_, false) && !batch_.empty()) {
        parts_.loop.post([this] { apply_batch(); });
    }
    change(dataplane::Settled{});
}

/// A whole snapshot takes the driver seconds; between its parts the loop does what else there is.
void DataplaneRole::apply_batch() {
    if (held_back_) {
        return;
    }
    const std::size_t count = std::min(batch_.size(), changes_at_once);
    std::vector<dataplane::Change> now_due;
    std::move(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(count),
              std::back_inserter(now_due));
    batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(count));
    for (dataplane::Change& one : now_due) {
        auto* install = std::get_if<dataplane::InstallSa>(&one);
        if (install != nullptr && parts_.marks != nullptr) {
            install->mark = parts_.marks->of(install->record.inbound_spi);
        }
    }
    parts_.driver.apply(now_due);
    const WallTime now = parts_.loop.now().wall;
    for (const dataplane::Change& change : now_due) {
        const auto* install = std::get_if<dataplane::InstallSa>(&change);
        const auto found =
            install == nullptr ? children_.end() : children_.find(install->record.inbound_spi);
        if (found != children_.end()) {
            report_applied(found->second, now);
        }
    }
    settled_ = settled_ || (in_step_ && batch_.empty());
    if (!batch_.empty()) {
        parts_.loop.post([this] { apply_batch(); });
    }
}

void DataplaneRole::report_applied(Child& child, WallTime now) {
    child.applied_at = now;
    const std::int64_t lag_ms = (now.unix_ns - child.record.published_at.unix_ns) / 1'000'000;
    if (child.record.negotiated_on != parts_.edge_name) {
        lag_ms_ = lag_ms;
    }
    log::info("dataplane", "child SA " + hex(child.record.inbound_spi) + " of tunnel " +
                               child.record.tunnel.to_string() + " (negotiated on " +
                               child.record.negotiated_on + ") in force after " +
                               std::to_string(lag_ms) + " ms");
}

void DataplaneRole::on_tunnel(const sa::TunnelRecord& record) {
    const auto known = routes_.find(record.id);
    const std::vector<IpPrefix> before =
        known == routes_.end() ? std::vector<IpPrefix>{} : known->second;
    if (known == routes_.end() && domains_[record.id.account]++ == 0) {
        change(dataplane::AddDomain{record.id.account});
    }
    const std::vector<IpPrefix> after = record.routed_prefixes();
    for (const IpPrefix& prefix : before) {
        if (std::find(after.begin(), after.end(), prefix) == after.end()) {
            change(dataplane::RemoveRoute{record.id, prefix});
        }
    }
    for (const IpPrefix& prefix : after) {
        if (std::find(before.begin(), before.end(), prefix) == before.end()) {
            change(dataplane::AddRoute{record.id, prefix});
        }
    }
    routes_[record.id] = after;
}

void DataplaneRole::on_tunnel_deleted(const sa::TunnelId& id) {
    const auto known = routes_.find(id);
    if (known == routes_.end()) {
        return;
    }
    for (const IpPrefix& prefix : known->second) {
        change(dataplane::RemoveRoute{id, prefix});
    }
    routes_.erase(known);
    std::vector<EspSpi> orphans;
    for (const auto& [spi, child] : children_) {
        if (child.record.tunnel == id) {
            orphans.push_back(spi);
        }
    }
    for (const EspSpi spi : orphans) {
        remove({spi});
    }
    if (--domains_[id.account] == 0) {
        domains_.erase(id.account);
        change(dataplane::RemoveDomain{id.account});
    }
}

void DataplaneRole::on_child(const sa::ChildSaRecord& record) {
    if (record.ended || record.expires_at <= parts_.loop.now().wall) {
        remove({record.inbound_spi, record.ended && record.drain});
        return;
    }
    Child& child = children_[record.inbound_spi];
    if (child.record.inbound_spi == EspSpi{}) {
        for (const IpAddress& address : record.our_addresses) {
            change(dataplane::AddAddress{record.tunnel.account, address});
        }
    }
    child.record = record.clone();
    install(child);
}

void DataplaneRole::on_endpoint(const sa::EndpointRecord& record) {
    keepalives_.on_endpoint(parts_.loop.now().instant, record);
    if (record.ended) {
        endpoints_.erase(record.ike_spi);
        return;
    }
    const bool known = endpoints_.contains(record.ike_spi);
    endpoints_[record.ike_spi] = record;
    if (known) {
        change(dataplane::MoveEndpoint{record.ike_spi, record.local, record.remote,
                                       record.udp_encapsulation, record.behind_nat});
        return;
    }
    // Child SAs whose endpoint comes second have waited for it.
    if (const auto waiting = without_endpoint_.extract(record.ike_spi)) {
        for (const EspSpi spi : waiting.mapped()) {
            if (const auto child = children_.find(spi); child != children_.end()) {
                install(child->second);
            }
        }
    }
}

void DataplaneRole::install(Child& child) {
    const auto endpoint = endpoints_.find(child.record.ike_spi);
    if (endpoint == endpoints_.end()) {
        without_endpoint_[child.record.ike_spi].insert(child.record.inbound_spi);
        return;
    }
    if (child.applied_at) {
        return;
    }
    const sa::EndpointRecord& where = endpoint->second;
    child.trouble.clear();
    failed_.erase(child.record.inbound_spi);
    change(dataplane::InstallSa{.record = child.record.clone(),
                                .local = where.local,
                                .remote = where.remote,
                                .udp_encapsulation = where.udp_encapsulation,
                                .behind_nat = where.behind_nat,
                                .send_on = send_on(child.record)});
    // Nobody else will ask for its numbers, and when a packet does the store may be away.
    if (child.record.made_for == parts_.edge && parts_.edge != EdgeId{} &&
        esp::sequence_rule(child.record) == esp::SequenceAllocator::Rule::granted) {
        parts_.leases.want({child.record.inbound_spi, SequenceNumber(0)}, child.record.suite.sn,
                           [this](dataplane::GrantSequence grant) { change(grant); });
    }
}

dataplane::SendOn DataplaneRole::send_on(const sa::ChildSaRecord& record) const {
    if (record.made_for == EdgeId{}) {
        return dataplane::SendOn::shared;
    }
    return record.made_for == parts_.edge ? dataplane::SendOn::own : dataplane::SendOn::others;
}

void DataplaneRole::remove(dataplane::RemoveSa removal) {
    const auto found = children_.find(removal.inbound_spi);
    if (found == children_.end()) {
        return;
    }
    log::info("dataplane", "child SA " + hex(removal.inbound_spi) + " of tunnel " +
                               found->second.record.tunnel.to_string() +
                               (removal.drain ? " replaced" : " removed"));
    for (const IpAddress& address : found->second.record.our_addresses) {
        change(dataplane::RemoveAddress{found->second.record.tunnel.account, address});
    }
    children_.erase(found);
    failed_.erase(removal.inbound_spi);
    parts_.leases.forget(removal.inbound_spi);
    needs_.forget(removal.inbound_spi);
    change(removal);
}

void DataplaneRole::expire() {
    const WallTime now = parts_.loop.now().wall;
    std::vector<EspSpi> dead;
    for (const auto& [spi, child] : children_) {
        if (child.record.expires_at <= now) {
            dead.push_back(spi);
        }
    }
    for (const EspSpi spi : dead) {
        remove({spi});
    }
}

void DataplaneRole::on_events(std::vector<dataplane::Event> events) {
    for (const dataplane::Event& event : events) {
        std::visit([this](const auto& one) { this->on_event(one); }, event);
    }
}

void DataplaneRole::on_event(const dataplane::NeedSequence& event) {
    const auto child = children_.find(event.inbound_spi);
    if (child == children_.end()) {
        return;
    }
    if (const auto want = needs_.on_need(parts_.loop.now().instant, child->second.record,
                                         parts_.leases.held(event.inbound_spi))) {
        parts_.tell("sender", *want);
    }
    parts_.leases.want(event, child->second.record.suite.sn,
                       [this](dataplane::GrantSequence grant) { change(grant); });
}

void DataplaneRole::on_event(const dataplane::UnknownSpi& event) {
    log::debug("dataplane", "unknown SPI " + hex(event.inbound_spi) + " from " +
                                event.remote.to_string() + ": asking the fleet");
    parts_.tell("ask", AskSpi{event.inbound_spi});
}

void DataplaneRole::on_event(const dataplane::EndpointMoved& event) {
    const auto child = children_.find(event.inbound_spi);
    const auto known =
        child == children_.end() ? endpoints_.end() : endpoints_.find(child->second.record.ike_spi);
    if (known == endpoints_.end() || known->second.behind_nat) {
        return;
    }
    sa::EndpointRecord moved = known->second;
    moved.local = event.local;
    moved.remote = event.remote;
    log::info("dataplane", "peer of tunnel " + child->second.record.tunnel.to_string() +
                               " moved to " + event.remote.to_string());
    parts_.facts.put(sa::endpoint_key(moved.ike_spi), Epoch(1), moved, [](Written) {});
}

void DataplaneRole::on_event(const dataplane::Received& event) {
    last_traffic_ = parts_.loop.now().instant;
    if (parts_.marks != nullptr) {
        parts_.marks->on_received(event);
    }
}

void DataplaneRole::on_event(const dataplane::Usage& event) {
    const auto child = children_.find(event.inbound_spi);
    if (child == children_.end()) {
        return;
    }
    last_traffic_ = parts_.loop.now().instant;
    const auto where = endpoint(child->second.record.ike_spi);
    if (where && event.packets_out > 0) {
        sent_to_peer(where->local, where->remote);
    }
    dataplane::Usage& sum = child->second.usage;
    sum.inbound_spi = event.inbound_spi;
    sum.bytes_in += event.bytes_in;
    sum.packets_in += event.packets_in;
    sum.bytes_out += event.bytes_out;
    sum.packets_out += event.packets_out;
    sum.highest_in = event.highest_in;
    sum.highest_out = event.highest_out;
    traffic_.push_back({event.inbound_spi, event.bytes_in, event.packets_in, event.bytes_out,
                        event.packets_out,
                        event.highest_out.value() >= numbers_low_mark(child->second.record)});
}

void DataplaneRole::on_event(const dataplane::SaFailed& event) {
    const auto child = children_.find(event.inbound_spi);
    if (child != children_.end()) {
        child->second.trouble = event.why;
        failed_.insert(event.inbound_spi);
        child->second.applied_at.reset();
    }
    log::error("dataplane",
               "child SA " + hex(event.inbound_spi) + " could not be applied: " + event.why);
}

void DataplaneRole::on_event(const dataplane::SaApplied& event) {
    const auto child = children_.find(event.inbound_spi);
    if (child != children_.end() && !child->second.trouble.empty()) {
        child->second.trouble.clear();
        failed_.erase(event.inbound_spi);
        report_applied(child->second, parts_.loop.now().wall);
    }
}

void DataplaneRole::on_event(const dataplane::DomainFailed& event) {
    log::error("dataplane", "routing domain of account " + event.account + ": " + event.why);
}

void DataplaneRole::on_lease_taken(const LeaseTaken& lease) {
    const bool was_ours = parts_.leases.taken_by_other(lease);
    if (children_.contains(lease.inbound_spi)) {
        needs_.on_taken(parts_.loop.now().instant, lease, was_ours);
    }
    if (was_ours) {
        change(dataplane::RevokeSequence{lease.inbound_spi});
    }
}

std::optional<std::vector<SaTrouble>> DataplaneRole::take_troubles() {
    if (failed_.empty() && !std::exchange(told_trouble_, false)) {
        return std::nullopt;
    }
    told_trouble_ = !failed_.empty();
    std::vector<SaTrouble> rows;
    for (const EspSpi spi : failed_) {
        if (rows.size() < troubles_max) {
            rows.push_back({spi, children_.at(spi).trouble});
        }
    }
    return rows;
}

const sa::ChildSaRecord* DataplaneRole::find(EspSpi spi) const {
    const auto found = children_.find(spi);
    return found == children_.end() ? nullptr : &found->second.record;
}

std::vector<ChildRow> DataplaneRole::list() const {
    std::vector<ChildRow> rows;
    for (const auto& [spi, child] : children_) {
        ChildRow row;
        row.record = &child.record;
        if (const auto endpoint = endpoints_.find(child.record.ike_spi);
            endpoint != endpoints_.end()) {
            row.endpoint = endpoint->second;
        }
        row.applied_at = child.applied_at;
        row.trouble = child.trouble;
        row.usage = child.usage;
        row.sender = parts_.leases.held(spi);
        rows.push_back(std::move(row));
    }
    return rows;
}

bool DataplaneRole::is_assigned(const std::string& account, const IpAddress& address) const {
    return std::ranges::any_of(endpoints_, [&](const auto& entry) {
        const sa::EndpointRecord& peer = entry.second;
        return peer.account == account && std::find(peer.assigned.begin(), peer.assigned.end(),
                                                    address) != peer.assigned.end();
    });
}

std::size_t DataplaneRole::installed() const {
    return static_cast<std::size_t>(
        std::count_if(children_.begin(), children_.end(),
                      [](const auto& entry) { return entry.second.applied_at; }));
}

}  // namespace anyswan::edge
