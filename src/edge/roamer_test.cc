// SPDX-License-Identifier: Apache-2.0
#include "edge/roamer.h"

#include <gtest/gtest.h>

#include "net/source_address.h"
#include "net/test_netns.h"

namespace anyswan::edge {
namespace {

IpAddress ip(std::string_view text) {
    return *IpAddress::parse(text);
}

ike::IkeSaSummary row() {
    ike::IkeSaSummary sa;
    sa.tunnel = {"acme", "branch"};
    sa.local = {ip("198.51.100.7"), 4500};
    sa.remote = {ip("192.0.2.1"), 4500};
    sa.we_initiated = true;
    sa.mobike = true;
    sa.peer_addresses = {ip("192.0.2.2"), ip("2001:db8::1")};
    return sa;
}

/// Routes to these remotes, each from this address.
SourceLookup routes(std::map<IpAddress, IpAddress> known) {
    return [known = std::move(known)](const IpAddress& remote) {
        const auto found = known.find(remote);
        return found == known.end() ? std::nullopt : std::optional(found->second);
    };
}

TEST(Roamer, MovesToTheAddressThatTheRouteGives) {
    EXPECT_TRUE(moves_due({row()}, routes({{ip("192.0.2.1"), ip("198.51.100.7")}})).empty());
    const auto moves = moves_due({row()}, routes({{ip("192.0.2.1"), ip("203.0.113.5")}}));
    ASSERT_EQ(moves.size(), 1U);
    EXPECT_EQ(moves[0].local, (Endpoint{ip("203.0.113.5"), 4500}));
    EXPECT_EQ(moves[0].remote, (Endpoint{ip("192.0.2.1"), 4500}));
}

TEST(Roamer, GoesToAnotherAddressOfThePeerIfOnlyThatCanBeReached) {
    const auto lookup = routes({{ip("2001:db8::1"), ip("2001:db8:7::7")}});
    const auto moves = moves_due({row()}, lookup);
    ASSERT_EQ(moves.size(), 1U);
    EXPECT_EQ(moves[0].local.address, ip("2001:db8:7::7"));
    EXPECT_EQ(moves[0].remote, (Endpoint{ip("2001:db8::1"), 4500}));
    ike::IkeSaSummary plain = row();
    plain.mobike = false;
    EXPECT_TRUE(moves_due({plain}, lookup).empty());
}

TEST(Roamer, LeavesAloneWhatThePeerInitiatedAndWaitsWithoutARoute) {
    EXPECT_TRUE(moves_due({row()}, routes({})).empty());
    ike::IkeSaSummary theirs = row();
    theirs.we_initiated = false;
    EXPECT_TRUE(moves_due({theirs}, routes({{ip("192.0.2.1"), ip("203.0.113.5")}})).empty());
}

TEST(Roamer, OneMoveForAllIkeSasOfATunnel) {
    const auto lookup = routes({{ip("192.0.2.1"), ip("203.0.113.5")}});
    EXPECT_EQ(moves_due({row(), row()}, lookup).size(), 1U);
}

TEST(SourceAddress, IsWhatTheRoutesSay) {
    const auto netns = net::testing::Netns::make();
    ASSERT_TRUE(netns) << netns.error().message;
    netns->run([] { EXPECT_FALSE(net::source_address(ip("192.0.2.1")).has_value()); });
    ASSERT_TRUE(
        netns->shell("ip addr add 198.51.100.7/32 dev lo && "
                     "ip route add 192.0.2.0/24 dev lo src 198.51.100.7"));
    netns->run([] { EXPECT_EQ(net::source_address(ip("192.0.2.1")), ip("198.51.100.7")); });
}

}  // namespace
}  // namespace anyswan::edge
