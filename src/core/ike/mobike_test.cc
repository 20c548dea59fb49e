// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555): the initiator's address changes, both roles; with loss, forgery, rekeys and
// takeovers in the middle of it.
#include <algorithm>

#include "core/ike/helpers.h"
#include "core/ike/nat.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

constexpr const char* home = "198.51.100.7";
constexpr const char* away = "203.0.113.20";
constexpr const char* farther = "203.0.113.30";

Payload notify(NotifyType type, Bytes data = {}) {
    return {Notify{{}, {}, type, std::move(data)}};
}

/// Both sides want MOBIKE; the customer may come from anywhere.
void allow_mobike(World& world) {
    for (Side* side : {&world.customer, &world.fleet}) {
        side->directory.tunnels[0].mobike = true;
        side->directory.tunnels[0].remote_addresses.clear();
    }
}

struct Mobike : testing::Test {
    Mobike() { allow_mobike(world); }
    void initiate() {
        world.initiate();
        ASSERT_TRUE(world.up());
        spi = world.fleet.ike_sa()->our_spi;
    }
    [[nodiscard]] const sa::EndpointRecord& of_fleet() const {
        return world.fleet.endpoints.begin()->second;
    }
    [[nodiscard]] const sa::EndpointRecord& of_customer() const {
        return world.customer.endpoints.begin()->second;
    }
    /// Both sides send ESP on this path, the IKE SA is the one of before.
    void expect_at(const Endpoint& customer, const Endpoint& seen) {
        EXPECT_EQ(of_customer().local, customer);
        EXPECT_EQ(of_fleet().remote, seen);
        EXPECT_EQ(of_customer().udp_encapsulation, of_fleet().udp_encapsulation);
        EXPECT_EQ(world.disagreement(), "");
        EXPECT_FALSE(world.fleet.ike_sa()->mobility.unchecked);
        EXPECT_FALSE(world.customer.ike_sa()->mobility.update_owed);
        EXPECT_EQ(world.customer.count(EventKind::ike_sa_established), 1);
    }
    /// A request of the customer as only a pen can write it, from `from`; what the fleet answers.
    std::vector<Payload> ask(const Endpoint& from, const std::vector<Payload>& payloads) {
        PeerTool pen(*world.customer.ike_sa());
        const Bytes bytes = pen.request(ExchangeType::informational,
                                        world.fleet.ike_sa()->expected_request, payloads);
        const Outputs out =
            world.fleet.step(world.clock(), DatagramReceived{at("192.0.2.1", 4500), from, bytes});
        for (const Action& action : out.actions) {
            for (const Datagram& datagram : action.send) {
                if (wire::ike::HeaderView::read(datagram.bytes)->header.response) {
                    EXPECT_EQ(datagram.remote, from) << "answered where it came from";
                    return pen.open(datagram.bytes);
                }
            }
        }
        ADD_FAILURE() << "no answer";
        return {};
    }

    World world;
    IkeSpi spi;
};

TEST_F(Mobike, IsAgreedInIkeAuthOnPort4500WithoutEncapsulation) {
    initiate();
    EXPECT_TRUE(world.fleet.ike_sa()->mobility.supported);
    EXPECT_TRUE(world.fleet.engine->list().front().mobike);
    EXPECT_EQ(of_fleet().remote, at(home, 4500));
    EXPECT_FALSE(of_fleet().udp_encapsulation) << "no NAT is in the way";
    EXPECT_FALSE(of_customer().udp_encapsulation);
}

TEST_F(Mobike, NeedsBothSides) {
    for (const bool customer_wants : {true, false}) {
        World one;
        allow_mobike(one);
        (customer_wants ? one.fleet : one.customer).directory.tunnels[0].mobike = false;
        one.initiate();
        ASSERT_TRUE(one.up());
        EXPECT_FALSE(one.customer.engine->list().front().mobike);
        EXPECT_FALSE(one.fleet.engine->list().front().mobike);
        EXPECT_EQ(one.fleet.endpoints.begin()->second.remote.port, customer_wants ? 4500 : 500);
    }
}

