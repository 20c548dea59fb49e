// SPDX-License-Identifier: Apache-2.0
// Two edges lease addresses of one pool out of one store: none is given twice, whoever comes again
// gets its own, and what the store's absence allows.
#include "edge/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "net/clock.h"
#include "store/memory/memory.h"
#include "store/test_loop.h"

namespace anyswan::edge {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class AddressesTest : public testing::Test {
protected:
    AddressesTest() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
        tunnels_.put(tunnel("road", "10.9.0.0/26"));
    }

    static sa::TunnelRecord tunnel(const std::string& name, std::string_view pool) {
        sa::TunnelRecord record;
        record.id = {"acme", name};
        record.remote_id = wire::ike::Identification::from_text("*");
        record.addressing.pool = {*IpPrefix::parse(pool)};
        return record;
    }
    Addresses::Parts parts(store::Store& store, const std::string& edge) {
        return {store,
                keys_,
                random_,
                tunnels_,
                edge,
                [this](const std::string&, const IpAddress& address) {
                    return used_.contains(address);
                },
                net::read_clock};
    }
    static std::uint64_t count(const Addresses& edge, const std::string& name) {
        const auto found = edge.counters().find(name);
        return found == edge.counters().end() ? 0 : found->second;
    }
    /// The IKE SA with these ended, and the time came to give them back.
    void end(Addresses& edge, const std::vector<IpAddress>& addresses) {
        edge.ended("acme", addresses, now_);
        now_ = now_ + 6s;
        edge.look(now_);
        (void)ask(edge, 99);  // is served after it
    }
    void want(Addresses& edge, int who, const std::string& name = "road") {
        edge.want({IkeSpi(static_cast<std::uint64_t>(who)),
                   {"acme", name},
                   wire::ike::Identification::from_text("r" + std::to_string(who)),
                   {IpFamily::v4}},
                  [this](const ike::AddressesGiven& given) { given_.push_back(given); });
    }
    ike::AddressesGiven ask(Addresses& edge, int who, const std::string& name = "road") {
        const std::size_t before = given_.size();
        want(edge, who, name);
        loop_.run_until([&] { return given_.size() > before; }, std::chrono::seconds(5));
        return given_.back();
    }

    SeededRandom random_{17};
    sa::FleetKeys keys_;
    store::TestLoop loop_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::LocalStore> store_ = hub_->connect(loop_.executor());
    std::unique_ptr<store::LocalStore> other_store_ = hub_->connect(loop_.executor());
    TunnelTable tunnels_;
    std::set<IpAddress> used_;
    Instant now_{};
    Addresses ams_{parts(*store_, "ams")};
    Addresses sin_{parts(*other_store_, "sin")};
    std::vector<ike::AddressesGiven> given_;
};

TEST_F(AddressesTest, TwoEdgesGiveNoAddressTwice) {
    for (int who = 0; who < 20; ++who) {
        want(who % 2 == 0 ? ams_ : sin_, who);
    }
    loop_.run_until([&] { return given_.size() == 20; }, std::chrono::seconds(5));
    std::set<IpAddress> addresses;
    for (const ike::AddressesGiven& given : given_) {
        ASSERT_EQ(given.addresses.size(), 1U) << given.why;
        EXPECT_TRUE(addresses.insert(given.addresses[0]).second) << "given twice";
    }
    EXPECT_GT(count(ams_, "addresses_lost_rounds") + count(sin_, "addresses_lost_rounds"), 0U)
        << "they did compete";
}

TEST_F(AddressesTest, WhoComesAgainGetsItsOwnAtEveryEdge) {
    const auto first = ask(ams_, 7);
    EXPECT_EQ(ask(sin_, 7).addresses, first.addresses);
    EXPECT_EQ(ask(ams_, 7).addresses, first.addresses);
    EXPECT_NE(ask(sin_, 8).addresses, first.addresses);
}

