// SPDX-License-Identifier: Apache-2.0
// What the dataplane role gives its driver, and what it tells the fleet of what the driver could
// not do.
#include "edge/dataplane_role.h"

#include <gmock/gmock.h>

#include "core/esp/test_records.h"
#include "edge/asio_loop.h"
#include "net/clock.h"
#include "store/memory/memory.h"

namespace anyswan::edge {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;

/// Notes how many changes came at once, and what was done on the loop between.
class NotingDriver final : public dataplane::Driver {
public:
    explicit NotingDriver(std::vector<std::size_t>& sizes) : sizes_(sizes) {}
    void apply(std::span<const dataplane::Change> changes) override {
        sizes_.push_back(changes.size());
    }
    void send_ike(std::span<const dataplane::IkeDatagram> /*datagrams*/) override {}
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override { return {}; }
    [[nodiscard]] std::string describe() const override { return "notes"; }
    void stop() override {}

private:
    std::vector<std::size_t>& sizes_;
};

class DataplaneRoleTest : public ::testing::Test {
protected:
    DataplaneRoleTest() {
        keys.current = 1;
        keys.keys.emplace(1, Secret::copy_of(Bytes(32, 7)));
        store = hub->connect([this](std::function<void()> task) { loop.post(std::move(task)); });
        leases = std::make_unique<Leases>(
            Leases::Parts{*store, keys, random, tell, EdgeId(1), Incarnation(1)});
        facts = std::make_unique<Facts>(
            *store, keys, random,
            FactHandlers{[](const sa::EnvelopeHeader&, const sa::Record&) {}, [] {}});
        role = std::make_unique<DataplaneRole>(DataplaneRole::Parts{
            loop, *facts, driver, *leases, tell, "ams", {}, nullptr, EdgeId(1)});
    }
    void give(std::uint32_t number, EdgeId made_for = {}) {
        sa::ChildSaRecord child = esp::testing::make_record("aes128gcm16", 0x1000 + 2 * number);
        child.published_at = net::read_clock().wall;
        child.expires_at = {child.published_at.unix_ns + 3600 * std::int64_t{1'000'000'000}};
        child.made_for = made_for;
        role->on_child(child);
        role->on_endpoint({child.ike_spi,
                           {*IpAddress::parse("192.0.2.1"), 4500},
                           {*IpAddress::parse("192.0.2.2"), 4500},
                           true});
    }

    AsioLoop loop;
    net::SystemRandom random;
    sa::FleetKeys keys;
    std::shared_ptr<store::MemoryHub> hub = store::MemoryHub::create();
    std::unique_ptr<store::Store> store;
    std::function<void(const std::string&, const BusBody&)> tell = [](const auto&, const auto&) {};
    std::vector<std::size_t> sizes;
    NotingDriver driver{sizes};
    std::unique_ptr<Leases> leases;
    std::unique_ptr<Facts> facts;
    std::unique_ptr<DataplaneRole> role;
};

TEST_F(DataplaneRoleTest, TheLoopLivesWhileASnapshotIsApplied) {
    constexpr std::uint32_t count = 2000;
    for (std::uint32_t i = 0; i < count; ++i) {
        give(i);
    }
    std::size_t applied_when_asked = 0;
    // What comes in meanwhile, as an IKE datagram does, has its turn after one part.
    loop.post([&] { loop.post([&] { applied_when_asked = sizes.size(); }); });
    while (role->installed() < count) {
        loop.run_ready();
    }
    EXPECT_THAT(sizes, Each(Le(256U)));
    EXPECT_GE(sizes.size(), count / 256);
    EXPECT_GE(applied_when_asked, 1U);
    EXPECT_LE(applied_when_asked, 2U) << "not behind the whole snapshot";
}

TEST_F(DataplaneRoleTest, ClaimsTheNumbersOfItsOwnSasBeforeItNeedsThem) {
    give(0);
    give(1, EdgeId(1));
    give(2, EdgeId(2));
    while (!leases->held(EspSpi(0x1002))) {
        loop.run_ready();
    }
    EXPECT_FALSE(leases->held(EspSpi(0x1000))) << "whoever has packets will";
    EXPECT_FALSE(leases->held(EspSpi(0x1004)));
}

TEST_F(DataplaneRoleTest, TellsWhatItCouldNotApplyUntilItCould) {
    give(0);
    while (role->installed() < 1) {
        loop.run_ready();
    }
    EXPECT_EQ(role->take_troubles(), std::nullopt) << "nothing to tell";
    role->on_events({dataplane::SaFailed{EspSpi(0x1000), "the kernel lacks it"}});
    EXPECT_EQ(role->list().front().trouble, "the kernel lacks it");
    EXPECT_EQ(role->installed(), 0U);
    for (int second = 0; second < 2; ++second) {  // again and again: the bus is lossy
        const auto told = role->take_troubles();
        ASSERT_TRUE(told.has_value());
        EXPECT_THAT(*told, ElementsAre(SaTrouble{EspSpi(0x1000), "the kernel lacks it"}));
    }
    role->on_events({dataplane::SaApplied{EspSpi(0x1000)}});
    EXPECT_EQ(role->installed(), 1U);
    const auto last = role->take_troubles();
    ASSERT_TRUE(last.has_value()) << "that it is over";
    EXPECT_TRUE(last->empty());
    EXPECT_EQ(role->take_troubles(), std::nullopt);
}

}  // namespace
}  // namespace anyswan::edge