TEST_F(Mobike, TheFleetNamesItsOtherAddresses) {
    world.fleet.config.addresses = {*IpAddress::parse("192.0.2.1"), *IpAddress::parse("192.0.2.2"),
                                    *IpAddress::parse("2001:db8::1")};
    world.fleet.restart(7, 5);
    initiate();
    const std::vector<IpAddress> others{*IpAddress::parse("192.0.2.2"),
                                        *IpAddress::parse("2001:db8::1")};
    EXPECT_EQ(world.customer.ike_sa()->mobility.peer_addresses, others);
    EXPECT_EQ(world.customer.engine->list().front().peer_addresses, others);
    EXPECT_TRUE(world.fleet.ike_sa()->mobility.peer_addresses.empty());
}

TEST_F(Mobike, TheInitiatorMovesAndKeepsItsSas) {
    initiate();
    world.move_customer(away);
    EXPECT_EQ(of_customer().local, at(away, 4500)) << "it sends from there at once";
    EXPECT_TRUE(world.customer.ike_sa()->mobility.update_owed);
    world.deliver_from(world.customer);
    EXPECT_EQ(of_fleet().remote, at(home, 4500)) << "not before it answered there";
    EXPECT_TRUE(world.fleet.ike_sa()->mobility.unchecked);
    EXPECT_EQ(world.fleet.ike_sa()->remote, at(away, 4500));
    world.deliver();
    expect_at(at(away, 4500), at(away, 4500));
    EXPECT_EQ(world.fleet.ike_sa()->our_spi, spi);
    EXPECT_FALSE(of_fleet().udp_encapsulation);
    EXPECT_EQ(world.trace.size(), 8U) << "update, check, and their answers";
    EXPECT_EQ(world.fleet.count(EventKind::peer_moved), 1);
    EXPECT_EQ(world.customer.count(EventKind::we_moved), 1);
    world.probe(world.fleet);
    EXPECT_EQ(world.trace.back().datagram.remote, at(away, 4500));
}

TEST_F(Mobike, WithoutTheCheckEspFollowsAtOnce) {
    world.fleet.directory.tunnels[0].mobike_check = false;
    initiate();
    world.move_customer(away);
    world.deliver_from(world.customer);
    EXPECT_EQ(of_fleet().remote, at(away, 4500));
    world.deliver();
    expect_at(at(away, 4500), at(away, 4500));
    EXPECT_EQ(world.trace.size(), 6U);
}

TEST_F(Mobike, ANatAppearsAndGoesAgain) {
    initiate();
    world.nat = IpAddress::parse("203.0.113.9");
    world.move_customer("10.9.9.9");
    world.deliver();
    expect_at(at("10.9.9.9", 4500), at("203.0.113.9", 34500));
    EXPECT_TRUE(of_fleet().udp_encapsulation);
    EXPECT_TRUE(of_customer().behind_nat);
    world.nat.reset();
    world.move_customer(home);
    world.deliver();
    expect_at(at(home, 4500), at(home, 4500));
    EXPECT_FALSE(of_fleet().udp_encapsulation);
    EXPECT_FALSE(of_customer().behind_nat);
}

TEST_F(Mobike, ForcedEncapsulationStaysForced) {
    world.customer.directory.tunnels[0].nat_traversal = sa::NatTraversal::force;
    initiate();
    EXPECT_TRUE(of_fleet().udp_encapsulation);
    world.move_customer(away);
    world.deliver();
    expect_at(at(away, 4500), at(away, 4500));
    EXPECT_TRUE(of_fleet().udp_encapsulation);
}

