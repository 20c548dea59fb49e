// SPDX-License-Identifier: Apache-2.0
// Several edges at one store, without a bus between them but what a test carries, and a router that
// must not notice who runs its IKE SA.
#pragma once

#include <gtest/gtest.h>

#include "dataplane/fake/fake_driver.h"
#include "edge/asio_loop.h"
#include "edge/ownership.h"
#include "edge/spi_source.h"
#include "store/memory/memory.h"

namespace anyswan::edge::owners {

inline const Endpoint fleet_end{*IpAddress::parse("192.0.2.1"), 500};
inline const Endpoint router_end{*IpAddress::parse("198.51.100.2"), 500};
inline const sa::TunnelId tunnel_id{"acme", "hq"};
// When an edge was last heard: it stays alive, however slow the machine is that runs the test.
inline constexpr Duration alive = -1h;

inline sa::TunnelRecord tunnel_of(const char* local_id, const char* remote_id, const char* local,
                                  const char* remote) {
    sa::TunnelRecord tunnel;
    tunnel.id = tunnel_id;
    tunnel.local_id = wire::ike::Identification::from_text(local_id);
    tunnel.remote_id = wire::ike::Identification::from_text(remote_id);
    tunnel.psk = Secret::copy_of(as_bytes("a key of the tunnel"));
    tunnel.ike_suites = {*crypto::parse_ike_suite("aes256gcm16-prfsha256-x25519")};
    tunnel.esp_suites = {*crypto::parse_esp_suite("aes256gcm16")};
    tunnel.local_prefixes = {*IpPrefix::parse(local)};
    tunnel.remote_prefixes = {*IpPrefix::parse(remote)};
    return tunnel;
}

inline ike::EngineConfig engine_config(EdgeId id) {
    ike::EngineConfig config;
    config.edge_name = "edge" + std::to_string(id.value());
    config.edge_id = id;
    config.cookie_secret = Secret::copy_of(Bytes(32, 1));
    return config;
}

struct Router {
    explicit Router(Random& random)
        : pool(random, 1), engine(engine_config(EdgeId(9)), random, spis, tunnels) {
        pool.add_block(99);
        tunnels.put(tunnel_of("hq.example", "fleet.example", "10.1.0.0/24", "10.0.0.0/8"));
    }
    std::vector<ike::Datagram> step(ike::Input input) {
        std::vector<ike::Datagram> sent;
        for (ike::Action& action : engine.step(Now{}, std::move(input)).actions) {
            sent.insert(sent.end(), action.send.begin(), action.send.end());
        }
        return sent;
    }
    sa::SpiPool pool;
    SpiSource spis{pool};
    TunnelTable tunnels;
    ike::Engine engine;
};

/// What an edge is made of, as far as it concerns ownership.
struct Member {
    Member(EdgeId member_id, AsioLoop& on_loop, const std::shared_ptr<store::MemoryHub>& hub,
           const sa::FleetKeys& keys, Random& random)
        : id(member_id),
          loop(on_loop),
          store(hub->connect([this](auto task) { loop.post(std::move(task)); })),
          facts(*store, keys, random,
                {[this](const sa::EnvelopeHeader&, const sa::Record& record) {
                     if (const auto* child = std::get_if<sa::ChildSaRecord>(&record)) {
                         dataplane.on_child(*child);
                     } else if (const auto* end = std::get_if<sa::EndpointRecord>(&record)) {
                         dataplane.on_endpoint(*end);
                     }
                 },
                 [] {}}),
          claims(*store, keys, random),
          driver({}, random, {[](auto) {}, [](auto) {}}),
          leases({*store, keys, random, tell, id, Incarnation(id.value())}),
          dataplane({loop, facts, driver, leases, tell, "edge"}),
          pool(random, 1),
          role({loop, facts, claims, random, tunnels, spis,
                [this](std::vector<ike::Datagram> out) {
                    sent.insert(sent.end(), out.begin(), out.end());
                },
                "edge",
                [this](IkeSpi spi, std::vector<EspSpi> made) {
                    ownership.on_lost(spi, std::move(made));
                }},
               engine_config(id)),
          ownership({loop, *store, keys, random, claims, role, fleet, tell, id, facts, dataplane,
                     [this] { return heir; }}) {
        pool.add_block(id.value());
        tunnels.put(tunnel_of("fleet.example", "hq.example", "10.0.0.0/8", "10.1.0.0/24"));
        facts.start();
    }

