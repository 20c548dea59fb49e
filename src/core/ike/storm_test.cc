// SPDX-License-Identifier: Apache-2.0
// Both sides want things of each other at random, over a network that loses, doubles and reorders,
// while owners change. N1 and N4 are checked on every datagram; when the faults stop, both sides
// must have the same SAs (N6). A failing seed is printed.
#include "core/ike/helpers.h"

namespace anyswan::ike::test {
namespace {

struct Storm {
    explicit Storm(std::uint64_t seed) : world(seed), random(seed * 7919 + 1) {
        world.initiate();
        for (Side* side : {&world.customer, &world.fleet}) {
            sa::TunnelRecord& tunnel = side->directory.tunnels.front();
            tunnel.esp_suites = {esp_suite(seed % 2 == 0 ? "aes256gcm16" : "aes256gcm16-x25519")};
            if (seed % 3 == 0) {
                tunnel.esp_suites = {esp_suite("aes256gcm16-x25519-ke1_ecp256-ke2_ecp384")};
                tunnel.ike_suites = {ike_suite("aes256gcm16-prfsha256-x25519-ke1_ecp256")};
            }
        }
    }
    bool chance(std::uint64_t percent) { return random.below(100) < percent; }
    Side& either() { return chance(50) ? world.customer : world.fleet; }

    void wish_something() {
        Side& side = either();
        const auto rows = side.established();
        if (rows.empty()) {
            return;
        }
        const IkeSaSummary& row = rows[random.below(rows.size())];
        const auto child = [&] {
            return row.children[random.below(row.children.size())].inbound_spi;
        };
        const std::uint64_t what = random.below(10);
        if (what < 3 && !row.children.empty()) {
            world.tell(side, RekeyChild{row.our_spi, child()});
        } else if (what < 5) {
            world.tell(side, RekeyIke{row.our_spi});
        } else if (what < 7 && row.children.size() < 8) {
            world.tell(side, CreateChild{row.our_spi});
        } else if (what < 8 && !row.children.empty()) {
            world.tell(side, DeleteChild{row.our_spi, child()});
        } else if (what < 9) {
            world.tell(side, ProbeLiveness{row.our_spi});
        }
    }
    /// One datagram, of either side, meets its fate.
    void weather() {
        Side& side = either();
        std::deque<World::Carried> sent = world.take_from(side);
        if (sent.empty()) {
            return;
        }
        const std::size_t at = random.below(sent.size());
        const World::Carried carried = sent[at];
        if (!chance(20)) {  // else: handed over, and once more later
            sent.erase(sent.begin() + static_cast<int>(at));
        }
        world.put_back(sent);
        if (!chance(20)) {  // else: lost
            world.arrive(carried);
        }
    }
    void run() {
        std::uint16_t edge = 100;
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t what = random.below(20);
            if (what < 4) {
                wish_something();
            } else if (what < 17) {
                weather();
            } else if (what < 19) {
                world.pass(Duration(static_cast<std::int64_t>(random.below(3'000'000'000))));
            } else if (chance(20)) {
                world.take_over(either(), edge++);
            }
        }
        // Calm. Who has given the other up in the storm is asked for, so that the other notices.
        world.deliver();
        world.wait(600s);
        for (Side* side : {&world.customer, &world.fleet}) {
            for (const IkeSaSummary& row : side->established()) {
                world.tell(*side, ProbeLiveness{row.our_spi});
            }
        }
        world.wait(600s);
    }

    World world;
    SeededRandom random;
};

TEST(StormOfRekeys, BothSidesAgreeAfterwards) {
    std::size_t rekeys = 0;
    std::size_t alive = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Storm storm(seed);
        storm.run();
        EXPECT_EQ(storm.world.disagreement(), "");
        if (HasFailure()) {
            FAIL() << "seed " << seed;
        }
        rekeys += static_cast<std::size_t>(storm.world.fleet.count(EventKind::ike_sa_rekeyed) +
                                           storm.world.fleet.count(EventKind::child_sa_rekeyed));
        alive += storm.world.fleet.established().size();
    }
    EXPECT_GT(rekeys, 1000U) << "the storm does nothing";
    EXPECT_GT(alive, 190U) << "tunnels don't survive the storm";
}

}  // namespace
}  // namespace anyswan::ike::test