TEST_F(Mobike, FromIpv4ToIpv6AndBack) {
    initiate();
    world.move_customer("2001:db8:7::7", "2001:db8::1");
    world.deliver();
    expect_at(at("2001:db8:7::7", 4500), at("2001:db8:7::7", 4500));
    EXPECT_EQ(of_fleet().local, at("2001:db8::1", 4500));
    world.move_customer(home);
    world.deliver();
    expect_at(at(home, 4500), at(home, 4500));
    EXPECT_EQ(of_fleet().local, at("192.0.2.1", 4500));
}

TEST_F(Mobike, SurvivesLossDuplicationAndReorderingOfEachDatagram) {
    for (const Fault fault : {Fault::drop, Fault::duplicate, Fault::delay_one}) {
        for (int i = 4; i < 8; ++i) {
            World one;
            allow_mobike(one);
            one.faults = {{i, fault}};
            one.initiate();
            one.move_customer(away);
            one.deliver();
            one.wait(5s);
            EXPECT_EQ(one.fleet.endpoints.begin()->second.remote, at(away, 4500)) << i;
            EXPECT_FALSE(one.fleet.ike_sa()->mobility.unchecked) << i;
            EXPECT_EQ(one.disagreement(), "") << i;
        }
    }
}

TEST_F(Mobike, ASecondMoveBeforeTheFirstIsAnswered) {
    initiate();
    for (int lost = 0; lost < 4; ++lost) {
        world.move_customer(away);
        for (int step = 0; step < lost; ++step) {
            world.deliver_from(step % 2 == 0 ? world.customer : world.fleet);
        }
        world.move_customer(farther);
        world.deliver();
        world.wait(5s);
        expect_at(at(farther, 4500), at(farther, 4500));
        world.move_customer(home);
        world.deliver();
        expect_at(at(home, 4500), at(home, 4500));
    }
}

TEST_F(Mobike, ARequestInFlightGoesOnFromTheNewAddressAndTheUpdateFollows) {
    initiate();
    world.rekey_child(world.customer);
    const Bytes request = world.trace.back().datagram.bytes;
    world.lose_from(world.customer);
    world.move_customer(away);
    world.wait(0s);
    ASSERT_GE(world.trace.size(), 6U);
    EXPECT_EQ(world.trace[5].datagram.bytes, request);
    EXPECT_EQ(world.trace[5].datagram.local, at(away, 4500));
    world.wait(5s);
    expect_at(at(away, 4500), at(away, 4500));
    EXPECT_EQ(world.customer.count(EventKind::child_sa_rekeyed), 1);
}

// Who rekeys what while the customer moves, cut off after each number of steps; what one side had
// on the wire then arrives, or is lost.
TEST_F(Mobike, AMoveWhileARekeyIsInFlight) {
    for (const bool by_customer : {true, false}) {
        for (const bool ike : {true, false}) {
            for (int steps = 0; steps < 6; ++steps) {
                for (const char lost : {'-', 'c', 'f'}) {
                    SCOPED_TRACE(std::to_string(by_customer) + std::to_string(ike) +
                                 std::to_string(steps) + lost);
                    World one;
                    allow_mobike(one);
                    one.initiate();
                    Side& who = by_customer ? one.customer : one.fleet;
                    ike ? one.rekey_ike(who) : one.rekey_child(who);
                    for (int step = 0; step < steps; ++step) {
                        one.deliver_from((step % 2 == 0) == by_customer ? one.customer : one.fleet);
                    }
                    if (lost != '-') {
                        one.lose_from(lost == 'c' ? one.customer : one.fleet);
                    }
                    one.move_customer(away);
                    one.deliver();
                    one.wait(90s);
                    ASSERT_EQ(one.disagreement(), "");
                    ASSERT_EQ(one.customer.established().size(), 1U);
                    EXPECT_EQ(one.fleet.endpoints.begin()->second.remote, at(away, 4500));
                    EXPECT_EQ(one.customer.endpoints.begin()->second.local, at(away, 4500));
                    EXPECT_FALSE(one.fleet.ike_sa()->mobility.unchecked);
                    EXPECT_FALSE(one.customer.ike_sa()->mobility.update_owed);
                    EXPECT_EQ(one.customer.count(EventKind::ike_sa_established), 1);
                }
            }
        }
    }
}

