// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/model.h"

#include <algorithm>

#include "core/esp/outbound_sa.h"
#include "dataplane/xfrm/replay_lift.h"

namespace anyswan::dataplane::xfrm {

namespace {

/// Of use reports: once a second while packets flow, at once after a pause.
constexpr ReportRule usual_reports{0, 10};
// Five a second: other edges lift their replay windows by them.
constexpr ReportRule inbound_reports{0, 2};
/// At every packet: an SA whose first packet is waited for.
constexpr ReportRule prompt_reports{1, 10};
/// RFC 4303 3.4.3: ESN can't do without a window; outbound states never look at theirs.
constexpr std::uint32_t outbound_window = 32;
constexpr std::uint32_t priority_base = 1000;
/// SAs of a tunnel that differ in rank; what is older than so many counts alike.
constexpr std::uint32_t ranks_max = 255;

/// A number in our range that stays the same over restarts. FNV-1a.
std::uint32_t number_of(std::string_view name) {
    std::uint32_t hash = 2166136261U;
    for (const char c : name) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
    }
    return own_first | (hash & (own_last - own_first));
}

std::uint32_t next_number(std::uint32_t number) {
    return number == own_last ? own_first : number + 1;
}

/// Best first: our own, then newest by time of publication, then by SPI, so that all edges agree.
bool better(const Sa* a, const Sa* b) {
    return std::tie(b->send_on, a->record.published_at, a->record.inbound_spi) >
           std::tie(a->send_on, b->record.published_at, b->record.inbound_spi);
}

std::uint32_t window_of(const sa::ChildSaRecord& record) {
    if (record.replay_window == 0 && record.suite.esn()) {
        return replay_window_max;  // ESN needs one; the widest refuses least
    }
    return std::min<std::uint32_t>(record.replay_window, replay_window_max);
}

Status check_sender_rule(const sa::ChildSaRecord& record) {
    const bool free = esp::sequence_rule(record) == esp::SequenceAllocator::Rule::free_running;
    if (free && crypto::is_aead(record.suite.cipher.encr)) {
        // N1.
        return fail(
            "the kernel draws AEAD IVs from the sequence number and a random salt, so several "
            "senders of one key could repeat an IV, which gives the key stream away; use sender "
            "rule pinned or per-edge, AES-CBC with HMAC, or dataplane.type = \"userspace\"");
    }
    return {};
}

}  // namespace

Domain* Model::find_domain(const std::string& account) const {
    const auto found = domains_.find(account);
    return found == domains_.end() ? nullptr : found->second.get();
}

Domain& Model::add_domain(const std::string& account) {
    std::unique_ptr<Domain>& slot = domains_[account];
    if (slot == nullptr) {
        std::uint32_t table = number_of(account);
        while (!tables_.insert(table).second) {
            table = next_number(table);
        }
        slot = std::make_unique<Domain>();
        slot->account = account;
        slot->table = table;
    }
    return *slot;
}

void Model::remove_domain(const std::string& account) {
    const auto found = domains_.find(account);
    if (found != domains_.end()) {
        tables_.erase(found->second->table);
        domains_.erase(found);
    }
}

Tunnel* Model::find_tunnel(const sa::TunnelId& id) const {
    const auto found = tunnels_.find(id);
    return found == tunnels_.end() ? nullptr : found->second.get();
}

