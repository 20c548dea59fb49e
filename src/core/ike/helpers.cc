// SPDX-License-Identifier: Apache-2.0
// The words of the engine's tests.
#include "core/ike/helpers.h"

#include <algorithm>

#include "base/spi.h"
#include "core/ike/nat.h"
#include "core/ike/seed_stream.h"

namespace anyswan::ike::test {

using wire::ike::HeaderView;
using wire::ike::Identification;
using wire::ike::PayloadType;

namespace {

constexpr std::string_view customer_home = "198.51.100.7";
constexpr std::string_view anycast_address = "192.0.2.1";

EngineConfig config_of(const std::string& name, std::uint16_t edge_id) {
    EngineConfig config;
    config.edge_name = name;
    config.edge_id = EdgeId(edge_id);
    config.cookie_secret = Secret(Bytes(32, 0x5a));
    return config;
}

bool fit(const sa::ChildSaRecord& a, const sa::ChildSaRecord& b) {
    return a.inbound_spi == b.outbound_spi && a.outbound_spi == b.inbound_spi &&
           a.inbound == b.outbound && a.outbound == b.inbound && a.local_ts == b.remote_ts &&
           a.remote_ts == b.local_ts && a.suite == b.suite;
}

/// The IV of an AEAD-protected message (after header, payload header and fragment fields).
std::optional<ByteView> iv_of(const HeaderView& view, ByteView datagram) {
    std::size_t offset = wire::ike::header_size + wire::ike::payload_header_size;
    if (view.first_payload == PayloadType::encrypted_fragment) {
        offset += 4;
    } else if (view.first_payload != PayloadType::encrypted) {
        return std::nullopt;
    }
    return datagram.size() < offset + 8 ? std::nullopt : std::optional(datagram.subspan(offset, 8));
}

}  // namespace

sa::TunnelRecord fleet_tunnel() {
    sa::TunnelRecord tunnel;
    tunnel.id = {"acme", "hq"};
    tunnel.local_id = Identification::from_text("edge.example");
    tunnel.remote_id = Identification::from_text("hq.acme.example");
    tunnel.psk = Secret::copy_of(as_bytes("correct horse battery staple"));
    tunnel.remote_addresses = {net(customer_home)};
    tunnel.ike_suites = {ike_suite("aes256gcm16-prfsha256-x25519")};
    tunnel.esp_suites = {esp_suite("aes256gcm16")};
    tunnel.local_prefixes = {net("10.0.0.0/8")};
    tunnel.remote_prefixes = {net("10.1.0.0/16")};
    return tunnel;
}

sa::TunnelRecord customer_tunnel() {
    sa::TunnelRecord tunnel = fleet_tunnel();
    std::swap(tunnel.local_id, tunnel.remote_id);
    std::swap(tunnel.local_prefixes, tunnel.remote_prefixes);
    tunnel.remote_addresses = {net(anycast_address)};
    return tunnel;
}

std::vector<const sa::TunnelRecord*> Directory::by_address(const IpAddress& remote) const {
    std::vector<const sa::TunnelRecord*> found;
    for (const sa::TunnelRecord& tunnel : tunnels) {
        bool allowed = tunnel.remote_addresses.empty();
        for (const IpPrefix& prefix : tunnel.remote_addresses) {
            allowed = allowed || prefix.contains(remote);
        }
        if (allowed) {
            found.push_back(&tunnel);
        }
    }
    return found;
}

const sa::TunnelRecord* Directory::by_id(const sa::TunnelId& id) const {
    for (const sa::TunnelRecord& tunnel : tunnels) {
        if (tunnel.id == id) {
            return &tunnel;
        }
    }
    return nullptr;
}

std::optional<EspSpi> CountingSpis::allocate() {
    return dry ? std::nullopt : std::optional(EspSpi(next_++));
}

void SteeredRandom::fill(MutableBytes out) {
    random_.fill(out);
    if (out.size() != exchange_seed_size || wanted_.empty()) {
        return;
    }
    const Wanted wanted = wanted_.front();
    wanted_.pop_front();
    const auto rank = [&]() -> unsigned {
        if (!wanted.request) {
            return out[0] >> 6U;
        }
        const Secret seed = Secret::copy_of(out);
        return SeedStream(seed).bytes(1)[0] >> 6U;
    };
    while (rank() != wanted.rank) {
        random_.fill(out);
    }
}

Side::Side(std::string side_name, std::uint16_t edge_id, std::uint64_t seed)
    : name(std::move(side_name)),
      config(config_of(name, edge_id)),
      spis(0x10000U * edge_id + 0x1000) {
    restart(edge_id, seed);
}

void Side::restart(std::uint16_t edge_id, std::uint64_t seed) {
    config.edge_id = EdgeId(edge_id);
    random = std::make_unique<SteeredRandom>(seed);
    EngineConfig copy = config_of(name, edge_id);
    copy.cookie_threshold = config.cookie_threshold;
    copy.half_open_max = config.half_open_max;
    copy.addresses = config.addresses;
    engine = std::make_unique<Engine>(std::move(copy), *random, spis, directory);
}

Outputs Side::step(Now now, Input input) {
    Outputs out = engine->step(now, std::move(input));
    for (const Action& action : out.actions) {
        keep(action);
    }
    events.insert(events.end(), out.events.begin(), out.events.end());
    drops.insert(drops.end(), out.drops.begin(), out.drops.end());
    addresses_wanted.insert(addresses_wanted.end(), out.addresses_wanted.begin(),
                            out.addresses_wanted.end());
    crls_wanted.insert(crls_wanted.end(), out.crls_wanted.begin(), out.crls_wanted.end());
    return out;
}

void Side::keep(const Action& action) {
    for (const Write& write : action.writes) {
        if (const auto* ike = std::get_if<sa::IkeSaRecord>(&write)) {
            ike_sas[ike->our_spi] = ike->clone();
            std::erase(written_order, ike->our_spi);
            written_order.push_back(ike->our_spi);
        } else if (const auto* child = std::get_if<sa::ChildSaRecord>(&write)) {
            children[child->inbound_spi] = child->clone();
        } else if (const auto* endpoint = std::get_if<sa::EndpointRecord>(&write)) {
            endpoints[endpoint->ike_spi] = *endpoint;
        }
    }
}

const sa::IkeSaRecord* Side::ike_sa() const {
    for (auto spi = written_order.rbegin(); spi != written_order.rend(); ++spi) {
        const auto it = ike_sas.find(*spi);
        if (!it->second.ended) {
            return &it->second;
        }
    }
    return nullptr;
}

const sa::ChildSaRecord* Side::child_sa() const {
    const sa::ChildSaRecord* newest = nullptr;
    for (const auto& [spi, child] : children) {
        if (!child.ended) {
            newest = &child;
        }
    }
    return newest;
}

IkeSpi Side::spi() const {
    const std::vector<IkeSaSummary> rows = established();
    const auto calm = std::find_if(rows.begin(), rows.end(),
                                   [](const IkeSaSummary& row) { return !row.rekeying; });
    return calm != rows.end() ? calm->our_spi : rows.empty() ? IkeSpi{} : rows.front().our_spi;
}

std::vector<IkeSaSummary> Side::established() const {
    std::vector<IkeSaSummary> rows = engine->list();
    std::erase_if(rows, [](const IkeSaSummary& row) { return row.state != "established"; });
    return rows;
}

std::size_t Side::live_children() const {
    std::size_t live = 0;
    for (const auto& [spi, child] : children) {
        live += child.ended ? 0 : 1;
    }
    return live;
}

int Side::count(EventKind kind) const {
    int found = 0;
    for (const EngineEvent& event : events) {
        found += event.kind == kind ? 1 : 0;
    }
    return found;
}

int Side::count(DropReason reason) const {
    int found = 0;
    for (const Dropped& drop : drops) {
        found += drop.reason == reason ? 1 : 0;
    }
    return found;
}

std::string Side::text(EventKind kind) const {
    std::string last;
    for (const EngineEvent& event : events) {
        if (event.kind == kind) {
            last = event.text;
        }
    }
    return last;
}

std::string Side::state() const {
    const auto rows = engine->list();
    return rows.empty() ? "none" : rows.size() > 1 ? "several" : rows.front().state;
}

World::World(std::uint64_t seed)
    : customer("customer", 0, seed * 2 + 1),
      fleet("ams1", 7, seed * 2 + 2),
      customer_address(*IpAddress::parse(customer_home)),
      seed_(seed) {
    customer.directory.tunnels.push_back(customer_tunnel());
    fleet.directory.tunnels.push_back(fleet_tunnel());
}

World::~World() {
    if (testing::Test::HasFailure()) {
        GTEST_LOG_(INFO) << "seed " << seed_;
        for (const Side* side : {&customer, &fleet}) {
            for (const EngineEvent& event : side->events) {
                GTEST_LOG_(INFO) << side->name << ": " << ike::name(event.kind) << ": "
                                 << event.text;
            }
            for (const Dropped& drop : side->drops) {
                GTEST_LOG_(INFO) << side->name << ": dropped " << ike::name(drop.reason) << " "
                                 << drop.detail;
            }
        }
    }
}

Now World::clock() const {
    return {instant_, {1'700'000'000'000'000'000 + instant_.since_start.count()}};
}

Side& World::other(const Side& side) {
    return &side == &customer ? fleet : customer;
}

void World::tell(Side& side, Input input) {
    Outputs out = side.step(clock(), std::move(input));
    for (Action& action : out.actions) {
        for (const Datagram& datagram : action.send) {
            send(side, datagram);
        }
        side.actions.push_back(std::move(action));
    }
}

void World::initiate(std::uint16_t port) {
    tell(customer, Initiate{{"acme", "hq"}, at(customer_home, port), at(anycast_address, port)});
    deliver();
}

void World::initiate_from_fleet() {
    tell(fleet, Initiate{{"acme", "hq"}, at(anycast_address, 500), at(customer_home, 500)});
    deliver();
}

void World::move_customer(std::string_view local, std::string_view remote) {
    customer_address = *IpAddress::parse(local);
    tell(customer, MovePath{{"acme", "hq"}, at(local, 4500), at(remote, 4500)});
}

void World::create_child(Side& side) {
    tell(side, CreateChild{side.spi()});
}

void World::rekey_child(Side& side) {
    tell(side, RekeyChild{side.spi(), side.child_sa()->inbound_spi});
}

void World::delete_child(Side& side) {
    tell(side, DeleteChild{side.spi(), side.child_sa()->inbound_spi});
}

void World::rekey_ike(Side& side) {
    tell(side, RekeyIke{side.spi()});
}

void World::delete_ike(Side& side) {
    tell(side, Terminate{{"acme", "hq"}, side.spi()});
}

void World::probe(Side& side) {
    tell(side, ProbeLiveness{side.spi()});
}

std::deque<World::Carried> World::take_from(const Side& side) {
    std::deque<Carried> taken;
    std::deque<Carried> left;
    for (Carried& carried : wire_) {
        (carried.from == &side ? taken : left).push_back(std::move(carried));
    }
    wire_ = std::move(left);
    return taken;
}

void World::put_back(const std::deque<Carried>& carried) {
    wire_.insert(wire_.end(), carried.begin(), carried.end());
}

std::size_t World::deliver_from(Side& side) {
    const std::deque<Carried> taken = take_from(side);
    for (const Carried& carried : taken) {
        arrive(carried);
    }
    return taken.size();
}

std::size_t World::lose_from(Side& side) {
    return take_from(side).size();
}

void World::take_over(Side& side, std::uint16_t edge_id) {
    std::vector<sa::IkeSaRecord> claims;
    std::vector<sa::ChildSaRecord> facts;
    for (const auto& [inbound, child] : side.children) {
        facts.push_back(child.clone());
    }
    // In the order they were written, so that the newest stays the newest.
    for (const IkeSpi spi : std::vector<IkeSpi>(side.written_order)) {
        const sa::IkeSaRecord& claim = side.ike_sas.at(spi);
        if (!claim.ended) {
            claims.push_back(claim.clone());
        }
    }
    side.restart(edge_id, seed_ * 1000 + ++takeovers_);
    for (sa::IkeSaRecord& claim : claims) {
        claim.epoch = claim.epoch.next();
        claim.owner = EdgeId(edge_id);
        claim.next_iv = 0;
        side.ike_sas[claim.our_spi] = claim.clone();
        std::vector<sa::ChildSaRecord> children;
        for (const sa::ChildSaRecord& fact : facts) {
            children.push_back(fact.clone());
        }
        tell(side, Adopt{std::move(claim), std::move(children)});
    }
}

void World::send(Side& from, const Datagram& datagram) {
    trace.push_back({&from, datagram});
    check_datagram(datagram.bytes);
    const auto fault = faults.find(carried_count_++);
    const Fault what = fault == faults.end() ? Fault::none : fault->second;
    if (cut || what == Fault::drop) {
        return;
    }
    Carried carried{&from, translated(from, datagram)};
    if (what == Fault::delay_one) {
        delayed_ = std::move(carried);
        return;
    }
    wire_.push_back(carried);
    if (what == Fault::duplicate) {
        wire_.push_back(carried);
    }
    if (delayed_) {
        wire_.push_back(std::move(*delayed_));
        delayed_.reset();
    }
}

void World::inject(Side& to, Datagram datagram) {
    // As if the other side had sent it, without the invariants of what engines send.
    wire_.push_back({&other(to), translated(other(to), std::move(datagram))});
}

Datagram World::translated(const Side& from, Datagram datagram) const {
    if (!nat) {
        return datagram;
    }
    if (&from == &customer) {
        datagram.local.address = *nat;
        datagram.local.port = static_cast<std::uint16_t>(datagram.local.port + nat_port_shift);
    } else {
        datagram.remote.address = customer_address;
        datagram.remote.port = static_cast<std::uint16_t>(datagram.remote.port - nat_port_shift);
    }
    return datagram;
}

void World::arrive(const Carried& carried) {
    const Datagram& datagram = carried.datagram;
    if (carried.from == &fleet && datagram.remote.address != customer_address) {
        return;
    }
    tell(other(*carried.from), DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
}

void World::deliver() {
    while (!wire_.empty()) {
        const Carried next = std::move(wire_.front());
        wire_.pop_front();
        arrive(next);
    }
}

void World::wait(Duration time) {
    const Instant end = instant_ + time;
    while (pass_until_due(end)) {
        deliver();
    }
}

void World::pass(Duration time) {
    const Instant end = instant_ + time;
    while (pass_until_due(end)) {
    }
}

bool World::pass_until_due(Instant end) {
    std::optional<Instant> next;
    for (const Side* side : {&customer, &fleet}) {
        const auto due = side->engine->next_deadline();
        if (due && (!next || *due < *next)) {
            next = due;
        }
    }
    if (!next || *next > end) {
        instant_ = end;
        return false;
    }
    instant_ = std::max(instant_, *next);
    tell(customer, TimePassed{});
    tell(fleet, TimePassed{});
    return true;
}

void World::settle(Duration at_most) {
    deliver();
    const Instant end = instant_ + at_most;
    while (!up() && instant_ < end) {
        wait(500ms);
    }
}

bool World::up() const {
    const auto* ours = customer.child_sa();
    const auto* theirs = fleet.child_sa();
    return customer.state() == "established" && fleet.state() == "established" && ours != nullptr &&
           theirs != nullptr && customer.live_children() == 1 && fleet.live_children() == 1 &&
           fit(*ours, *theirs);
}

std::string Side::facts_differ() const {
    std::map<EspSpi, IkeSpi> held;
    std::map<IkeSpi, bool> origins;
    for (const IkeSaSummary& row : engine->list()) {
        for (const ChildSummary& child : row.children) {
            if (!held.emplace(child.inbound_spi, row.origin).second) {
                return name + ": Child SA " + hex(child.inbound_spi) + " under two IKE SAs";
            }
        }
        origins[row.origin] = true;
    }
    for (const auto& [spi, child] : children) {
        const auto found = held.find(spi);
        if (child.ended != (found == held.end())) {
            return name + ": Child SA " + hex(spi) +
                   (child.ended ? " ended in the store alone" : " lives in the store alone");
        }
        if (!child.ended && found->second != child.ike_spi) {
            return name + ": Child SA " + hex(spi) + " names another endpoint";
        }
    }
    for (const auto& [spi, endpoint] : endpoints) {
        if (endpoint.ended == origins.contains(spi)) {
            return name + ": endpoint " + std::to_string(spi.value()) +
                   (endpoint.ended ? " ended too early" : " outlived its IKE SAs");
        }
    }
    return "";
}

std::string World::disagreement() const {
    for (const Side* side : {&customer, &fleet}) {
        if (const std::string differ = side->facts_differ(); !differ.empty()) {
            return differ;
        }
    }
    const auto ours = customer.engine->list();
    const auto theirs = fleet.engine->list();
    if (ours.size() != theirs.size()) {
        return "customer has " + std::to_string(ours.size()) + " IKE SAs, the fleet " +
               std::to_string(theirs.size());
    }
    for (const IkeSaSummary& row : ours) {
        const auto peer = std::find_if(theirs.begin(), theirs.end(), [&](const auto& other) {
            return other.our_spi == row.peer_spi && other.peer_spi == row.our_spi;
        });
        if (peer == theirs.end() || peer->children.size() != row.children.size()) {
            return "IKE SA " + std::to_string(row.our_spi.value()) +
                   (peer == theirs.end() ? " is unknown to the fleet" : " has other Child SAs");
        }
        for (const ChildSummary& summary : row.children) {
            const sa::ChildSaRecord& child = customer.children.at(summary.inbound_spi);
            const auto other = fleet.children.find(child.outbound_spi);
            if (other == fleet.children.end() || other->second.ended ||
                !fit(child, other->second)) {
                return "Child SA " + hex(summary.inbound_spi) +
                       " of the customer has no counterpart";
            }
        }
    }
    return "";
}

void World::check_datagram(ByteView datagram) {
    if (!check_invariants) {
        return;
    }
    const auto view = HeaderView::read(datagram);
    ASSERT_TRUE(view.has_value()) << "an engine sent what is no IKE message";
    const auto iv = iv_of(*view, datagram);
    if (!iv) {
        return;
    }
    // SPIs and I flag name the key.
    const Bytes flag{static_cast<std::uint8_t>(view->header.from_initiator ? 1 : 0)};
    const Bytes key = concat({datagram.first(16), flag});
    const auto [seen_iv, new_iv] = by_iv_.try_emplace(concat({key, *iv}), to_bytes(datagram));
    EXPECT_EQ(seen_iv->second, to_bytes(datagram)) << "N1: one key and IV, two messages";
    Bytes id = concat({key, datagram.subspan(18, 6)});
    if (view->first_payload == PayloadType::encrypted_fragment) {
        id = concat({id, datagram.subspan(wire::ike::header_size + 4, 4)});
    }
    const auto [seen_id, new_id] = by_message_id_.try_emplace(id, to_bytes(datagram));
    EXPECT_EQ(seen_id->second, to_bytes(datagram)) << "N4: one message ID, two contents";
}

std::optional<wire::ike::NotifyType> refusal(const Datagram& datagram) {
    const auto message = wire::ike::Message::parse(datagram.bytes);
    if (!message || message->payloads.size() != 1) {
        return std::nullopt;
    }
    const auto* notify = std::get_if<wire::ike::Notify>(&message->payloads.front().body);
    return notify == nullptr ? std::nullopt : std::optional(notify->type);
}

}  // namespace anyswan::ike::test
