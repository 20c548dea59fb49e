// SPDX-License-Identifier: Apache-2.0
#include "core/sa/address_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace anyswan::sa {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpPrefix prefix(std::string_view text) {
    return IpPrefix::parse(text).value();
}
IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}
Bytes holder(int number) {
    return lease_holder({"acme", "road"},
                        wire::ike::Identification::from_text("r" + std::to_string(number)));
}
WallTime at(Duration since) {
    return WallTime{1'700'000'000'000'000'000 + since.count()};
}

struct Book {
    Addressing addressing;
    AddressBookRecord book{"acme", 0, {}};
    std::set<IpAddress> used = {};
    std::set<IpAddress> taken = {};
    std::string edge = "ams";

    AddressQuestion question(int who, WallTime now, std::vector<IpFamily> families) {
        return {holder(who),
                addressing,
                std::move(families),
                now,
                edge,
                [this](const IpAddress& one) { return taken.contains(one); },
                [this](const IpAddress& one) { return used.contains(one); }};
    }
    AddressAnswer ask(int who, WallTime now = at(0s),
                      std::vector<IpFamily> families = {IpFamily::v4}) {
        return lease_addresses(book, question(who, now, std::move(families)));
    }
};

TEST(AddressBook, HostsOfAPrefix) {
    EXPECT_EQ(host_count(prefix("10.9.0.0/24")), 254U);
    EXPECT_EQ(host_at(prefix("10.9.0.0/24"), 0), address("10.9.0.1"));
    EXPECT_EQ(host_at(prefix("10.9.0.0/24"), 253), address("10.9.0.254"));
    EXPECT_EQ(host_count(prefix("10.9.0.4/31")), 2U);
    EXPECT_EQ(host_at(prefix("10.9.0.4/31"), 0), address("10.9.0.4"));
    EXPECT_EQ(host_count(prefix("10.9.0.4/32")), 1U);
    EXPECT_EQ(host_at(prefix("10.9.0.4/32"), 0), address("10.9.0.4"));
    EXPECT_EQ(host_count(prefix("fd09::/126")), 3U);
    EXPECT_EQ(host_at(prefix("fd09::/64"), 65534), address("fd09::ffff"));
    EXPECT_EQ(host_count(prefix("fd09::/64")), 65535U);
}

TEST(AddressBook, EachHolderHasItsOwnAndGetsItAgain) {
    Book book{{{prefix("10.9.0.0/29")}, {}, {}, 0, {}}};
    std::set<IpAddress> given;
    for (int who = 0; who < 6; ++who) {
        const AddressAnswer answer = book.ask(who);
        ASSERT_EQ(answer.addresses.size(), 1U);
        EXPECT_TRUE(answer.changed);
        EXPECT_TRUE(given.insert(answer.addresses[0]).second) << "given twice";
        EXPECT_TRUE(prefix("10.9.0.0/29").contains(answer.addresses[0]));
    }
    for (int who = 0; who < 6; ++who) {
        const auto first = book.book.leases[static_cast<std::size_t>(who)].address;
        const AddressAnswer again = book.ask(who, at(10s));
        EXPECT_THAT(again.addresses, ElementsAre(first));
        EXPECT_FALSE(again.changed) << "a fresh lease needs no write";
    }
    EXPECT_THAT(book.ask(6).addresses, IsEmpty()) << "the pool is full";
}

TEST(AddressBook, OnlyAnOldUnusedLeaseGoes) {
    Book book{{{prefix("10.9.0.0/30")}, {}, {}, 0, {}}};
    const IpAddress first = book.ask(0, at(0s)).addresses.at(0);
    const IpAddress second = book.ask(1, at(1s)).addresses.at(0);
    EXPECT_THAT(book.ask(2, at(59min)).addresses, IsEmpty()) << "too young";
    book.used = {first, second};
    EXPECT_THAT(book.ask(2, at(2h)).addresses, IsEmpty()) << "in use";
    book.used = {first};
    EXPECT_THAT(book.ask(2, at(2h)).addresses, ElementsAre(second));
    EXPECT_THAT(book.ask(1, at(2h)).addresses, IsEmpty()) << "its lease is another's now";
    EXPECT_THAT(book.ask(0, at(2h)).addresses, ElementsAre(first));
}

TEST(AddressBook, ALeaseIsRefreshedBeforeItsProtectionEnds) {
    Book book{{{prefix("10.9.0.0/30")}, {}, {}, 0, {}}};
    const IpAddress mine = book.ask(0, at(0s)).addresses.at(0);
    const auto sure = [&](Duration now) {
        return leased_for_sure(book.book, book.question(0, at(now), {IpFamily::v4}));
    };
    EXPECT_THAT(sure(59min), testing::Optional(ElementsAre(mine)));
    EXPECT_EQ(sure(61min), std::nullopt);
    EXPECT_FALSE(book.ask(0, at(29min)).changed);
    EXPECT_TRUE(book.ask(0, at(31min)).changed);
    EXPECT_THAT(sure(61min), testing::Optional(ElementsAre(mine)));
}