Tunnel* Model::find_number(std::uint32_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

Tunnel& Model::tunnel(const sa::TunnelId& id) {
    std::unique_ptr<Tunnel>& slot = tunnels_[id];
    if (slot == nullptr) {
        slot = std::make_unique<Tunnel>();
        slot->id = id;
        slot->domain = find_domain(id.account);
        check(slot->domain != nullptr, "a tunnel without a domain");
        slot->number = number_of(id.to_string());
        while (!by_number_.try_emplace(slot->number, slot.get()).second) {
            slot->number = next_number(slot->number);
        }
    }
    return *slot;
}

void Model::release(Tunnel& tunnel) {
    if (tunnel.best_first.empty() && tunnel.prefixes.empty()) {
        by_number_.erase(tunnel.number);
        tunnels_.erase(sa::TunnelId(tunnel.id));
    }
}

Sa* Model::find(EspSpi spi) const {
    const auto found = sas_.find(spi);
    return found == sas_.end() ? nullptr : found->second.get();
}

Sa* Model::find_outbound(const StateId& id) const {
    const auto found = by_outbound_.find(id);
    return found == by_outbound_.end() ? nullptr : found->second;
}

std::vector<Sa*> Model::of_ike_sa(IkeSpi spi) const {
    const auto found = by_ike_spi_.find(spi);
    return found == by_ike_spi_.end() ? std::vector<Sa*>{} : found->second;
}

Result<Sa*> Model::install(const InstallSa& change, WallTime now) {
    const sa::ChildSaRecord& record = change.record;
    if (sas_.contains(record.inbound_spi)) {
        return nullptr;
    }
    if (find_domain(record.tunnel.account) == nullptr) {
        return fail("account " + record.tunnel.account + " has no routing domain");
    }
    if (const Status good = check_sender_rule(record); !good) {
        return Unexpected{good.error()};
    }
    auto in = algorithms_of(record.suite.cipher, record.inbound);
    auto out = algorithms_of(record.suite.cipher, record.outbound);
    auto outward = selectors_of(record.local_ts, record.remote_ts);
    auto inward = selectors_of(record.remote_ts, record.local_ts);
    if (!in || !out || !outward || !inward) {
        return Unexpected{!in        ? in.error()
                          : !out     ? out.error()
                          : !outward ? outward.error()
                                     : inward.error()};
    }
    auto made = std::make_unique<Sa>();
    made->record = record.clone();
    made->tunnel = &tunnel(record.tunnel);
    made->local = change.local;
    made->remote = change.remote;
    made->first_remote = change.remote;
    made->udp_encapsulation = change.udp_encapsulation;
    made->behind_nat = change.behind_nat;
    if (change.mark != esp::FleetMark{}) {
        Replay fresh;
        fresh.window = window_of(record);
        made->inbound_replay = lifted(fresh, change.mark);
    }
    made->send_on = change.send_on;
    made->in_algorithms = std::move(*in);
    made->out_algorithms = std::move(*out);
    made->out_selectors = std::move(*outward);
    made->in_selectors = std::move(*inward);
    if (record.expires_at.unix_ns != 0) {
        const std::int64_t left_s = (record.expires_at.unix_ns - now.unix_ns) / 1'000'000'000;
        made->age_s = static_cast<std::uint64_t>(std::max<std::int64_t>(left_s, 0)) + 1;
    }
    if (esp::sequence_rule(record) == esp::SequenceAllocator::Rule::free_running) {
        made->numbers = OutboundNumbers{.endless = true};
    }
    // With none to go first it doesn't wait: a fleet's worth of timers would be a load at each
    // start.
    made->waits =
        record.outbound_waits && (record.replaces != EspSpi{} || !made->tunnel->best_first.empty());
    Sa* sa = made.get();
    sas_.emplace(record.inbound_spi, std::move(made));
    by_outbound_[sa->outbound_id()] = sa;
    by_ike_spi_[record.ike_spi].push_back(sa);
    std::vector<Sa*>& siblings = sa->tunnel->best_first;
    siblings.insert(std::ranges::upper_bound(siblings, sa, better), sa);
    return sa;
}

void Model::remove(EspSpi spi) {
    const auto found = sas_.find(spi);
    if (found == sas_.end()) {
        return;
    }
    Sa* sa = found->second.get();
    if (const auto at = by_outbound_.find(sa->outbound_id());
        at != by_outbound_.end() && at->second == sa) {
        by_outbound_.erase(at);
    }
    std::vector<Sa*>& of_ike = by_ike_spi_[sa->record.ike_spi];
    std::erase(of_ike, sa);
    if (of_ike.empty()) {
        by_ike_spi_.erase(sa->record.ike_spi);
    }
    std::erase(sa->tunnel->best_first, sa);
    sas_.erase(found);
}

void Model::move(Sa& sa, const Endpoint& local, const Endpoint& remote, bool udp_encapsulation) {
    by_outbound_.erase(sa.outbound_id());
    if (udp_encapsulation != sa.udp_encapsulation || local.address != sa.local.address) {
        sa.first_remote = remote;  // the inbound state is a new one then
    }
    sa.local = local;
    sa.remote = remote;
    sa.udp_encapsulation = udp_encapsulation;
    by_outbound_[sa.outbound_id()] = &sa;
}

/// RFC 7296 2.8: an SA that the peer asked for is used once the peer shows that it has it; until
/// then the one that it replaces, if that can still be used; or, if it replaces none, any other.
std::vector<Sa*> Model::senders(const Tunnel& tunnel) const {
    std::vector<Sa*> list;
    std::vector<Sa*> last;
    for (Sa* sa : tunnel.best_first) {
        const bool none_before = sa->record.replaces == EspSpi{};
        const Sa* before = sa->waits && !none_before ? find(sa->record.replaces) : nullptr;
        if (sa->may_send() && (before == nullptr || !before->may_send())) {
            (sa->waits && none_before ? last : list).push_back(sa);
        }
    }
    list.insert(list.end(), last.rbegin(), last.rend());
    return list;
}

Tunnel* Model::carrier(const Domain& domain, const IpPrefix& prefix) const {
    const auto found = domain.prefixes.find(prefix);
    if (found == domain.prefixes.end()) {
        return nullptr;
    }
    Tunnel* best = nullptr;
    for (Tunnel* tunnel : found->second) {
        if ((best == nullptr || tunnel->id < best->id) && !senders(*tunnel).empty()) {
            best = tunnel;
        }
    }
    return best;
}

State Model::common_state(const Sa& sa) const {
    State state;
    state.reqid = sa.tunnel->number;
    state.if_id = options_.mode == Mode::interface ? sa.tunnel->number : 0;
    state.esn = sa.record.suite.esn();
    return state;
}

State Model::inbound_state(const Sa& sa) const {
    State state = common_state(sa);
    state.id = sa.inbound_id();
    state.source = sa.first_remote.address;
    state.algorithms = clone(sa.in_algorithms);
    if (sa.inbound_replay) {
        state.replay = *sa.inbound_replay;
    }
    state.replay.window = window_of(sa.record);
    if (sa.udp_encapsulation) {
        state.encapsulation = {sa.first_remote.port, sa.local.port};
    }
    state.limits.hard_age_s = sa.age_s;
    state.set_mark = {sa.tunnel->domain->table, UINT32_MAX};
    state.reports = sa.waits ? prompt_reports : inbound_reports;
    state.mapping_interval_s = sa.udp_encapsulation ? 1 : 0;
    return state;
}

State Model::outbound_state(const Sa& sa) const {
    State state = common_state(sa);
    state.id = sa.outbound_id();
    state.source = sa.local.address;
    state.algorithms = clone(sa.out_algorithms);
    state.replay.window = outbound_window;
    state.replay.sent = SequenceNumber(sa.numbers->start);
    if (sa.udp_encapsulation) {
        state.encapsulation = {sa.local.port, sa.remote.port};
    }
    if (!sa.numbers->endless) {
        // N2: the kernel stops by itself before it would use a number that isn't ours.
        const std::uint64_t span = sa.numbers->last - sa.numbers->start;
        state.limits.hard_packets = span / options_.numbers_per_packet;
        state.limits.soft_packets =
            (span - std::min(span, sa.numbers->soft_left)) / options_.numbers_per_packet;
    }
    state.limits.hard_age_s = sa.age_s;
    state.reports = usual_reports;
    return state;
}

void Model::add_policies(const Sa& sa, std::uint32_t rank, bool sender, Contents& contents) const {
    const bool interface = options_.mode == Mode::interface;
    const std::uint32_t if_id = interface ? sa.tunnel->number : 0;
    const Mark mark{sa.tunnel->domain->table, UINT32_MAX};
    const auto add = [&](const Selector& selector, Direction direction, Mark marked,
                         const Template& required) {
        const IpPrefix& far = direction == Direction::out ? selector.destination : selector.source;
        // Where policies pick the tunnel the longest prefix goes first, as with routes.
        const std::uint32_t shorter =
            interface ? 0 : far.address.bit_length() - std::uint32_t{far.length};
        contents.policies.try_emplace(
            {selector, direction, if_id, marked},
            Policy{{selector, direction, if_id, marked},
                   priority_base + shorter * (ranks_max + 1) +
                       (direction == Direction::out ? std::min(rank, ranks_max) : 0),
                   required,
                   true});
    };
    // Any peer address: it may move. The reqid says which tunnel it must have come through.
    const Template inward{IpAddress(), IpAddress(), EspSpi(0), sa.tunnel->number};
    for (const Selector& selector : sa.in_selectors) {
        add(selector, Direction::in, interface ? Mark{} : mark, inward);
        add(selector, Direction::forward, interface ? Mark{} : mark, inward);
    }
    if (sender) {
        const Template outward{sa.local.address, sa.remote.address, sa.record.outbound_spi,
                               sa.tunnel->number};
        for (const Selector& selector : sa.out_selectors) {
            add(selector, Direction::out, interface || options_.unmarked ? Mark{} : mark, outward);
        }
    }
}

Contents Model::wanted(const Tunnel& tunnel) const {
    Contents contents;
    std::uint32_t rank = 0;
    for (Sa* sa : senders(tunnel)) {
        add_policies(*sa, rank++, true, contents);
    }
    for (const Sa* sa : tunnel.best_first) {
        if (sa->refused) {
            continue;
        }
        State inbound = inbound_state(*sa);
        const StateId inbound_id = inbound.id;
        contents.states.try_emplace(inbound_id, std::move(inbound));
        if (sa->may_send()) {
            State outbound = outbound_state(*sa);
            const StateId outbound_id = outbound.id;
            contents.states.try_emplace(outbound_id, std::move(outbound));
        }
        add_policies(*sa, rank, false, contents);
    }
    return contents;
}

}  // namespace anyswan::dataplane::xfrm
