// SPDX-License-Identifier: Apache-2.0
// REDIRECT (RFC 5685): in IKE_SA_INIT, in IKE_AUTH and later, both roles.
#include "core/ike/redirect.h"

#include "core/ike/helpers.h"
#include "core/ike/peer_test_tool.h"

namespace anyswan::ike::test {
namespace {

using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Nonce;
using wire::ike::Notify;
using wire::ike::NotifyType;

const Gateway elsewhere(*IpAddress::parse("192.0.2.77"));
const sa::TunnelId acme{"acme", "hq"};

struct Redirects : testing::Test {
    Redirects() { world.customer.directory.tunnels[0].follow_redirects = true; }
    /// Initiates towards the fleet; what the customer's host was told.
    std::vector<Redirected> initiate(std::optional<IpAddress> from = std::nullopt) {
        return step(Initiate{acme, at("198.51.100.7", 500), at("192.0.2.1", 500), from});
    }
    /// A step of the customer, and all that follows.
    std::vector<Redirected> step(Input input) {
        std::vector<Redirected> told;
        Outputs out = world.customer.step(world.clock(), std::move(input));
        for (;;) {
            told.insert(told.end(), out.redirected.begin(), out.redirected.end());
            std::vector<Datagram> answers;
            for (const Action& action : out.actions) {
                for (const Datagram& datagram : action.send) {
                    const Outputs there = world.fleet.step(
                        world.clock(),
                        DatagramReceived{datagram.remote, datagram.local, datagram.bytes});
                    for (const Action& answer : there.actions) {
                        answers.insert(answers.end(), answer.send.begin(), answer.send.end());
                    }
                }
            }
            if (answers.empty()) {
                return told;
            }
            out = {};
            for (const Datagram& answer : answers) {
                Outputs next = world.customer.step(
                    world.clock(), DatagramReceived{answer.remote, answer.local, answer.bytes});
                std::move(next.actions.begin(), next.actions.end(),
                          std::back_inserter(out.actions));
                out.redirected.insert(out.redirected.end(), next.redirected.begin(),
                                      next.redirected.end());
            }
        }
    }
    void expect_sent_away(const std::vector<Redirected>& told) {
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(told[0].tunnel, acme);
        EXPECT_EQ(told[0].from, *IpAddress::parse("192.0.2.1"));
        EXPECT_EQ(told[0].to, elsewhere);
        EXPECT_EQ(world.customer.state(), "none");
    }

