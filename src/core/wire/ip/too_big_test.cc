// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/too_big.h"

#include <gtest/gtest.h>

#include <array>

#include "core/wire/ip/checksum.h"
#include "core/wire/ip/compose.h"

namespace anyswan::wire::ip {
namespace {

const IpFields v4{.source = *IpAddress::parse("10.1.0.1"),
                  .destination = *IpAddress::parse("10.2.0.9")};
const IpFields v6{.source = *IpAddress::parse("2001:db8:1::1"),
                  .destination = *IpAddress::parse("2001:db8:2::9")};

Bytes too_big(ByteView packet, std::uint16_t mtu) {
    Bytes out(icmpv6_error_size_max);
    out.resize(build_too_big(packet, *parse_ip(packet), mtu, out));
    return out;
}

TEST(TooBig, Ipv4QuotesThePacketAndNamesTheMtu) {
    const Bytes packet = compose_udp(v4, {1, 2}, Bytes(1400, 0xaa));
    const Bytes error = too_big(packet, 1390);
    const auto view = parse_ip(error);
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(error.size(), icmp_error_size_max);
    EXPECT_EQ(view->source, v4.destination);
    EXPECT_EQ(view->destination, v4.source);
    EXPECT_EQ(view->ports, (Ports{0x0304, 0x0304})) << "unreachable, fragmentation needed";
    EXPECT_EQ(checksum(ByteView(error).first(20)), 0);
    EXPECT_EQ(verify_payload_checksum(error, *view), 0);
    EXPECT_EQ(load_u16(ByteView(error).subspan(26)), 1390);
    EXPECT_TRUE(equal(ByteView(error).subspan(28), ByteView(packet).first(576 - 28)));
}

TEST(TooBig, Ipv6StaysWithinTheMinimumMtu) {
    const Bytes packet = compose_udp(v6, {1, 2}, Bytes(1400, 0xaa));
    const Bytes error = too_big(packet, 1390);
    const auto view = parse_ip(error);
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(error.size(), icmpv6_error_size_max);
    EXPECT_EQ(view->protocol, IpProtocol::icmpv6);
    EXPECT_EQ(view->ports, (Ports{0x0200, 0x0200}));
    EXPECT_EQ(verify_payload_checksum(error, *view), 0);
    EXPECT_EQ(load_u32(ByteView(error).subspan(44)), 1390U);
    EXPECT_TRUE(equal(ByteView(error).subspan(48), ByteView(packet).first(1280 - 48)));
}

TEST(TooBig, NoErrorAboutErrorsLaterFragmentsAndGroups) {
    const auto may = [](const Bytes& packet) {
        return may_send_icmp_error(packet, *parse_ip(packet));
    };
    EXPECT_TRUE(may(compose_udp(v4, {1, 2}, {})));
    EXPECT_TRUE(may(compose_echo_request(v4, 1, 1, {}))) << "echo is a query";
    EXPECT_TRUE(may(compose_echo_request(v6, 1, 1, {})));
    EXPECT_FALSE(may(too_big(compose_udp(v4, {1, 2}, {}), 1000)));
    EXPECT_FALSE(may(too_big(compose_udp(v6, {1, 2}, {}), 1000)));
    IpFields later = v4;
    later.fragment_offset = 8;
    EXPECT_FALSE(may(compose_ip(later, IpProtocol::udp, {})));
    for (const char* group : {"224.0.0.5", "255.255.255.255", "0.0.0.0"}) {
        IpFields fields = v4;
        fields.destination = *IpAddress::parse(group);
        EXPECT_FALSE(may(compose_udp(fields, {1, 2}, {}))) << group;
    }
    IpFields group6 = v6;
    group6.destination = *IpAddress::parse("ff02::1");
    EXPECT_FALSE(may(compose_udp(group6, {1, 2}, {})));
}

TEST(ClampMss, LowersTheOptionAndKeepsTheChecksum) {
    for (const IpFields& fields : {v4, v6}) {
        for (const std::size_t nops : {0U, 1U, 2U, 3U}) {
            Bytes packet =
                compose_tcp_syn(fields, {.ports = {1, 2}, .mss = 1460, .leading_nops = nops});
            const auto view = *parse_ip(packet);
            EXPECT_TRUE(clamp_mss(packet, view, 1350));
            EXPECT_EQ(verify_payload_checksum(packet, view), 0) << nops << " nops";
            EXPECT_EQ(load_u16(ByteView(packet).subspan(view.payload_offset + tcp_header_size +
                                                        nops + 2)),
                      1350);
            EXPECT_FALSE(clamp_mss(packet, view, 1350)) << "nothing left to do";
        }
    }
}

TEST(ClampMss, LeavesOtherPacketsAlone) {
    const auto unchanged = [](Bytes packet) {
        const Bytes before = packet;
        return !clamp_mss(packet, *parse_ip(packet), 500) && packet == before;
    };
    EXPECT_TRUE(unchanged(compose_tcp_syn(v4, {.ports = {1, 2}}))) << "no option";
    EXPECT_TRUE(unchanged(compose_tcp_syn(v4, {.ports = {1, 2}, .mss = 400}))) << "smaller";
    EXPECT_TRUE(unchanged(compose_udp(v4, {1, 2}, Bytes(40))));
    Bytes ack = compose_tcp_syn(v4, {.ports = {1, 2}, .mss = 1460});
    ack[20 + 13] = 0x10;
    EXPECT_TRUE(unchanged(ack)) << "no SYN";
    Bytes broken = compose_tcp_syn(v4, {.ports = {1, 2}, .mss = 1460});
    broken[20 + 12] = 0xf0;
    EXPECT_TRUE(unchanged(broken)) << "data offset past the packet";
    Bytes endless = compose_tcp_syn(v4, {.ports = {1, 2}, .mss = 1460});
    endless[41] = 0;
    EXPECT_TRUE(unchanged(endless)) << "option of length 0";
    Bytes overrun = compose_tcp_syn(v4, {.ports = {1, 2}, .mss = 1460});
    overrun[41] = 5;
    EXPECT_TRUE(unchanged(overrun)) << "option past the header";
}

TEST(ClampMss, MssOfMtu) {
    EXPECT_EQ(mss_of_mtu(1390, IpFamily::v4), 1350);
    EXPECT_EQ(mss_of_mtu(1390, IpFamily::v6), 1330);
}

}  // namespace
}  // namespace anyswan::wire::ip
