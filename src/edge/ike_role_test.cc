// SPDX-License-Identifier: Apache-2.0
// "Publish before respond": no datagram that tells a peer of an SA leaves before its records are
// durable.
#include "edge/ike_role.h"

#include <gtest/gtest.h>

#include "edge/asio_loop.h"
#include "edge/spi_source.h"
#include "store/memory/memory.h"

namespace anyswan::edge {
namespace {

const Endpoint fleet_end{*IpAddress::parse("192.0.2.1"), 500};
const Endpoint router_end{*IpAddress::parse("198.51.100.2"), 500};

sa::TunnelRecord tunnel_of(const char* local_id, const char* remote_id, const char* local,
                           const char* remote) {
    sa::TunnelRecord tunnel;
    tunnel.id = *sa::TunnelId::parse("acme/hq");
    tunnel.local_id = wire::ike::Identification::from_text(local_id);
    tunnel.remote_id = wire::ike::Identification::from_text(remote_id);
    tunnel.psk = Secret::copy_of(as_bytes("a key of the tunnel"));
    tunnel.ike_suites = {*crypto::parse_ike_suite("aes256gcm16-prfsha256-x25519")};
    tunnel.esp_suites = {*crypto::parse_esp_suite("aes256gcm16-esn")};
    tunnel.local_prefixes = {*IpPrefix::parse(local)};
    tunnel.remote_prefixes = {*IpPrefix::parse(remote)};
    return tunnel;
}

ike::EngineConfig engine_config(EdgeId id) {
    ike::EngineConfig config;
    config.edge_name = "ams";
    config.edge_id = id;
    config.cookie_secret = Secret::copy_of(Bytes(32, 1));
    return config;
}

/// The router: an engine of its own, without store or loop.
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

class IkeRoleTest : public testing::Test {
protected:
    IkeRoleTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
        pool_.add_block(1);
        tunnels_.put(tunnel_of("fleet.example", "hq.example", "10.0.0.0/8", "10.1.0.0/24"));
        facts_.start();
        loop_.run_ready();
    }

    /// Carries datagrams from the router to the role, and what the role sends back to the router,
    /// until nobody has anything to say.
    void exchange(std::vector<ike::Datagram> from_router) {
        while (!from_router.empty()) {
            for (const ike::Datagram& datagram : from_router) {
                role_.on_datagram({datagram.remote, datagram.local, datagram.bytes});
            }
            loop_.run_ready();
            from_router.clear();
            for (const ike::Datagram& datagram : std::exchange(sent_, {})) {
                auto more = router_.step(
                    ike::DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
                from_router.insert(from_router.end(), more.begin(), more.end());
            }
        }
    }

    [[nodiscard]] std::size_t router_children() const {
        const auto list = router_.engine.list();
        return list.empty() ? 0 : list.front().children.size();
    }

    SeededRandom random_{21};
    AsioLoop loop_;
    sa::FleetKeys keys_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::LocalStore> store_ =
        hub_->connect([this](auto task) { loop_.post(std::move(task)); });
    std::vector<std::string> told_;
    Facts facts_{*store_,
                 keys_,
                 random_,
                 {[this](const sa::EnvelopeHeader& header, const sa::Record&) {
                      told_.push_back(header.key);
                  },
                  [] {}}};
    Claims claims_{*store_, keys_, random_};
    TunnelTable tunnels_;
    sa::SpiPool pool_{random_, 1};
    SpiSource spis_{pool_};
    std::vector<ike::Datagram> sent_;
    IkeRole role_{{loop_, facts_, claims_, random_, tunnels_, spis_,
                   [this](std::vector<ike::Datagram> out) {
                       sent_.insert(sent_.end(), out.begin(), out.end());
                   },
                   "ams"},
                  engine_config(EdgeId(1))};
    Router router_{random_};
};

TEST_F(IkeRoleTest, ATunnelComesUpAndItsRecordsAreInTheStore) {
    exchange(router_.step(ike::Initiate{*sa::TunnelId::parse("acme/hq"), router_end, fleet_end}));
    EXPECT_EQ(router_children(), 1U);
    EXPECT_EQ(told_.size(), 2U)
        << "the ChildSa and the Endpoint came back to this edge through the store";
    EXPECT_EQ(role_.list().size(), 1U);
}

TEST_F(IkeRoleTest, WhileTheStoreIsSilentTheAnswerWaits) {
    // IKE_SA_INIT changes nothing that must be durable; the IKE_AUTH answer does.
    const auto init =
        router_.step(ike::Initiate{*sa::TunnelId::parse("acme/hq"), router_end, fleet_end});
    hub_->set_leader(store::Leader::silent);
    exchange(init);
    EXPECT_EQ(router_children(), 0U) << "answered before the records were durable";
    hub_->set_leader(store::Leader::present);
    exchange(router_.step(ike::TimePassed{}));
    loop_.run_ready();
    for (const ike::Datagram& datagram : std::exchange(sent_, {})) {
        (void)router_.step(ike::DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
    }
    EXPECT_EQ(router_children(), 1U);
}

TEST_F(IkeRoleTest, ARetransmissionDoesNotGetTheAnswerEarlierThanTheOriginal) {
    const auto init =
        router_.step(ike::Initiate{*sa::TunnelId::parse("acme/hq"), router_end, fleet_end});
    for (const ike::Datagram& datagram : init) {
        role_.on_datagram({datagram.remote, datagram.local, datagram.bytes});
    }
    loop_.run_ready();
    hub_->set_leader(store::Leader::silent);
    std::vector<ike::Datagram> auth;
    for (const ike::Datagram& datagram : std::exchange(sent_, {})) {
        auth = router_.step(ike::DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
    }
    for (int time = 0; time < 3; ++time) {
        for (const ike::Datagram& datagram : auth) {
            role_.on_datagram({datagram.remote, datagram.local, datagram.bytes});
        }
        loop_.run_ready();
    }
    EXPECT_TRUE(sent_.empty());
}

TEST_F(IkeRoleTest, WithoutAnyStoreTheTunnelComesUpAllTheSame) {
    hub_->cut(*store_);
    exchange(router_.step(ike::Initiate{*sa::TunnelId::parse("acme/hq"), router_end, fleet_end}));
    EXPECT_EQ(router_children(), 1U);
    EXPECT_EQ(facts_.deferred(), 2U);
}

TEST_F(IkeRoleTest, WhoLostTheClaimSaysNothingMore) {
    exchange(router_.step(ike::Initiate{*sa::TunnelId::parse("acme/hq"), router_end, fleet_end}));
    ASSERT_EQ(role_.list().size(), 1U);
    // Another edge takes the IKE SA: the next change of state here must stay silent (N4).
    const std::string key = sa::ike_sa_key(role_.list().front().our_spi);
    std::optional<Revision> at;
    store_->read_claim(key, [&](store::StoreResult<std::optional<store::Claim>> claim) {
        at = (**claim).revision;
    });
    loop_.run_ready();
    store_->swap_claim(key, Bytes{1}, at.value(), [](store::StoreResult<store::Swap>) {});
    loop_.run_ready();
    const auto request = router_.step(ike::Terminate{*sa::TunnelId::parse("acme/hq")});
    ASSERT_FALSE(request.empty());
    role_.on_datagram({request.front().remote, request.front().local, request.front().bytes});
    loop_.run_ready();
    EXPECT_TRUE(sent_.empty());
    EXPECT_TRUE(role_.list().empty());
    EXPECT_EQ(role_.counters().at("ike_ownership_lost"), 1U);
}

}  // namespace
}  // namespace anyswan::edge
