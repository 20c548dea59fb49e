// SPDX-License-Identifier: Apache-2.0
// Both sides do something to the same SA at once (RFC 7296 2.8.1, 2.8.2, 2.25): each pair of wishes
// in every order in which five steps of the network can go, each with each of the four nonces as
// the lowest. Afterwards both sides must agree, and where the nonces decide, on the right SA.
#include <set>

#include "core/ike/helpers.h"

namespace anyswan::ike::test {
namespace {

/// What the network does next: hands over, or loses, the oldest datagram that one side has sent.
enum class Step { from_customer, from_fleet, lose_customer, lose_fleet };
constexpr std::array all_steps{Step::from_customer, Step::from_fleet, Step::lose_customer,
                               Step::lose_fleet};
using Steps = std::vector<Step>;

std::string to_text(const Steps& steps) {
    static constexpr std::array names{"customer's arrive", "fleet's arrive", "customer's are lost",
                                      "fleet's are lost"};
    std::string text;
    for (const Step step : steps) {
        text += std::string(text.empty() ? "" : ", ") + names[static_cast<std::size_t>(step)];
    }
    return text;
}

/// Every sequence of `length` steps.
std::vector<Steps> every_order(std::size_t length) {
    std::vector<Steps> orders{{}};
    for (std::size_t i = 0; i < length; ++i) {
        std::vector<Steps> longer;
        for (const Steps& order : orders) {
            for (const Step step : all_steps) {
                longer.push_back(order);
                longer.back().push_back(step);
            }
        }
        orders = std::move(longer);
    }
    return orders;
}

/// Whose nonce is the lowest of four: of the request or the answer in the customer's exchange, or
/// in the fleet's.
enum class Lowest { customers_request, customers_answer, fleets_request, fleets_answer };
constexpr std::array every_lowest{Lowest::customers_request, Lowest::customers_answer,
                                  Lowest::fleets_request, Lowest::fleets_answer};

void steer(World& world, Lowest lowest) {
    const auto rank = [lowest](Lowest which) -> std::uint8_t { return which == lowest ? 0 : 2; };
    world.customer.random->steer_request(rank(Lowest::customers_request));
    world.customer.random->steer_response(rank(Lowest::fleets_answer));
    world.fleet.random->steer_request(rank(Lowest::fleets_request));
    world.fleet.random->steer_response(rank(Lowest::customers_answer));
}

/// False if there is nothing on the wire for it.
bool step(World& world, Step next) {
    const bool from_customer = next == Step::from_customer || next == Step::lose_customer;
    Side& side = from_customer ? world.customer : world.fleet;
    std::deque<World::Carried> sent = world.take_from(side);
    if (sent.empty()) {
        return false;
    }
    if (next == Step::from_customer || next == Step::from_fleet) {
        world.put_back({sent.front()});
        world.deliver_from(side);
    }
    sent.pop_front();
    world.put_back(sent);
    return true;
}

using Wish = void (World::*)(Side&);

struct Pair {
    const char* name;
    Wish customers;
    Wish fleets;
    /// IKE SAs and Child SAs on each side when all is over; two values where it depends.
    std::size_t ike_sas;
    std::vector<std::size_t> children;
};

const std::vector<Pair> pairs{
    {"child rekeyed by both", &World::rekey_child, &World::rekey_child, 1, {1}},
    {"child rekey meets its delete", &World::rekey_child, &World::delete_child, 1, {0, 1}},
    {"child deleted by both", &World::delete_child, &World::delete_child, 1, {0}},
    {"IKE SA rekeyed by both", &World::rekey_ike, &World::rekey_ike, 1, {1}},
    {"IKE SA rekey meets child rekey", &World::rekey_ike, &World::rekey_child, 1, {1}},
    {"IKE SA rekey meets child creation", &World::rekey_ike, &World::create_child, 1, {2}},
    {"IKE SA rekey meets child delete", &World::rekey_ike, &World::delete_child, 1, {0}},
    {"IKE SA rekey meets liveness check", &World::rekey_ike, &World::probe, 1, {1}},
    {"child rekey meets IKE SA delete", &World::rekey_child, &World::delete_ike, 0, {0}},
    {"child creation meets IKE SA delete", &World::create_child, &World::delete_ike, 0, {0}},
    {"IKE SA rekey meets its delete", &World::rekey_ike, &World::delete_ike, 0, {0}},
    {"IKE SA deleted by both", &World::delete_ike, &World::delete_ike, 0, {0}},
};

/// Later SAs have one more key exchange, so that they take IKE_FOLLOWUP_KE too (RFC 9370 2.2.4).
void use_one_more(World& world) {
    for (Side* side : {&world.customer, &world.fleet}) {
        side->directory.tunnels.front().ike_suites = {
            ike_suite("aes256gcm16-prfsha256-x25519-ke1_ecp256")};
        side->directory.tunnels.front().esp_suites = {esp_suite("aes256gcm16-x25519-ke1_ecp256")};
    }
}

struct Collision : testing::TestWithParam<std::tuple<std::size_t, bool>> {
    const Pair& pair() const { return pairs.at(std::get<0>(GetParam())); }
    /// One run; how many of the steps found something on the wire.
    static std::size_t run(World& world, const Pair& pair, const Steps& order, Lowest lowest) {
        world.initiate();
        if (std::get<1>(GetParam())) {
            use_one_more(world);
        }
        steer(world, lowest);
        (world.*pair.customers)(world.customer);
        (world.*pair.fleets)(world.fleet);
        std::size_t done = 0;
        while (done < order.size() && step(world, order[done])) {
            ++done;
        }
        world.deliver();
        world.wait(600s);
        return done;
    }
    static void expect_outcome(const World& world, const Pair& pair) {
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_EQ(world.customer.established().size(), pair.ike_sas);
        const std::size_t children = world.customer.live_children();
        EXPECT_NE(std::find(pair.children.begin(), pair.children.end(), children),
                  pair.children.end())
            << children << " Child SAs";
        for (const Side* side : {&world.customer, &world.fleet}) {
            EXPECT_EQ(side->count(EventKind::peer_unreachable), 0);
            EXPECT_FALSE(side->engine->next_deadline().has_value()) << "nothing is left over";
        }
    }
};
INSTANTIATE_TEST_SUITE_P(EveryPair, Collision,
                         testing::Combine(testing::Range(std::size_t{0}, pairs.size()),
                                          testing::Bool()),
                         [](const auto& named) {
                             std::string name = pairs[std::get<0>(named.param)].name;
                             std::replace(name.begin(), name.end(), ' ', '_');
                             return name + (std::get<1>(named.param) ? "_hybrid" : "");
                         });

bool idle_prefix(const Steps& order, const std::set<Steps>& seen) {
    for (std::size_t size = 1; size <= order.size(); ++size) {
        if (seen.contains(Steps(order.begin(), order.begin() + static_cast<int>(size)))) {
            return true;
        }
    }
    return false;
}

TEST_P(Collision, InEveryOrderBothSidesAgree) {
    const bool nonces_matter = pair().customers == pair().fleets;
    std::set<Steps> seen;
    for (const Steps& order : every_order(5)) {
        // Another order that stops at the same step, for want of datagrams, is the same run.
        if (idle_prefix(order, seen)) {
            continue;
        }
        for (const Lowest lowest : every_lowest) {
            World world(seen.size() + 1);
            const std::size_t done = run(world, pair(), order, lowest);
            if (done < order.size()) {
                seen.insert(Steps(order.begin(), order.begin() + static_cast<int>(done) + 1));
            }
            expect_outcome(world, pair());
            if (HasFailure()) {
                FAIL() << pair().name << ": " << to_text(order) << "; lowest nonce "
                       << static_cast<int>(lowest);
            }
            if (!nonces_matter) {
                break;
            }
        }
    }
}

// Where both notice, the exchange with the lowest nonce has lost: in all orders in which both
// requests arrive before either answer does.

const std::vector<Steps> both_notice{
    {Step::from_customer, Step::from_fleet},
    {Step::from_fleet, Step::from_customer},
    // The answers cross too, or one comes late (which a loss makes it).
    {Step::from_customer, Step::from_fleet, Step::lose_customer},
    {Step::from_customer, Step::from_fleet, Step::lose_fleet},
    {Step::from_fleet, Step::from_customer, Step::lose_customer},
    {Step::from_fleet, Step::from_customer, Step::lose_fleet},
};

/// Both requests are on the wire and meet; then the answers, as `order` says.
void cross(World& world, const Steps& order) {
    // What follows the first step are answers as well, so hand over the requests alone.
    const auto requests = world.take_from(world.customer);
    world.deliver_from(world.fleet);
    const auto answer = world.take_from(world.customer);
    world.put_back(requests);
    world.deliver_from(world.customer);
    world.put_back(answer);
    for (std::size_t i = 2; i < order.size(); ++i) {
        step(world, order[i]);
    }
    world.deliver();
}

class NoncesDecide : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Collision, NoncesDecide, testing::Bool(),
                         [](const auto& named) { return named.param ? "Hybrid" : "Classic"; });

TEST_P(NoncesDecide, OfTwoChildRekeysTheOneWithTheLowestLoses) {
    for (const Steps& order : both_notice) {
        for (const Lowest lowest : every_lowest) {
            SCOPED_TRACE(to_text(order));
            World world;
            world.initiate();
            if (GetParam()) {
                use_one_more(world);
            }
            steer(world, lowest);
            world.rekey_child(world.customer);
            world.rekey_child(world.fleet);
            cross(world, order);
            world.wait(30s);
            EXPECT_EQ(world.disagreement(), "");
            ASSERT_EQ(world.customer.live_children(), 1U);
            const bool fleets_survives =
                lowest == Lowest::customers_request || lowest == Lowest::customers_answer;
            EXPECT_EQ(world.customer.child_sa()->outbound_waits, fleets_survives);
            EXPECT_EQ(world.fleet.child_sa()->outbound_waits, !fleets_survives);
            // With more key exchanges to come, who loses just stops.
            const int ended = GetParam() ? 1 : 2;
            EXPECT_EQ(world.customer.count(EventKind::child_sa_ended), ended);
            EXPECT_EQ(world.fleet.count(EventKind::child_sa_ended), ended);
            EXPECT_EQ(world.customer.count(EventKind::we_refused), 0);
            EXPECT_EQ(world.fleet.count(EventKind::we_refused), 0);
        }
    }
}

TEST_P(NoncesDecide, OfTwoIkeRekeysTheOneWithTheLowestLoses) {
    for (const Steps& order : both_notice) {
        for (const Lowest lowest : every_lowest) {
            SCOPED_TRACE(to_text(order));
            World world;
            world.initiate();
            if (GetParam()) {
                use_one_more(world);
            }
            steer(world, lowest);
            const sa::ChildSaRecord child = world.fleet.child_sa()->clone();
            world.rekey_ike(world.customer);
            world.rekey_ike(world.fleet);
            cross(world, order);
            world.wait(200s);
            EXPECT_EQ(world.disagreement(), "");
            ASSERT_EQ(world.customer.established().size(), 1U);
            const bool fleets_survives =
                lowest == Lowest::customers_request || lowest == Lowest::customers_answer;
            const IkeSaSummary survivor = world.customer.established().front();
            EXPECT_EQ(world.customer.ike_sas.at(survivor.our_spi).we_initiated, !fleets_survives);
            EXPECT_EQ(*world.fleet.child_sa(), child) << "the fact has not changed";
        }
    }
}

// Of two heirs, the one that the peer made is ended on request before it is known which of them
// gets the estate: what goes on keeps its Child SAs and its endpoint.
TEST(HeirToldToGo, TakesNothingAlong) {
    for (const bool hybrid : {false, true}) {
        for (const Lowest lowest : every_lowest) {
            SCOPED_TRACE(std::to_string(static_cast<int>(lowest)) + (hybrid ? ", hybrid" : ""));
            World world;
            world.initiate();
            if (hybrid) {
                use_one_more(world);
            }
            steer(world, lowest);
            const IkeSpi old = world.customer.spi();
            world.rekey_ike(world.customer);
            world.rekey_ike(world.fleet);
            world.deliver_from(world.fleet);
            for (const IkeSaSummary& row : world.customer.engine->list()) {
                if (row.our_spi != old) {
                    world.tell(world.customer, Terminate{row.tunnel, row.our_spi});
                }
            }
            world.deliver();
            world.wait(600s);
            EXPECT_EQ(world.disagreement(), "");
        }
    }
}

}  // namespace
}  // namespace anyswan::ike::test
