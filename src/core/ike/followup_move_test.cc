// SPDX-License-Identifier: Apache-2.0
// The customer's address changes (MOBIKE, RFC 4555) while a CREATE_CHILD_SA with additional key
// exchanges (IKE_FOLLOWUP_KE, RFC 9370 2.2.4) is under way: at each step of it, whoever began; with
// datagrams lost, and with another edge that takes over in the middle.
#include "core/ike/followup_wishes.h"
#include "core/ike/helpers.h"
#include "core/ike/limits.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::HeaderView;

constexpr const char* away = "203.0.113.20";
constexpr const char* farther = "203.0.113.30";
constexpr auto two_more = "x25519-ke1_ecp256-ke2_ecp384";
/// Requests and responses of the whole series.
constexpr int steps_all = 6;

/// One run: up to the step, at which something happens.
struct Series {
    Series(const Wish& wanted, bool by_customer, int steps)
        : wish(wanted),
          first(by_customer ? world.customer : world.fleet),
          second(world.other(first)) {
        for (Side* side : {&world.customer, &world.fleet}) {
            sa::TunnelRecord& tunnel = side->directory.tunnels.front();
            tunnel.mobike = true;
            tunnel.remote_addresses.clear();
            tunnel.ike_suites = {ike_suite(std::string("aes256gcm16-prfsha256-") + two_more)};
            tunnel.esp_suites = {esp_suite(std::string("aes256gcm16-") + two_more)};
        }
        world.initiate();
        EXPECT_TRUE(world.up());
        (world.*wish.begin)(first);
        for (int step = 0; step < steps; ++step) {
            EXPECT_EQ(world.deliver_from(step % 2 == 0 ? first : second), 1U);
        }
    }

    /// Both have what was wanted, once, and send ESP on the path to `address`; the IKE SA is the
    /// one of before, or its heir; nothing is left over.
    void expect_done_at(const char* address) {
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_EQ(world.customer.endpoints.begin()->second.local, at(address, 4500));
        EXPECT_EQ(world.fleet.endpoints.begin()->second.remote, at(address, 4500));
        EXPECT_EQ(world.customer.count(EventKind::ike_sa_established), 1);
        for (Side* side : {&world.customer, &world.fleet}) {
            EXPECT_EQ(side->live_children(), wish.children);
            ASSERT_EQ(side->established().size(), 1U);
            EXPECT_FALSE(side->ike_sa()->mobility.unchecked);
            EXPECT_FALSE(side->ike_sa()->mobility.update_owed);
            for (const auto& [spi, claim] : side->ike_sas) {
                EXPECT_TRUE(claim.pending.empty());
                EXPECT_FALSE(claim.request.has_value());
            }
        }
    }

    World world;
    const Wish& wish;
    Side& first;
    Side& second;
};

struct FollowUpMove : testing::TestWithParam<std::tuple<std::size_t, bool, int>> {
    [[nodiscard]] static const Wish& wish() { return wishes[std::get<0>(GetParam())]; }
    [[nodiscard]] static bool by_customer() { return std::get<1>(GetParam()); }
    [[nodiscard]] static int steps() { return std::get<2>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(AtEachStep, FollowUpMove,
                         testing::Combine(testing::Range(std::size_t{0}, wishes.size()),
                                          testing::Bool(), testing::Range(0, steps_all + 1)),
                         [](const auto& named) {
                             return std::string(wishes[std::get<0>(named.param)].name) +
                                    (std::get<1>(named.param) ? "_by_customer_" : "_by_fleet_") +
                                    std::to_string(std::get<2>(named.param));
                         });

TEST_P(FollowUpMove, TheSeriesGoesOnAtTheNewAddress) {
    Series series(wish(), by_customer(), steps());
    World& world = series.world;
    const std::size_t before = world.trace.size();
    world.move_customer(away);
    world.deliver();
    world.wait(60s);
    series.expect_done_at(away);
    for (std::size_t i = before; i < world.trace.size(); ++i) {
        const auto& [from, datagram] = world.trace[i];
        if (from == &world.customer) {
            EXPECT_EQ(datagram.local, at(away, 4500)) << "nothing leaves the old address";
        }
    }
}

TEST_P(FollowUpMove, AlsoWhenItMovesTwiceAndWhatWasOnTheWayIsLost) {
    for (const bool lost_by_customer : {true, false}) {
        SCOPED_TRACE(lost_by_customer);
        Series series(wish(), by_customer(), steps());
        World& world = series.world;
        world.lose_from(lost_by_customer ? world.customer : world.fleet);
        world.move_customer(away);
        world.deliver_from(world.customer);
        world.move_customer(farther);
        world.deliver();
        world.wait(120s);
        series.expect_done_at(farther);
    }
}

// What the dead edge has sent is on the way, or lost; what its heir knows is the claim.
TEST_P(FollowUpMove, AlsoWhenAnotherEdgeTakesOver) {
    for (const bool fleet_dies : {true, false}) {
        for (int more = 0; more < 4; ++more) {
            for (const bool lost : {true, false}) {
                SCOPED_TRACE(std::string(fleet_dies ? "fleet" : "customer") + ", " +
                             std::to_string(more) + " steps after the move" +
                             (lost ? ", lost" : ""));
                Series series(wish(), by_customer(), steps());
                World& world = series.world;
                world.move_customer(away);
                for (int step = 0; step < more; ++step) {
                    world.deliver_from(step % 2 == 0 ? world.customer : world.fleet);
                }
                Side& dies = fleet_dies ? world.fleet : world.customer;
                if (lost) {
                    world.lose_from(dies);
                }
                world.take_over(dies, 8);
                world.deliver();
                world.wait(120s);
                series.expect_done_at(away);
            }
        }
    }
}

// The responder forgets its half while the initiator is on the way: STATE_NOT_FOUND, and the series
// begins anew, at the new address.
TEST(FollowUpMoveLate, ItBeginsAnewAtTheNewAddress) {
    Series series(wishes[1], true, 2);
    World& world = series.world;
    world.lose_from(world.customer);
    world.cut = true;
    world.wait(followup_timeout + 1s);
    EXPECT_TRUE(world.fleet.ike_sa()->pending.empty());
    world.cut = false;
    world.move_customer(away);
    world.deliver();
    world.wait(120s);
    series.expect_done_at(away);
    EXPECT_EQ(world.fleet.text(EventKind::we_refused).find("STATE_NOT_FOUND"), 0U);
}

}  // namespace
}  // namespace anyswan::ike::test