TEST_F(Mobike, BothRekeyTheIkeSaWhileTheCustomerMoves) {
    for (int steps = 0; steps < 4; ++steps) {
        World one(static_cast<std::uint64_t>(steps) + 1);
        allow_mobike(one);
        one.initiate();
        one.rekey_ike(one.customer);
        one.rekey_ike(one.fleet);
        for (int step = 0; step < steps; ++step) {
            one.deliver_from(step % 2 == 0 ? one.customer : one.fleet);
        }
        one.move_customer(away);
        one.deliver();
        one.wait(90s);
        EXPECT_EQ(one.fleet.endpoints.begin()->second.remote, at(away, 4500)) << steps;
        EXPECT_EQ(one.disagreement(), "") << steps;
        EXPECT_EQ(one.customer.count(EventKind::ike_sa_established), 1);
    }
}

TEST_F(Mobike, ATakeoverInTheMiddleOfAMove) {
    for (const bool fleet_dies : {true, false}) {
        for (int steps = 0; steps < 5; ++steps) {
            World one;
            allow_mobike(one);
            one.initiate();
            one.move_customer(away);
            for (int step = 0; step < steps; ++step) {
                one.deliver_from(step % 2 == 0 ? one.customer : one.fleet);
            }
            Side& dies = fleet_dies ? one.fleet : one.customer;
            one.lose_from(dies);
            one.take_over(dies, 8);
            one.deliver();
            one.wait(10s);
            EXPECT_EQ(one.fleet.endpoints.begin()->second.remote, at(away, 4500))
                << fleet_dies << steps;
            EXPECT_EQ(one.disagreement(), "") << fleet_dies << steps;
            EXPECT_FALSE(one.fleet.ike_sa()->mobility.unchecked);
            EXPECT_FALSE(one.customer.ike_sa()->mobility.update_owed);
            EXPECT_EQ(one.customer.count(EventKind::ike_sa_established), 1);
        }
    }
}

// Someone on the way changes the source address of the update.
TEST_F(Mobike, EspNeverGoesToAForgedAddress) {
    initiate();
    world.move_customer(away);
    const std::deque<World::Carried> update = world.take_from(world.customer);
    ASSERT_EQ(update.size(), 1U);
    const Datagram& datagram = update.front().datagram;
    world.tell(world.fleet,
               DatagramReceived{datagram.remote, at("203.0.113.66", 4500), datagram.bytes});
    EXPECT_EQ(of_fleet().remote, at(home, 4500));
    EXPECT_TRUE(world.fleet.ike_sa()->mobility.unchecked);
    world.take_from(world.fleet);
    world.wait(5s);
    EXPECT_EQ(of_fleet().remote, at(home, 4500)) << "nobody answers there";
    // Once more in order: a later message of the customer itself repairs it.
    world.move_customer(farther);
    world.deliver();
    world.wait(60s);
    expect_at(at(farther, 4500), at(farther, 4500));
}

TEST_F(Mobike, AReplayedUpdateMovesNobody) {
    initiate();
    world.move_customer(away);
    const Datagram update = world.trace.back().datagram;
    world.deliver();
    world.tell(world.fleet,
               DatagramReceived{update.remote, at("203.0.113.66", 4500), update.bytes});
    world.move_customer(home);
    world.deliver();
    world.tell(world.fleet, DatagramReceived{update.remote, at(away, 4500), update.bytes});
    world.deliver();
    expect_at(at(home, 4500), at(home, 4500));
}