TEST(AddressBook, TheEdgeThatGrantedItGivesItBack) {
    Book book{{{prefix("10.9.0.0/30")}, {}, {}, 0, {}}};
    const IpAddress first = book.ask(0, at(0s)).addresses.at(0);
    const IpAddress second = book.ask(1, at(1s)).addresses.at(0);
    EXPECT_THAT(leases_of(book.book, "sin", {first}), IsEmpty());
    const auto seen = leases_of(book.book, "ams", {first});
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(give_back(book.book, seen, at(2s)));
    EXPECT_FALSE(give_back(book.book, seen, at(2s))) << "once";
    EXPECT_EQ(leased_for_sure(book.book, book.question(0, at(2s), {IpFamily::v4})), std::nullopt);
    EXPECT_THAT(book.ask(2, at(2s)).addresses, ElementsAre(first));
    EXPECT_THAT(book.ask(1, at(2s)).addresses, ElementsAre(second));
}

TEST(AddressBook, ALeaseThatAnotherEdgeRenewedIsNotGivenBack) {
    Book book{{{prefix("10.9.0.0/30")}, {}, {}, 0, {}}};
    const IpAddress mine = book.ask(0, at(0s)).addresses.at(0);
    const auto seen = leases_of(book.book, "ams", {mine});
    book.edge = "sin";
    EXPECT_TRUE(book.ask(0, at(1s)).changed) << "ams must learn of it";
    EXPECT_FALSE(give_back(book.book, seen, at(2s)));
    // For its hour it is ams's to rely on, then sin's.
    EXPECT_EQ(leased_for_sure(book.book, book.question(0, at(2s), {IpFamily::v4})), std::nullopt);
    (void)book.ask(0, at(2h));
    EXPECT_THAT(leased_for_sure(book.book, book.question(0, at(2h), {IpFamily::v4})),
                testing::Optional(ElementsAre(mine)));
}

TEST(AddressBook, FamiliesAreLeasedApartAndTakenOnesPassedOver) {
    Book book{{{prefix("10.9.0.4/30"), prefix("fd09::/120")}, {}, {}, 0, {}}};
    book.taken = {address("10.9.0.5")};
    EXPECT_THAT(book.ask(0, at(0s), {IpFamily::v4, IpFamily::v6}).addresses.at(0),
                address("10.9.0.6"));
    EXPECT_EQ(book.ask(0, at(0s), {IpFamily::v6}).addresses.at(0).family(), IpFamily::v6);
    // IPv4 is full: the other family is given alone.
    const AddressAnswer other = book.ask(1, at(0s), {IpFamily::v4, IpFamily::v6});
    ASSERT_EQ(other.addresses.size(), 1U);
    EXPECT_EQ(other.addresses[0].family(), IpFamily::v6);
}

TEST(AddressBook, ABookThatIsFullForgetsItsOldest) {
    Book book{{{prefix("10.8.0.0/16")}, {}, {}, 0, {}}};
    for (int who = 0; who < static_cast<int>(address_book_size_max); ++who) {
        book.book.leases.push_back({holder(who),
                                    host_at(book.addressing.pool[0], static_cast<unsigned>(who)),
                                    at(std::chrono::seconds(who)), "ams"});
    }
    EXPECT_THAT(book.ask(-1, at(30min)).addresses, IsEmpty());
    EXPECT_EQ(book.ask(-1, at(24h)).addresses.size(), 1U);
    EXPECT_EQ(book.book.leases.size(), address_book_size_max);
}

TEST(AddressBook, SingleAddressesNeedNoBook) {
    const Addressing fixed{{prefix("10.9.0.5/32"), prefix("fd09::5/128")}, {}, {}, 0, {}};
    EXPECT_THAT(fixed_addresses(fixed, {IpFamily::v4, IpFamily::v6}),
                testing::Optional(ElementsAre(address("10.9.0.5"), address("fd09::5"))));
    EXPECT_THAT(fixed_addresses(fixed, {IpFamily::v6}),
                testing::Optional(ElementsAre(address("fd09::5"))));
    const Addressing pool{{prefix("10.9.0.0/24"), prefix("fd09::5/128")}, {}, {}, 0, {}};
    EXPECT_EQ(fixed_addresses(pool, {IpFamily::v4}), std::nullopt);
}

TEST(AddressBook, ALostBookGivesMostPeersWhatTheyHad) {
    Book before{{{prefix("10.9.0.0/24")}, {}, {}, 0, {}}};
    Book after = before;
    for (int who = 0; who < 20; ++who) {
        (void)before.ask(who);
        (void)after.ask(19 - who);  // in another order
    }
    int same = 0;
    for (int who = 0; who < 20; ++who) {
        same += before.ask(who).addresses == after.ask(who).addresses ? 1 : 0;
    }
    EXPECT_GE(same, 16);
}

}  // namespace
}  // namespace anyswan::sa
