// SPDX-License-Identifier: Apache-2.0
#include "edge/edge.h"

#include <algorithm>
#include <iterator>

#include "core/crypto/crypto.h"
#include "core/sa/weak.h"
#include "edge/log.h"

namespace anyswan::edge {

namespace {

ike::EngineConfig engine_config(const config::EdgeConfig& config) {
    ike::EngineConfig engine;
    engine.edge_name = config.name;
    engine.edge_id = config.id;
    // One secret for the whole fleet, so that any edge checks any edge's COOKIE (RFC 7296 2.6).
    engine.cookie_secret = crypto::prf(
        crypto::PrfId::hmac_sha2_256, config.fleet_keys.keys.at(config.fleet_keys.current).reveal(),
        {as_bytes("anyswan IKE cookie")});
    engine.cookie_threshold = config.cookie_threshold;
    engine.half_open_timeout = std::chrono::seconds(config.half_open_timeout_s);
    engine.redirect_grace = std::chrono::seconds(config.redirect_grace_s);
    std::ranges::copy_if(config.anycast, std::back_inserter(engine.addresses),
                         [](const IpAddress& address) { return !address.is_unspecified(); });
    return engine;
}

// Half a block: there is time to lease the next.
constexpr std::size_t spis_low_water = 2048;

// In one message: about 200 kB, well below a store's limit.
// A bus copy is ahead of the store's by milliseconds.
constexpr unsigned rescue_every_s = 2;
constexpr std::size_t traffic_rows_max = 4096;

}  // namespace

Edge::Edge(Host& host, config::EdgeConfig config, std::optional<ConnectorPlan> connector)
    : host_(host),
      loop_(host.loop()),
      random_(host.random()),
      config_(std::move(config)),
      connector_(std::move(connector)),
      spi_pool_(random_, spis_low_water),
      spis_(spi_pool_),
      hook_(
          loop_, config_.announce_hook.empty()
                     ? AnnounceHook::Run{}
                     : [this](const std::string& word,
                              std::function<void(Status)>
                                  done) { host_.run(hook_command(word), std::move(done)); }),
      heartbeat_(loop_),
      repair_(loop_),
      second_(loop_) {}

Edge::~Edge() {
    stop();
}

Status Edge::start(std::function<void(Error)> on_fatal) {
    on_fatal_ = std::move(on_fatal);
    auto opened = host_.open_store(config_.store);
    if (!opened) {
        return Unexpected{opened.error()};
    }
    store_ = std::move(*opened);
    log::info("store", "using " + store_->describe());
    store_->on_link_state(
        [this](store::LinkState state, const std::string& why) { on_link(state, why); });
    bootstrap_ = std::make_unique<Bootstrap>(
        Bootstrap::Parts{loop_, *store_, config_.fleet_keys, random_, config_.name, config_.id});
    bootstrap_->run([this](Result<Bootstrap::Held> held) {
        if (held) {
            begin(*held);
        } else {
            on_fatal_(held.error());
        }
    });
    return {};
}

void Edge::begin(const Bootstrap::Held& held) {
    log::info("start", "incarnation " + std::to_string(held.incarnation.value()) + ", SPI block " +
                           std::to_string(held.spi_block));
    spi_pool_.add_block(held.spi_block);
    if (Status made = make_driver(held.incarnation); !made) {
        on_fatal_(made.error());
        return;
    }
    make_roles();
    listen_bus();
    facts_->start();
    second_.every(1s, [this] { keep_up(); });
    heartbeat_.every(heartbeat_period, [this] {
        tell("heartbeat", status());
        more_spis();
        announce_if_ready();
        if (facts_->repair_wanted() && facts_->in_step()) {
            plan_repair();
        }
    });
}

Status Edge::make_driver(Incarnation incarnation) {
    dataplane::DriverSink sink;
    sink.on_events = [this](std::vector<dataplane::Event> events) {
        loop_.post([this, events = std::move(events)]() mutable {
            dataplane_->on_events(std::move(events));
        });
    };
    sink.on_ike = [this](std::vector<dataplane::IkeDatagram> datagrams) {
        loop_.post(
            [this, datagrams = std::move(datagrams)]() mutable { on_ike(std::move(datagrams)); });
    };
    auto driver =
        host_.make_driver({config_.dataplane, config_.anycast, incarnation}, std::move(sink));
    if (!driver) {
        return Unexpected{driver.error()};
    }
    driver_ = std::move(*driver);
    log::info("dataplane", driver_->describe());
    return {};
}

void Edge::make_roles() {
    facts_ = std::make_unique<Facts>(
        *store_, config_.fleet_keys, random_,
        FactHandlers{
            [this](const sa::EnvelopeHeader&, const sa::Record& record) { on_record(record); },
            [this] { on_in_step(); }, [this] { claims_->on_reset(); }});
    claims_ = std::make_unique<Claims>(*store_, config_.fleet_keys, random_);
    const auto tell_all = [this](const std::string& subject, const BusBody& body) {
        tell(subject, body);
    };
    leases_ = std::make_unique<Leases>(Leases::Parts{*store_, config_.fleet_keys, random_, tell_all,
                                                     config_.id, bootstrap_->incarnation()});
    const bool alone = connector_ || std::holds_alternative<config::SqliteStore>(config_.store);
    marks_ = std::make_unique<MarkExchange>(MarkExchange::Parts{
        loop_, fleet_, tell_all, config_.id,
        [this](dataplane::LiftReplay lift) { dataplane_->lift(lift); },
        [this](EspSpi spi) { return dataplane_->find(spi) != nullptr; }, alone});
    dataplane_ = std::make_unique<DataplaneRole>(DataplaneRole::Parts{
        loop_, *facts_, *driver_, *leases_, tell_all, config_.name,
        std::chrono::seconds(config_.dataplane.nat_keepalive_s), marks_.get(), config_.id});
    dataplane_->hold_back();
    const auto send = [this](std::vector<ike::Datagram> datagrams) {
        std::vector<dataplane::IkeDatagram> out;
        for (ike::Datagram& datagram : datagrams) {
            out.push_back({datagram.local, datagram.remote, std::move(datagram.bytes)});
        }
        for (const dataplane::IkeDatagram& datagram : out) {
            dataplane_->sent_to_peer(datagram.local, datagram.remote);
        }
        driver_->send_ike(out);
    };
    addresses_ = std::make_unique<Addresses>(
        Addresses::Parts{*store_, config_.fleet_keys, random_, tunnels_, config_.name,
                         [this](const std::string& account, const IpAddress& address) {
                             return dataplane_->is_assigned(account, address);
                         },
                         [this] { return loop_.now(); }});
    const auto lease = [this](ike::AddressesWanted wanted, Addresses::Give give) {
        addresses_->want(std::move(wanted), std::move(give));
    };
    make_crls();
    ike_ = std::make_unique<IkeRole>(
        IkeRole::Parts{loop_, *facts_, *claims_, random_, tunnels_, spis_, send, config_.name,
                       [this](IkeSpi spi, std::vector<EspSpi> made) {
                           ownership_->on_lost(spi, std::move(made));
                       },
                       [this](const ike::Redirected& away) {
                           if (keeper_) {
                               keeper_->redirected(away);
                           }
                       },
                       lease, [this](const std::string& url) { crls_->want(url); }},
        engine_config(config_));
    ownership_ = std::make_unique<Ownership>(Ownership::Parts{
        loop_, *store_, config_.fleet_keys, random_, *claims_, *ike_, fleet_, tell_all, config_.id,
        *facts_, *dataplane_, [this] { return drain_->heir(); }});
    make_drain();
    if (connector_) {
        keeper_ = std::make_unique<Keeper>(loop_, *ike_, connector_->local, connector_->remote);
        if (connector_->local.address.is_unspecified()) {
            roamer_ = std::make_unique<Roamer>(loop_, *ike_);
        }
    }
}

void Edge::make_crls() {
    const auto fetch = [this](const std::string& url, Crls::Fetched done) {
        if (fetcher_ == nullptr) {
            fetcher_ = std::make_unique<net::HttpFetcher>();
        }
        fetcher_->fetch(url, {.size_max = crl_size_max}, [this, done](Result<Bytes> body) {
            loop_.post([done, body = std::move(body)]() mutable { done(std::move(body)); });
        });
    };
    const auto put = [this](sa::CrlRecord record) {
        const std::string key = sa::crl_key(record.url);
        facts_->put(key, Epoch(1), std::move(record), [](Written) {});
    };
    crls_ = std::make_unique<Crls>(
        Crls::Parts{random_, tunnels_, fetch, put, [this] { return loop_.now(); }});
}

void Edge::listen_bus() {
    for (const std::string& subject :
         {std::string("heartbeat"), std::string("lease"), std::string("ask"), std::string("tell"),
          std::string("traffic"), std::string("trouble"), std::string("owner"),
          std::string("marks"), std::string("sender"), ike_subject(config_.id),
          marks_subject(config_.id), ask_marks_subject(config_.id),
          hand_over_subject(config_.id)}) {
        store_->subscribe(subject, [this](const store::BusMessage& message) { on_bus(message); });
    }
}

void Edge::more_spis() {
    if (claiming_spis_ || !spi_pool_.block_wanted()) {
        return;
    }
    claiming_spis_ = true;
    bootstrap_->claim_spi_block([this](std::uint32_t block) {
        claiming_spis_ = false;
        spi_pool_.add_block(block);
    });
}

// Once a second: tell what was carried, ask silent peers, rekey or end what has lived long enough.
void Edge::keep_up() {
    if (!store_connected() || !facts_->in_step()) {
        facts_->miss_nothing();
    } else if (++seconds_ % rescue_every_s == 0) {
        const auto members = fleet_.members(loop_.now().instant);
        facts_->rescue(static_cast<std::size_t>(
            std::ranges::count_if(members, [](const FleetMember& one) { return one.alive; })));
    }
    if (serving()) {
        ownership_->keep_up();
    }
    flush();
    tell_traffic();
    if (auto troubles = dataplane_->take_troubles()) {
        tell("trouble", SaTroubles{config_.name, std::move(*troubles)});
    }
    addresses_->look(loop_.now().instant);
    if (facts_->in_step()) {
        crls_->look(loop_.now());
    }
    upkeep_.forget_unless([this](EspSpi spi) { return dataplane_->find(spi) != nullptr; });
    std::vector<ike::IkeSaSummary> sas = ike_->list();
    std::erase_if(sas, [this](const auto& sa) { return ownership_->is_given(sa.our_spi); });
    std::vector<ike::Input> decisions = upkeep_.decide(loop_.now(), sas, tunnels_);
    std::ranges::move(grants_.decide(loop_.now().instant, sas), std::back_inserter(decisions));
    for (ike::Input& input : decisions) {
        ike_->want(std::move(input));
    }
}

// A claim goes to the store after the facts that it names (N5).
void Edge::flush() {
    if (!store_connected()) {
        return;
    }
    facts_->flush();
    if (facts_->deferred() == 0) {
        claims_->flush([this](IkeSpi spi) { ike_->lost(spi); });
    }
}

void Edge::tell_traffic() {
    const std::vector<TrafficRow> rows = dataplane_->take_traffic();
    for (std::size_t begin = 0; begin < rows.size(); begin += traffic_rows_max) {
        const std::size_t end = std::min(rows.size(), begin + traffic_rows_max);
        tell("traffic", Traffic{{rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                 rows.begin() + static_cast<std::ptrdiff_t>(end)}});
    }
}

// What a reset store lost is written again by its writers at once, and by whoever knows it a while
// later: a random while, so that one edge does it and the others see that it is done.
void Edge::plan_repair() {
    if (repair_planned_) {
        return;
    }
    repair_planned_ = true;
    const auto wait = std::chrono::milliseconds(1000 + random_.below(4000));
    repair_.after(wait, [this] {
        repair_planned_ = false;
        facts_->repair();
    });
}

void Edge::on_record(const sa::Record& record) {
    if (const auto* tunnel = std::get_if<sa::TunnelRecord>(&record)) {
        if (tunnel->ended) {
            ike_->terminate(tunnel->id);
            tunnels_.remove(tunnel->id);
            dataplane_->on_tunnel_deleted(tunnel->id);
        } else {
            for (const std::string& warning : sa::warnings(*tunnel)) {
                log::warn("tunnel", warning);
            }
            tunnels_.put(tunnel->clone());
            dataplane_->on_tunnel(*tunnel);
        }
    } else if (const auto* child = std::get_if<sa::ChildSaRecord>(&record)) {
        dataplane_->on_child(*child);
    } else if (const auto* endpoint = std::get_if<sa::EndpointRecord>(&record)) {
        dataplane_->on_endpoint(*endpoint);
        if (endpoint->ended) {
            addresses_->ended(endpoint->account, endpoint->assigned, loop_.now().instant);
        } else {
            ike_->want(ike::PeerMoved{endpoint->ike_spi, endpoint->local, endpoint->remote});
        }
    } else if (const auto* edge = std::get_if<sa::EdgeRecord>(&record)) {
        fleet_.on_record(*edge);
    } else if (const auto* crl = std::get_if<sa::CrlRecord>(&record)) {
        crls_->on_record(*crl);
    }
}

void Edge::on_in_step() {
    log::info("start", "in step with the fleet at revision " +
                           std::to_string(facts_->applied().value()) + ": " +
                           std::to_string(tunnels_.all().size()) + " tunnels, " +
                           std::to_string(dataplane_->list().size()) + " child SAs");
    marks_->meet([this] { begin_serving(); });
}

void Edge::begin_serving() {
    dataplane_->on_in_step();
    ownership_->keep_up();  // only now are the Child SAs known that the claims name
    put_edge_record();
    if (connector_) {
        for (const sa::TunnelRecord& tunnel : connector_->tunnels) {
            facts_->put(sa::tunnel_key(tunnel.id), Epoch(1), tunnel.clone(), [](Written) {});
            keeper_->keep(tunnel.id);
        }
    }
    announce_wanted_ = true;
    loop_.post([this] { announce_if_ready(); });
}

void Edge::put_edge_record() {
    sa::EdgeRecord record{config_.name,     config_.id,      bootstrap_->incarnation(),
                          config_.site,     config_.address, drain_->state() != DrainState::serving,
                          facts_->applied()};
    facts_->put(sa::edge_key(config_.name), Epoch(1), record, [](Written) {});
}

// Not before the driver has every SA: a packet must not come sooner.
void Edge::announce_if_ready() {
    ready_ = ready_ || not_ready().empty();
    if (announce_wanted_ && not_ready().empty()) {
        announce_wanted_ = false;
        announce();
    }
}

// Again at the next snapshot if it did not go well; why is in the log.
void Edge::announce() {
    if (config_.announce && !announced_) {
        announced_ = true;
        for (const IpAddress& address : config_.anycast) {
            if (Status put = host_.announce(address); !put) {
                log::error("announce", put.error().message + "; or set edge.announce = false");
                announced_ = false;
            } else {
                log::info("announce", address.to_string() + " is on lo: ready for peers");
            }
        }
    }
    hook_.want(true);
}

void Edge::take_addresses_off() {
    if (!std::exchange(announced_, false)) {
        return;
    }
    for (const IpAddress& address : config_.anycast) {
        if (Status removed = host_.withdraw(address); !removed) {
            log::error("announce", removed.error().message);
        }
    }
}

void Edge::on_link(store::LinkState state, const std::string& why) {
    if (state == store::LinkState::connected) {
        log::info("store", "connected: " + store_->describe());
        if (facts_) {
            flush();
            ownership_->on_connected();
            marks_->on_connected();
        }
    } else if (state == store::LinkState::disconnected) {
        log::warn("store", "connection lost (" + why +
                               "); tunnels go on, changes are kept until it is back");
    }
}

void Edge::on_ike(std::vector<dataplane::IkeDatagram> datagrams) {
    drain_->on_ike();
    for (dataplane::IkeDatagram& datagram : datagrams) {
        give_ike({datagram.local, datagram.remote, std::move(datagram.bytes)}, 0);
    }
}

// Before the tunnels are known every identity would be refused.
void Edge::give_ike(ike::DatagramReceived datagram, unsigned hops) {
    if (!serving()) {
        ++counters_["ike_drop_not_in_step"];
        return;
    }
    ownership_->receive(std::move(datagram), hops);
}

void Edge::tell(const std::string& subject, const BusBody& body) {
    store_->publish(subject, sa::seal_message(config_.fleet_keys, random_, subject, encode(body)));
}

void Edge::on_bus(const store::BusMessage& message) {
    const auto plain = sa::open_message(config_.fleet_keys, message.subject, message.payload);
    auto body = plain ? decode(*plain) : std::nullopt;
    if (!body) {
        ++counters_["bus_drop_not_understood"];
        return;
    }
    if (auto* beat = std::get_if<Heartbeat>(&*body)) {
        const Heartbeat heard = *beat;
        marks_->on_heartbeat(heard, fleet_.on_heartbeat(loop_.now().instant, std::move(*beat)));
    } else if (const auto* lease = std::get_if<LeaseTaken>(&*body)) {
        dataplane_->on_lease_taken(*lease);
    } else if (const auto* ask = std::get_if<AskSpi>(&*body)) {
        const std::string key = sa::child_sa_key(ask->inbound_spi);
        if (auto envelope = facts_->own(key)) {
            tell("tell", Tell{key, std::move(*envelope)});
        }
    } else if (const auto* told = std::get_if<Tell>(&*body)) {
        facts_->offer(told->key, told->envelope);
    } else if (const auto* traffic = std::get_if<Traffic>(&*body)) {
        for (const TrafficRow& row : traffic->rows) {
            upkeep_.on_traffic(loop_.now().instant, row);
            grants_.on_traffic(loop_.now().instant, row);
        }
    } else if (auto* troubles = std::get_if<SaTroubles>(&*body)) {
        if (troubles->edge != config_.name) {
            troubles_.on_report(loop_.now().instant, std::move(*troubles));
        }
    } else if (auto* relayed = std::get_if<RelayedIke>(&*body)) {
        ++counters_["ike_relayed_in"];
        give_ike({relayed->local, relayed->remote, std::move(relayed->bytes)}, relayed->hops);
    } else if (const auto* owner = std::get_if<OwnerIs>(&*body)) {
        ownership_->on_owner(*owner);
    } else if (const auto* marks = std::get_if<Marks>(&*body)) {
        marks_->on_marks(*marks);
        drain_->on_marks(*marks);
    } else if (const auto* question = std::get_if<AskMarks>(&*body)) {
        marks_->on_ask(*question);
    } else if (const auto* gift = std::get_if<HandOver>(&*body)) {
        // Who gets no answer finds another heir.
        if (serving() && drain_->state() == DrainState::serving) {
            ownership_->on_hand_over(*gift);
        }
    } else if (const auto* want = std::get_if<WantSender>(&*body)) {
        if (auto input = grants_.on_want(loop_.now().instant, *want, ike_->list(), tunnels_)) {
            ike_->want(std::move(*input));
        }
    }
}

void Edge::apply_tunnel(const sa::TunnelRecord& record, std::function<void(Written)> done) {
    facts_->put(sa::tunnel_key(record.id), Epoch(1), record.clone(), std::move(done));
}

bool Edge::delete_tunnel(const sa::TunnelId& id, std::function<void(Written)> done) {
    const sa::TunnelRecord* tunnel = tunnels_.by_id(id);
    if (tunnel == nullptr) {
        return false;
    }
    sa::TunnelRecord tombstone = tunnel->clone();
    tombstone.psk = Secret{};
    tombstone.credentials = {};
    tombstone.ended = true;
    facts_->put(sa::tunnel_key(id), Epoch(1), std::move(tombstone), std::move(done));
    return true;
}

Status Edge::order(SaOrder order, const std::string& spi) {
    if (!ike_) {
        return fail("this edge doesn't serve yet; `anyswan fleet status` shows when it does");
    }
    Result<ike::Input> input = order_input(order, spi, ike_->list());
    if (!input) {
        return Unexpected{input.error()};
    }
    ike_->want(std::move(*input));
    return {};
}

Result<std::size_t> Edge::redirect(const RedirectOrder& order) {
    if (!ike_) {
        return fail("this edge doesn't serve yet; `anyswan fleet status` shows when it does");
    }
    if (order.tunnel && tunnels_.by_id(*order.tunnel) == nullptr) {
        return fail("there is no tunnel \"" + order.tunnel->to_string() +
                    "\"; `anyswan tunnel list` names them all");
    }
    ike_->want(ike::RedirectNew{order.tunnel, order.to});
    std::size_t sent = 0;
    for (const ike::IkeSaSummary& sa : ike_->list()) {
        if (order.to && order.existing && sa.redirectable &&
            (!order.tunnel || *order.tunnel == sa.tunnel)) {
            ike_->want(ike::Redirect{sa.our_spi, *order.to});
            ++sent;
        }
    }
    return sent;
}

LiveTrace::Page Edge::live_trace(std::uint64_t last) {
    return ike_->live_trace().after(loop_.now().instant, last);
}

void Edge::trace(std::vector<wire::pcap::UdpDatagram> capture,
                 std::function<void(std::vector<std::string>)> done) {
    trace_capture({*store_, config_.fleet_keys,
                   [this](ike::SpiPair spis) { return ike_->reading_keys(spis); }},
                  std::move(capture), std::move(done));
}

Heartbeat Edge::status() const {
    Heartbeat beat;
    beat.edge = config_.name;
    beat.id = config_.id;
    beat.incarnation = bootstrap_ ? bootstrap_->incarnation() : Incarnation{};
    beat.site = config_.site;
    beat.address = config_.address;
    beat.draining = drain_ && drain_->state() != DrainState::serving;
    beat.in_step = serving();
    beat.applied = facts_ ? facts_->applied() : Revision{};
    beat.child_sas = dataplane_ ? dataplane_->installed() : 0;
    beat.ike_sas = ike_ ? ike_->list().size() : 0;
    beat.lag_ms = dataplane_ ? dataplane_->lag_ms() : 0;
    beat.sent_at = loop_.now().wall;
    return beat;
}

std::vector<ChildRow> Edge::child_sas() const {
    std::vector<ChildRow> rows = dataplane_ ? dataplane_->list() : std::vector<ChildRow>{};
    for (ChildRow& row : rows) {
        row.elsewhere = troubles_.of(loop_.now().instant, row.record->inbound_spi);
    }
    return rows;
}

std::vector<ike::IkeSaSummary> Edge::ike_sas() const {
    return ike_ ? ike_->list() : std::vector<ike::IkeSaSummary>{};
}

std::vector<FleetMember> Edge::fleet() const {
    return fleet_.members(loop_.now().instant);
}

std::map<std::string, std::uint64_t> Edge::counters() const {
    std::map<std::string, std::uint64_t> all = counters_;
    if (driver_) {
        all.merge(driver_->counters());
        all.insert(ike_->counters().begin(), ike_->counters().end());
        all.insert(facts_->counters().begin(), facts_->counters().end());
        all.insert(ownership_->counters().begin(), ownership_->counters().end());
        all.insert(leases_->counters().begin(), leases_->counters().end());
        all.insert(marks_->counters().begin(), marks_->counters().end());
        all.insert(addresses_->counters().begin(), addresses_->counters().end());
        all.insert(grants_.counters().begin(), grants_.counters().end());
        all.insert(crls_->counters().begin(), crls_->counters().end());
        all.insert(drain_->counters().begin(), drain_->counters().end());
        all.insert(hook_.counters().begin(), hook_.counters().end());
    }
    return all;
}

std::string Edge::store_text() const {
    return store_ ? store_->describe() : "not opened";
}

bool Edge::store_connected() const {
    return store_ && store_->link_state() == store::LinkState::connected;
}

std::string Edge::driver_text() const {
    return driver_ ? driver_->describe() : "not started";
}

void Edge::stop() {
    heartbeat_.cancel();
    second_.cancel();
    repair_.cancel();
    if (drain_) {
        drain_->stop();
    }
    if (hook_.end()) {
        if (Status told = host_.run_and_wait(hook_command("down")); !told) {
            log::error("announce", "the announce hook failed: " + told.error().message);
        }
    }
    take_addresses_off();
    if (store_) {
        store_->close();
    }
    if (driver_) {
        driver_->stop();
    }
}

}  // namespace anyswan::edge