    /// Its view of another edge: last heard so long ago.
    void heard(EdgeId other, Duration ago) {
        Heartbeat beat;
        beat.edge = "edge" + std::to_string(other.value());
        beat.id = other;
        beat.in_step = true;
        fleet.on_heartbeat(loop.now().instant - ago, beat);
    }
    template <class Message>
    [[nodiscard]] std::vector<Message> told_of() const {
        std::vector<Message> found;
        for (const auto& [subject, body] : told) {
            if (const auto* message = std::get_if<Message>(&body)) {
                found.push_back(*message);
            }
        }
        return found;
    }
    [[nodiscard]] std::uint64_t counter(const std::string& name) const {
        const auto found = ownership.counters().find(name);
        return found == ownership.counters().end() ? 0 : found->second;
    }

    EdgeId id;
    std::optional<EdgeId> heir;  // set: it drains
    AsioLoop& loop;
    std::unique_ptr<store::LocalStore> store;
    std::vector<std::pair<std::string, BusBody>> told;
    std::vector<ike::Datagram> sent;
    std::function<void(const std::string&, const BusBody&)> tell =
        [this](const std::string& subject, const BusBody& body) {
            told.emplace_back(subject, body);
        };
    Facts facts;
    Claims claims;
    dataplane::FakeDriver driver;
    Leases leases;
    DataplaneRole dataplane;
    TunnelTable tunnels;
    sa::SpiPool pool;
    SpiSource spis{pool};
    FleetView fleet;
    IkeRole role;
    Ownership ownership;
};

class OwnersTest : public testing::Test {
protected:
    OwnersTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
        a_.heard(EdgeId(1), alive);
        loop_.run_ready();
        exchange(a_, router_.step(ike::Initiate{tunnel_id, router_end, fleet_end}));
        a_.told.clear();
    }

    static ike::DatagramReceived arrival(const ike::Datagram& datagram) {
        return {datagram.remote, datagram.local, datagram.bytes};
    }
    void land(Member& at, const std::vector<ike::Datagram>& datagrams) {
        for (const ike::Datagram& datagram : datagrams) {
            at.ownership.receive(arrival(datagram), 0);
        }
        loop_.run_ready();
    }
    /// The router's datagrams land at `at`, and what that answers goes to the router, until nobody
    /// has anything to say.
    void exchange(Member& at, std::vector<ike::Datagram> from_router) {
        while (!from_router.empty()) {
            land(at, from_router);
            from_router.clear();
            for (const ike::Datagram& datagram : std::exchange(at.sent, {})) {
                auto more = router_.step(arrival(datagram));
                from_router.insert(from_router.end(), more.begin(), more.end());
            }
        }
    }
    [[nodiscard]] IkeSpi router_sa() { return router_.engine.list().at(0).our_spi; }
    [[nodiscard]] IkeSpi fleet_sa() { return router_.engine.list().at(0).peer_spi; }
    [[nodiscard]] std::size_t router_children() {
        return router_.engine.list().at(0).children.size();
    }
    [[nodiscard]] sa::IkeSaRecord claim() {
        const std::string key = sa::ike_sa_key(fleet_sa());
        std::optional<store::Claim> found;
        c_.store->read_claim(key, [&](const auto& answer) { found = *answer; });
        loop_.run_ready();
        auto opened = sa::open_record(keys_, key, found.value().value);
        return std::get<sa::IkeSaRecord>(std::move(opened->record));
    }

    SeededRandom random_{31};
    AsioLoop loop_;
    sa::FleetKeys keys_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    Router router_{random_};
    Member a_{EdgeId(1), loop_, hub_, keys_, random_};
    Member b_{EdgeId(2), loop_, hub_, keys_, random_};
    Member c_{EdgeId(3), loop_, hub_, keys_, random_};
};

}  // namespace anyswan::edge::owners
