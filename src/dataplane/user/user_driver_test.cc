// SPDX-License-Identifier: Apache-2.0
// Userspace drivers in network namespaces: real packets of the Linux stack through both, in every
// combination of outer and inner family, encapsulation and cipher; sizes; failures; cleaning up.
#include "dataplane/user/user_driver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "dataplane/user/test_nodes.h"
#include "net/datagram_socket.h"
#include "net/sockaddr.h"

namespace anyswan::dataplane {
namespace {

using namespace testing;  // NOLINT: this file is about test nodes

/// Sends `size` bytes over TCP from `client` to `server` and returns how many arrived.
std::size_t tcp_transfer(const Node& client, const Node& server, const Endpoint& to,
                         std::size_t size) {
    sockaddr_storage storage{};
    const socklen_t length = net::to_sockaddr(to, storage);
    const auto* target = reinterpret_cast<const sockaddr*>(&storage);
    net::Fd listener;
    server.netns().run([&] {
        listener = net::Fd(socket(target->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(bind(listener.get(), target, length), 0) << net::errno_text(errno);
        EXPECT_EQ(listen(listener.get(), 1), 0);
    });
    std::size_t arrived = 0;
    std::thread receiver([&] {
        const net::Fd connection(accept(listener.get(), nullptr, nullptr));
        Bytes buffer(65536);
        for (ssize_t got = 1; got > 0;) {
            got = recv(connection.get(), buffer.data(), buffer.size(), 0);
            arrived += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        }
    });
    client.netns().run([&] {
        const net::Fd connection(socket(target->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval patience{10, 0};
        setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        EXPECT_EQ(connect(connection.get(), target, length), 0) << net::errno_text(errno);
        const Bytes data(size, 0x5a);
        EXPECT_EQ(send(connection.get(), data.data(), data.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(size))
            << net::errno_text(errno);
    });
    shutdown(listener.get(), SHUT_RDWR);
    receiver.join();
    return arrived;
}

TEST_F(Cable, PingsThroughEverySuiteAndPath) {
    ASSERT_NO_FATAL_FAILURE(start());
    std::uint32_t spi = 0x1000;
    for (const char* suite : {"aes128gcm16", "aes256gcm16-esn", "chacha20poly1305", "aes256-sha256",
                              "aes128-sha512-esn"}) {
        for (const Path path :
             {Path{false, true}, Path{false, false}, Path{true, true}, Path{true, false}}) {
            SCOPED_TRACE(std::string(suite) + (path.v6 ? " v6" : " v4") +
                         (path.udp ? " UDP" : " ESP"));
            const auto record = make_record(suite, spi += 2);
            install_both(record, path);
            EXPECT_TRUE(near_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 10.1.0.1 10.2.0.1"));
            EXPECT_TRUE(far_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 2001:db8:2::1 2001:db8:1::1"));
            near_->apply(RemoveSa{record.inbound_spi});
            far_->apply(RemoveSa{record.outbound_spi});
        }
    }
    EXPECT_EQ(near_->counter("packets_out"), 80U);
    EXPECT_EQ(far_->counter("packets_in"), 80U);
}

TEST_F(Cable, EverySizeArrivesAndNothingIsFragmentedOutside) {
    ASSERT_NO_FATAL_FAILURE(start());
    // The most expensive encapsulation, which the default MTU is made for.
    const auto record = make_record("aes256-sha512-esn");
    install_both(record, {.v6 = true, .udp = true});
    const std::string biggest = std::to_string(esp::default_inner_mtu - 28);
    EXPECT_TRUE(near_->shell("ping -n -q -c 1 -W 2 -M do -I 10.1.0.1 10.2.0.1 -s " + biggest));
    EXPECT_NE(near_->output_of("ping -n -c 1 -W 1 -M do -s 1400 -I 10.1.0.1 10.2.0.1")
                  .find("mtu=" + std::to_string(esp::default_inner_mtu)),
              std::string::npos);
    EXPECT_TRUE(near_->shell("ping -n -q -c 1 -W 2 -M dont -s 5000 -I 10.1.0.1 10.2.0.1"))
        << "inner fragments belong to the SA, too";
    EXPECT_TRUE(near_->shell("ping -n -q -c 1 -W 2 -s 5000 -I 2001:db8:1::1 2001:db8:2::1"));
    for (const Endpoint& to :
         {Endpoint{address("10.2.0.1"), 9000}, Endpoint{address("2001:db8:2::1"), 9000}}) {
        EXPECT_EQ(tcp_transfer(*near_, *far_, to, 3000000), 3000000U) << to.to_string();
    }
    EXPECT_EQ(near_->counter("drop_outer_send_failed"), 0U) << "DF is set: too big is refused";
}

TEST_F(Cable, HostsBehindTheEdgeLearnTheSize) {
    auto lan = Node::make();
    ASSERT_TRUE(lan != nullptr && plug_cable(*near_, *lan, "lan"));
    ASSERT_TRUE(near_->shell("ip addr add 10.1.7.1/24 dev lan"));
    ASSERT_TRUE(lan->shell("ip addr add 10.1.7.2/24 dev lan && ip route add default via 10.1.7.1"));
    ASSERT_NO_FATAL_FAILURE(start());
    install_both(make_record("aes128gcm16"), {});
    EXPECT_EQ(tcp_transfer(*lan, *far_, {address("10.2.0.1"), 9000}, 1000000), 1000000U);
    EXPECT_GT(near_->counter("mss_clamped"), 0U);
    EXPECT_NE(lan->output_of("ping -n -c 1 -W 1 -M do -s 1450 10.2.0.1")
                  .find("mtu = " + std::to_string(esp::default_inner_mtu)),
              std::string::npos);
}

TEST_F(Cable, FromTunnelToTunnelThroughTheEdge) {
    auto third = Node::make();
    ASSERT_TRUE(third != nullptr && plug_cable(*near_, *third, "cable3"));
    ASSERT_TRUE(near_->shell("ip addr add 198.51.100.1/24 dev cable3"));
    ASSERT_TRUE(
        third->shell("ip addr add 198.51.100.3/24 dev cable3 && ip addr add 10.3.0.1/32 "
                     "dev lo && ip addr add 2001:db8:3::1/128 dev lo nodad"));
    UserDriverConfig edge = config_of("1");
    edge.local_addresses.push_back(address("198.51.100.1"));
    edge.routes_in_main_table = false;  // the domain's table alone leads to the tunnels
    UserDriverConfig branch = config_of("3");
    branch.local_addresses = {address("198.51.100.3")};
    ASSERT_TRUE(near_->start(edge) && far_->start(config_of("2")) && third->start(branch));

    // hq: far_, 10.2; branch: third, 10.3.
    auto to_far = make_record("aes128gcm16", 0x1000);
    to_far.local_ts = esp::testing::selectors({"10.3.0.0/16", "2001:db8:3::/48"});
    auto to_third = make_record("chacha20poly1305", 0x2000);
    to_third.tunnel = {"acme", "branch"};
    to_third.local_ts = to_far.remote_ts;
    to_third.remote_ts = to_far.local_ts;
    const Endpoint edge_at_third{address("198.51.100.1"), 4500};
    const Endpoint third_outer{address("198.51.100.3"), 4500};
    const auto routes = [](Node& node, const sa::TunnelId& tunnel, const std::string& n) {
        node.apply(AddDomain{"acme"}, AddRoute{tunnel, *IpPrefix::parse("10." + n + ".0.0/16")},
                   AddRoute{tunnel, *IpPrefix::parse("2001:db8:" + n + "::/48")});
    };
    routes(*near_, to_far.tunnel, "2");
    routes(*near_, to_third.tunnel, "3");
    routes(*far_, to_far.tunnel, "3");
    routes(*third, to_third.tunnel, "2");
    install_both(to_far, {});
    near_->apply(InstallSa{to_third.clone(), edge_at_third, third_outer, true},
                 grant(to_third.inbound_spi, 1, 1000));
    third->apply(InstallSa{mirror(to_third), third_outer, edge_at_third, true},
                 grant(to_third.outbound_spi, 1, 1000));

    EXPECT_TRUE(far_->shell("ping -n -q -c 3 -i 0.01 -W 2 -I 10.2.0.1 10.3.0.1"));
    EXPECT_TRUE(third->shell("ping -n -q -c 3 -i 0.01 -W 2 -I 2001:db8:3::1 2001:db8:2::1"));
    for (const char* way : {"packets_in", "packets_out"}) {
        // A packet is counted after it was sent: the answer may be faster.
        EXPECT_TRUE(near_->counts(way, 12));
        EXPECT_EQ(near_->counter(way), 12U);
    }
}

TEST_F(Cable, NoPacketIsLostWhenTheSaComesLate) {
    ASSERT_NO_FATAL_FAILURE(start());
    const auto record = make_record("aes128gcm16");
    far_->apply(install_far(record, {}));
    std::string output;
    std::thread pings(
        [&] { output = far_->output_of("ping -n -q -c 5 -i 0.02 -W 3 -I 10.2.0.1 10.1.0.1"); });
    // What an edge does: grant what is asked for, install what is unknown.
    const auto far_needs = far_->next<NeedSequence>();
    ASSERT_TRUE(far_needs.has_value());
    far_->apply(grant(far_needs->inbound_spi, 1, 1000));
    const auto unknown = near_->next<UnknownSpi>();
    ASSERT_TRUE(unknown.has_value());
    EXPECT_EQ(unknown->inbound_spi, record.inbound_spi);
    near_->apply(install_near(record, {}));
    const auto near_needs = near_->next<NeedSequence>();
    ASSERT_TRUE(near_needs.has_value());
    near_->apply(grant(near_needs->inbound_spi, 1, 1000));
    pings.join();
    EXPECT_NE(output.find(" 0% packet loss"), std::string::npos) << output;
}

TEST_F(Cable, NoPacketIsLostAtARekey) {
    ASSERT_NO_FATAL_FAILURE(start());
    auto record = make_record("aes128gcm16", 0x1000);
    install_both(record, {});
    std::string output;
    std::thread pings(
        [&] { output = far_->output_of("ping -n -q -c 50 -i 0.01 -W 3 -I 10.2.0.1 10.1.0.1"); });
    for (std::uint32_t i = 1; i <= 5; ++i) {
        ASSERT_TRUE(near_->counts("packets_in", i * 8));
        auto fresh = make_record("aes128gcm16", 0x1000 + i * 16);
        fresh.published_at = WallTime{i};
        install_both(fresh, {});
        near_->apply(RemoveSa{record.inbound_spi});
        far_->apply(RemoveSa{record.outbound_spi});
        record = std::move(fresh);
    }
    pings.join();
    EXPECT_NE(output.find(" 0% packet loss"), std::string::npos) << output;
}

TEST_F(Cable, LeavesNothingBehind) {
    const std::string rules = near_->output_of("ip rule; ip -6 rule");
    ASSERT_NO_FATAL_FAILURE(start());
    near_->apply(AddDomain{"a-very-long-account-name-indeed"});
    EXPECT_NE(near_->output_of("ip rule"), rules);
    EXPECT_NE(near_->output_of("ip route show table 20000").find("10.2.0.0/16 dev as-acme"),
              std::string::npos);
    near_->apply(RemoveRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    EXPECT_EQ(near_->output_of("ip route show table 20000"), "");
    near_->apply(RemoveDomain{"acme"});
    EXPECT_EQ(near_->output_of("ip -o link | grep -c as-acme"), "0\n");
    near_->stop();
    EXPECT_EQ(near_->output_of("ip rule; ip -6 rule"), rules);
    EXPECT_EQ(near_->output_of("ip -o link | grep -c as-"), "0\n");
}

TEST_F(Cable, ARouteThatIsTakenIsReportedNotReplaced) {
    ASSERT_TRUE(near_->shell("ip route add 10.7.0.0/16 dev cable scope link"));
    ASSERT_NO_FATAL_FAILURE(start());
    near_->apply(AddRoute{tunnel_id, *IpPrefix::parse("10.7.0.0/16")});
    const auto failed = near_->next<DomainFailed>();
    ASSERT_TRUE(failed.has_value());
    EXPECT_EQ(failed->account, "acme");
    EXPECT_NE(failed->why.find("10.7.0.0/16"), std::string::npos) << failed->why;
    EXPECT_NE(near_->output_of("ip route").find("10.7.0.0/16 dev cable"), std::string::npos);
}

TEST_F(Cable, ADeletedInterfaceIsReported) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_TRUE(near_->shell("ip link del as-acme"));
    const auto failed = near_->next<DomainFailed>();
    ASSERT_TRUE(failed.has_value());
    EXPECT_NE(failed->why.find("as-acme was deleted"), std::string::npos) << failed->why;
    EXPECT_FALSE(near_->next<DomainFailed>(200ms).has_value()) << "once";
    near_->apply(RemoveDomain{"acme"}, AddDomain{"acme"});
    EXPECT_TRUE(near_->shell("ip link show as-acme"));
}

TEST_F(Cable, AStrictHostIsReported) {
    ASSERT_TRUE(near_->shell("sysctl -q -w net.ipv4.conf.all.rp_filter=1"));
    ASSERT_NO_FATAL_FAILURE(start());
    const auto failed = near_->next<DomainFailed>();
    ASSERT_TRUE(failed.has_value());
    EXPECT_NE(failed->why.find("rp_filter"), std::string::npos) << failed->why;
}

TEST_F(Cable, CountsWhatTheKernelRefuses) {
    ASSERT_NO_FATAL_FAILURE(start());
    install_both(make_record("aes128gcm16"), {});
    ASSERT_TRUE(near_->shell("ip link set as-acme down"));
    (void)far_->output_of("ping -n -q -c 1 -W 1 -I 10.2.0.1 10.1.0.1");
    EXPECT_TRUE(near_->counts("drop_inner_write_failed", 1));
    ASSERT_TRUE(far_->shell("ip link set cable mtu 1000"));
    (void)far_->output_of("ping -n -q -c 1 -W 1 -s 1200 -I 10.2.0.1 10.1.0.1");
    EXPECT_TRUE(far_->counts("drop_outer_send_failed", 1)) << "not fragmented outside";
}

TEST_F(Cable, CountsStrangeDatagrams) {
    ASSERT_NO_FATAL_FAILURE(start());
    const Endpoint to{address("192.0.2.1"), 4500};
    const auto send = [&](const Bytes& bytes) {
        far_->netns().run([&] {
            auto socket = net::DatagramSocket::open_udp({address("192.0.2.2"), 0});
            ASSERT_TRUE(socket.has_value());
            const net::OutgoingDatagram datagram{bytes, socket->local(), to, 0};
            EXPECT_EQ(socket->send_fragmentable({&datagram, 1}), 0U);
        });
    };
    send({0xff});
    EXPECT_TRUE(near_->counts("natt_keepalives", 1));
    send({1, 2});
    EXPECT_TRUE(near_->counts("drop_natt_runt", 1));
    send(Bytes(20000, 1));
    EXPECT_TRUE(near_->counts("drop_outer_truncated", 1));
}

TEST_F(Cable, ADatagramWithoutBytesIsAKeepalive) {
    ASSERT_NO_FATAL_FAILURE(start());
    near_->send_ike({{address("192.0.2.1"), 4500}, {address("192.0.2.2"), 4500}, {}});
    EXPECT_TRUE(far_->counts("natt_keepalives", 1));
    EXPECT_TRUE(near_->counts("natt_keepalives_sent", 1));
    EXPECT_EQ(near_->counter("ike_out"), 0U);
}

TEST_F(Cable, SaysWhyItCantStart) {
    ASSERT_NO_FATAL_FAILURE(start());
    near_->netns().run([] {
        net::SystemRandom random;
        auto second = UserDriver::start(config_of("1"), random, {});
        ASSERT_FALSE(second.has_value());
        EXPECT_NE(second.error().message.find("192.0.2.1:500"), std::string::npos);
        EXPECT_NE(second.error().message.find("another IKE daemon"), std::string::npos);
        UserDriverConfig nowhere = config_of("1");
        nowhere.local_addresses.clear();
        EXPECT_FALSE(UserDriver::start(nowhere, random, {}).has_value());
    });
}

TEST_F(Cable, AnAddressMayComeLater) {
    UserDriverConfig config = config_of("1");
    config.local_addresses = {address("203.0.113.1"), address("2001:db8:aaaa::1")};
    ASSERT_TRUE(near_->start(config));
    ASSERT_TRUE(far_->start(config_of("2")));
    near_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    far_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.1.0.0/16")});
    const auto record = make_record("aes128gcm16");
    const Endpoint anycast{address("203.0.113.1"), 4500};
    const Endpoint peer{address("192.0.2.2"), 4500};
    near_->apply(InstallSa{record.clone(), anycast, peer, true}, grant(record.inbound_spi, 1, 99));
    far_->apply(InstallSa{mirror(record), peer, anycast, true}, grant(record.outbound_spi, 1, 99));
    ASSERT_TRUE(near_->shell("ip addr add 203.0.113.1/32 dev lo"));
    ASSERT_TRUE(far_->shell("ip route add 203.0.113.1 via 192.0.2.1"));
    EXPECT_TRUE(far_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 10.2.0.1 10.1.0.1"));
}

TEST_F(Cable, ListensOnAllAddressesWhenAsked) {
    UserDriverConfig config = config_of("1");
    config.local_addresses = {address("0.0.0.0"), address("::")};
    ASSERT_TRUE(near_->start(config));
    ASSERT_TRUE(far_->start(config_of("2")));
    near_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")});
    far_->apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.1.0.0/16")});
    std::uint32_t spi = 0x1000;
    for (const Path path : {Path{false, true}, Path{true, true}, Path{true, false}}) {
        const auto record = make_record("aes128gcm16", spi += 16);
        install_both(record, path);
        EXPECT_TRUE(far_->shell("ping -n -q -c 2 -i 0.01 -W 2 -I 10.2.0.1 10.1.0.1"));
        near_->apply(RemoveSa{record.inbound_spi});
        far_->apply(RemoveSa{record.outbound_spi});
    }
}

}  // namespace
}  // namespace anyswan::dataplane