TEST_F(AddressesTest, TunnelsOfAnAccountShareAPool) {
    tunnels_.put(tunnel("other", "10.9.0.0/30"));
    std::set<IpAddress> addresses;
    for (const char* name : {"road", "other"}) {
        for (int who = 0; who < 2; ++who) {
            const auto given = ask(ams_, who, name);
            ASSERT_EQ(given.addresses.size(), 1U);
            addresses.insert(given.addresses[0]);
        }
    }
    EXPECT_EQ(addresses.size(), 4U);
    EXPECT_THAT(ask(ams_, 2, "other").why, HasSubstr("its pool is full"));
}

TEST_F(AddressesTest, AnAddressThatATunnelHasForItselfIsNotLeased) {
    tunnels_.put(tunnel("fixed", "10.9.1.1/32"));
    tunnels_.put(tunnel("small", "10.9.1.0/30"));
    EXPECT_EQ(ask(ams_, 1, "small").addresses.at(0), *IpAddress::parse("10.9.1.2"));
    EXPECT_THAT(ask(ams_, 2, "small").addresses, IsEmpty());
}

TEST_F(AddressesTest, AnEndedIkeSaGivesItsAddressBack) {
    tunnels_.put(tunnel("small", "10.9.1.4/30"));
    const auto first = ask(ams_, 1, "small").addresses;
    const auto second = ask(ams_, 2, "small").addresses;
    EXPECT_THAT(ask(sin_, 3, "small").addresses, IsEmpty());
    end(sin_, first);
    EXPECT_THAT(ask(sin_, 3, "small").addresses, IsEmpty()) << "another edge granted it";
    end(ams_, first);
    EXPECT_EQ(ask(ams_, 1, "small").addresses, first) << "nobody took it: it is its own again";
    end(ams_, first);
    EXPECT_EQ(ask(sin_, 3, "small").addresses, first);
    EXPECT_EQ(ask(ams_, 2, "small").addresses, second);
    EXPECT_EQ(ams_.counters().at("addresses_given_back"), 2U);
}

TEST_F(AddressesTest, WhoIsThereAgainKeepsTheAddress) {
    tunnels_.put(tunnel("small", "10.9.1.4/31"));
    const auto mine = ask(ams_, 1, "small").addresses;
    (void)ask(ams_, 2, "small");
    used_ = {mine.at(0)};  // re-authenticated: another IKE SA has it
    end(ams_, mine);
    EXPECT_THAT(ask(sin_, 3, "small").addresses, IsEmpty());
    // At another edge, of which this one has not heard yet.
    used_ = {};
    ams_.ended("acme", mine, now_);
    EXPECT_EQ(ask(sin_, 1, "small").addresses, mine);
    ams_.look(now_ + 6s);
    (void)ask(ams_, 99);
    EXPECT_THAT(ask(sin_, 3, "small").addresses, IsEmpty());
}

TEST_F(AddressesTest, WithoutTheStoreOnlyAKnownLeaseIsGiven) {
    const auto known = ask(ams_, 1);
    (void)ask(sin_, 2);
    hub_->set_leader(store::Leader::absent);
    EXPECT_EQ(ask(ams_, 1).addresses, known.addresses);
    EXPECT_THAT(ask(sin_, 1).addresses, IsEmpty()) << "ams may give it back meanwhile";
    const auto refused = ask(ams_, 3);
    EXPECT_THAT(refused.addresses, IsEmpty());
    EXPECT_THAT(refused.why, HasSubstr("while the store is away"));
    hub_->set_leader(store::Leader::present);
    EXPECT_EQ(ask(ams_, 3).addresses.size(), 1U);
}

TEST_F(AddressesTest, ATunnelThatIsGoneGivesNothing) {
    EXPECT_THAT(ask(ams_, 1, "gone").why, HasSubstr("removed"));
}

}  // namespace
}  // namespace anyswan::edge