TEST_F(Mobike, AWrongCookie2EndsTheIkeSa) {
    for (const bool empty : {true, false}) {
        World one;
        allow_mobike(one);
        one.initiate();
        one.move_customer(away);
        one.deliver_from(one.customer);
        one.take_from(one.fleet);
        const sa::RequestInFlight& asked = *one.fleet.ike_sa()->request;
        PeerTool pen(*one.customer.ike_sa());
        std::vector<Payload> payloads;
        if (!empty) {
            payloads.push_back(notify(NotifyType::cookie2, Bytes(16, 1)));
        }
        one.tell(one.fleet, DatagramReceived{at("192.0.2.1", 4500), at(away, 4500),
                                             pen.response(ExchangeType::informational,
                                                          asked.message_id, payloads)});
        EXPECT_EQ(one.fleet.state(), "deleting");
        EXPECT_NE(one.fleet.text(EventKind::peer_refused).find("COOKIE2"), std::string::npos);
        EXPECT_EQ(one.fleet.endpoints.begin()->second.remote, at(home, 4500));
    }
}

TEST_F(Mobike, ACookie2OfTheResponderIsCheckedToo) {
    initiate();
    world.move_customer(away);
    const MessageId id = world.customer.ike_sa()->request->message_id;
    PeerTool pen(*world.fleet.ike_sa());
    world.tell(world.customer,
               DatagramReceived{at(away, 4500), at("192.0.2.1", 4500),
                                pen.response(ExchangeType::informational, id,
                                             {notify(NotifyType::cookie2, Bytes(16, 1))})});
    EXPECT_EQ(world.customer.state(), "deleting");
}

TEST_F(Mobike, AnAddressThatTheTunnelDoesNotAllowIsRefused) {
    world.fleet.directory.tunnels[0].remote_addresses = {net("198.51.100.0/24")};
    initiate();
    world.move_customer(away);
    world.deliver();
    EXPECT_EQ(of_fleet().remote, at(home, 4500));
    EXPECT_NE(world.fleet.text(EventKind::we_refused).find("UNACCEPTABLE_ADDRESSES"),
              std::string::npos);
    EXPECT_NE(world.customer.text(EventKind::peer_refused).find("UNACCEPTABLE_ADDRESSES"),
              std::string::npos);
    EXPECT_EQ(world.customer.state(), "none") << "it begins anew";
}

TEST_F(Mobike, OnlyTheInitiatorUpdates) {
    initiate();
    PeerTool pen(*world.fleet.ike_sa());
    world.tell(world.customer,
               DatagramReceived{at(home, 4500), at("203.0.113.66", 4500),
                                pen.request(ExchangeType::informational,
                                            world.customer.ike_sa()->expected_request,
                                            {notify(NotifyType::update_sa_addresses)})});
    EXPECT_EQ(of_customer().remote, at("192.0.2.1", 4500));
    world.probe(world.customer);
    EXPECT_EQ(world.trace.back().datagram.remote, at("192.0.2.1", 4500));
}

TEST_F(Mobike, TryingAPathChangesNothingAndIsAnswered) {
    world.nat = IpAddress::parse("203.0.113.9");
    world.customer_address = *IpAddress::parse(home);
    initiate();
    const auto& claim = *world.customer.ike_sa();
    const SpiPair spis{claim.our_spi, claim.peer_spi};
    const Endpoint elsewhere = at("203.0.113.77", 6000);
    std::vector<Payload> probe{notify(NotifyType::cookie2, Bytes(8, 7))};
    append_nat_detection(probe, spis, {at(home, 4500), at("192.0.2.1", 4500)}, Announce::truth);
    const std::vector<Payload> answer = ask(elsewhere, probe);
    EXPECT_EQ(find_notify(answer, NotifyType::cookie2)->data, Bytes(8, 7));
    EXPECT_EQ(find_notify(answer, NotifyType::nat_detection_destination_ip)->data,
              nat_hash(spis, elsewhere));
    EXPECT_EQ(of_fleet().remote, at("203.0.113.9", 34500))
        << "with MOBIKE a message alone moves nobody, also behind a NAT";
    EXPECT_TRUE(ask(elsewhere, {notify(NotifyType::cookie2, Bytes(7, 7))}).empty())
        << "8 octets at least";
}