    World world;
};

TEST(RedirectWords, AddressesAndNamesComeBack) {
    for (const char* text : {"192.0.2.77", "2001:db8::77", "gw2.example"}) {
        const auto gateway = parse_gateway(text);
        ASSERT_TRUE(gateway.has_value()) << text;
        EXPECT_EQ(text_of(*gateway), text);
        const auto words = read_redirect(redirect_data(*gateway, Bytes(16, 5)));
        ASSERT_TRUE(words.has_value());
        EXPECT_EQ(words->gateway, *gateway);
        EXPECT_EQ(words->nonce, Bytes(16, 5));
    }
    EXPECT_EQ(redirect_data(elsewhere), *from_hex("0104c000024d"));
}

TEST(RedirectWords, NonsenseIsRefused) {
    for (const char* hex : {"", "01", "0104c00002", "0204c000024d", "0110c000024d", "010400000000",
                            "0300", "0302202e", "0404c000024d"}) {
        EXPECT_FALSE(read_redirect(*from_hex(hex)).has_value()) << hex;
    }
    for (const char* text : {"", "gw example", "1.2.3", ".example", "-x", "gw;rm"}) {
        EXPECT_FALSE(parse_gateway(text).has_value()) << text;
    }
}

TEST_F(Redirects, ANewPeerIsSentAwayInIkeSaInit) {
    world.tell(world.fleet, RedirectNew{std::nullopt, elsewhere});
    expect_sent_away(initiate());
    EXPECT_EQ(world.fleet.state(), "none") << "no state at the gateway";
    EXPECT_EQ(world.fleet.count(DropReason::redirected), 1);
    world.tell(world.fleet, RedirectNew{std::nullopt, std::nullopt});
    EXPECT_TRUE(initiate().empty());
    EXPECT_EQ(world.customer.state(), "established");
}

TEST_F(Redirects, APeerThatDoesNotSupportItIsServed) {
    world.customer.directory.tunnels[0].follow_redirects = false;
    world.tell(world.fleet, RedirectNew{std::nullopt, elsewhere});
    world.tell(world.fleet, RedirectNew{acme, elsewhere});
    EXPECT_TRUE(initiate().empty());
    EXPECT_TRUE(world.up());
    world.tell(world.fleet, Redirect{world.fleet.spi(), elsewhere});
    EXPECT_NE(world.fleet.text(EventKind::peer_refused).find("does not support REDIRECT"),
              std::string::npos);
}

TEST_F(Redirects, OneThatComesFromThereIsServed) {
    world.tell(world.fleet, RedirectNew{std::nullopt, elsewhere});
    EXPECT_TRUE(initiate(std::get<IpAddress>(elsewhere)).empty());
    EXPECT_EQ(world.customer.state(), "established");
    world.tell(world.customer, Terminate{acme});
}

TEST_F(Redirects, OneThatIsThereAlreadyIsServed) {
    const Gateway here(*IpAddress::parse("192.0.2.1"));
    world.tell(world.fleet, RedirectNew{std::nullopt, here});
    world.tell(world.fleet, RedirectNew{acme, here});
    EXPECT_TRUE(initiate().empty());
    EXPECT_TRUE(world.up());
}

TEST_F(Redirects, OneThatComesFromAnotherGatewayIsSentOn) {
    world.tell(world.fleet, RedirectNew{std::nullopt, elsewhere});
    expect_sent_away(initiate(*IpAddress::parse("192.0.2.55")));
}

// RFC 5685 3: the nonce keeps others from sending us away.
TEST_F(Redirects, AForgedAnswerIsIgnored) {
    const Outputs out = world.customer.step(
        world.clock(), Initiate{acme, at("198.51.100.7", 500), at("192.0.2.1", 500)});
    const Datagram request = out.actions.at(0).send.at(0);
    const auto asked = Message::parse(request.bytes);
    const Bytes nonce = Message::find_in<Nonce>(asked->payloads)->data;
    Bytes other = nonce;
    other.back() ^= 1;
    for (const Bytes& data : {redirect_data(elsewhere), redirect_data(elsewhere, other), Bytes{}}) {
        Message answer;
        answer.header = asked->header;
        answer.header.from_initiator = false;
        answer.header.response = true;
        answer.payloads = {{Notify{{}, {}, NotifyType::redirect, data}}};
        const Outputs after = world.customer.step(
            world.clock(), DatagramReceived{request.local, request.remote, answer.emit()});
        EXPECT_TRUE(after.redirected.empty());
        EXPECT_EQ(world.customer.state(), "init_sent");
    }
    EXPECT_EQ(world.customer.count(DropReason::bad_redirect), 3);
}

TEST_F(Redirects, AKnownPeerIsSentAwayInIkeAuth) {
    world.tell(world.fleet, RedirectNew{acme, elsewhere});
    expect_sent_away(initiate());
    EXPECT_TRUE(world.fleet.children.empty()) << "no Child SA was made";
    EXPECT_EQ(world.fleet.state(), "none") << "the client deleted the IKE SA";
    EXPECT_EQ(world.customer.count(EventKind::ike_sa_established), 1) << "AUTH was verified";
}

TEST_F(Redirects, AnEstablishedPeerIsSentAway) {
    ASSERT_TRUE(initiate().empty());
    const Outputs order = world.fleet.step(world.clock(), Redirect{world.fleet.spi(), elsewhere});
    const Datagram told = order.actions.at(0).send.at(0);
    expect_sent_away(step(DatagramReceived{told.remote, told.local, told.bytes}));
    EXPECT_EQ(world.fleet.state(), "none");
    EXPECT_EQ(world.fleet.live_children(), 0U);
}

TEST_F(Redirects, OneThatStaysIsSentOffAfterAWhile) {
    world.initiate();
    ASSERT_TRUE(world.up());
    world.tell(world.fleet, Redirect{world.fleet.spi(), elsewhere});
    // The tunnel was changed meanwhile: the customer doesn't follow any more.
    world.customer.directory.tunnels[0].follow_redirects = false;
    world.deliver();
    EXPECT_TRUE(world.up());
    world.wait(50s);
    EXPECT_TRUE(world.up());
    world.wait(20s);
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_EQ(world.fleet.state(), "none");
}

TEST_F(Redirects, OnlyTheResponderSendsAway) {
    world.fleet.directory.tunnels[0].follow_redirects = true;
    ASSERT_TRUE(initiate().empty());
    PeerTool pen(*world.customer.ike_sa());
    const Outputs out = world.fleet.step(
        world.clock(),
        DatagramReceived{
            at("192.0.2.1", 500), at("198.51.100.7", 500),
            pen.request(ExchangeType::informational, world.fleet.ike_sa()->expected_request,
                        {{Notify{{}, {}, NotifyType::redirect, redirect_data(elsewhere)}}})});
    EXPECT_TRUE(out.redirected.empty());
    EXPECT_EQ(world.fleet.state(), "established");
}

TEST_F(Redirects, SurvivesATakeover) {
    world.initiate();
    world.take_over(world.fleet, 8);
    world.tell(world.fleet, Redirect{world.fleet.spi(), elsewhere});
    world.lose_from(world.fleet);
    world.take_over(world.fleet, 9);
    world.deliver();
    EXPECT_EQ(world.customer.state(), "none") << "the order was in the claim";
    EXPECT_EQ(world.customer.count(EventKind::redirected), 1);
}

}  // namespace
}  // namespace anyswan::ike::test