TEST_F(Mobike, ThePeersListOfAddressesIsReplaced) {
    initiate();
    const Endpoint from = at(home, 4500);
    ask(from, {notify(NotifyType::additional_ip4_address, *from_hex("c0000209")),
               notify(NotifyType::additional_ip6_address, *from_hex("c0000209"))});
    EXPECT_EQ(world.fleet.ike_sa()->mobility.peer_addresses,
              std::vector{*IpAddress::parse("192.0.2.9")});
    ask(from, {notify(NotifyType::no_additional_addresses)});
    EXPECT_TRUE(world.fleet.ike_sa()->mobility.peer_addresses.empty());
}

TEST_F(Mobike, ANatThatThePeerForbidsIsNotAccepted) {
    initiate();
    // 203.0.113.20 to 192.0.2.1, both port 4500.
    const Bytes truth = *from_hex("cb007114c000020111941194");
    const auto update = [&](const Endpoint& from) {
        return ask(from, {notify(NotifyType::update_sa_addresses),
                          notify(NotifyType::no_nats_allowed, truth)});
    };
    const auto refused = update(at("203.0.113.21", 4500));
    EXPECT_NE(find_notify(refused, NotifyType::unexpected_nat_detected), nullptr);
    EXPECT_EQ(world.fleet.ike_sa()->remote, at(home, 4500));
    const auto accepted = update(at(away, 4500));
    EXPECT_EQ(find_notify(accepted, NotifyType::unexpected_nat_detected), nullptr);
    EXPECT_EQ(world.fleet.ike_sa()->remote, at(away, 4500));
}

TEST_F(Mobike, AnInitiatorBehindANatNoticesANewMappingInItsLivenessChecks) {
    world.nat = IpAddress::parse("203.0.113.9");
    initiate();
    world.probe(world.customer);
    world.deliver();
    EXPECT_EQ(world.trace.size(), 6U) << "now it knows how it is seen";
    world.nat_port_shift = 31000;
    world.probe(world.customer);
    world.deliver();
    expect_at(at(home, 4500), at("203.0.113.9", 35500));
    world.probe(world.fleet);
    world.deliver();
    EXPECT_EQ(world.fleet.count(EventKind::retransmission), 0);
}

TEST_F(Mobike, EspOfAPeerBehindANatIsStillFollowed) {
    world.nat = IpAddress::parse("203.0.113.9");
    initiate();
    world.tell(world.fleet, PeerMoved{world.fleet.ike_sa()->origin, at("192.0.2.1", 4500),
                                      at("203.0.113.9", 35500)});
    world.probe(world.fleet);
    EXPECT_EQ(world.trace.back().datagram.remote, at("203.0.113.9", 35500));
}

TEST_F(Mobike, WithoutItAMoveEndsTheIkeSaAndANewOneComesFromThere) {
    world.fleet.directory.tunnels[0].mobike = false;
    initiate();
    world.move_customer(away);
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_NE(world.customer.text(EventKind::ike_sa_ended).find("MOBIKE"), std::string::npos);
    world.tell(world.customer, Initiate{{"acme", "hq"}, at(away, 500), at("192.0.2.1", 500)});
    world.deliver();
    EXPECT_TRUE(world.up()) << "INITIAL_CONTACT ended the old one";
    EXPECT_EQ(world.fleet.established().size(), 1U);
}

TEST_F(Mobike, AMoveDuringSetUpBeginsAnew) {
    world.tell(world.customer, Initiate{{"acme", "hq"}, at(home, 500), at("192.0.2.1", 500)});
    world.move_customer(away);
    EXPECT_EQ(world.customer.state(), "none");
}

TEST_F(Mobike, APeerThatMayMoveGetsMoreTime) {
    initiate();
    world.cut = true;
    world.probe(world.fleet);
    world.wait(300s);
    EXPECT_EQ(world.fleet.state(), "established");
    world.wait(300s);
    EXPECT_EQ(world.fleet.state(), "none");
}

}  // namespace
}  // namespace anyswan::ike::test
