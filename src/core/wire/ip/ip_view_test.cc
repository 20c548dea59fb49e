// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ip/ip_view.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "core/wire/ip/checksum.h"
#include "core/wire/ip/compose.h"
#include "core/wire/ip/ecn.h"

namespace anyswan::wire::ip {
namespace {

const IpFields v4{.source = *IpAddress::parse("10.1.0.1"),
                  .destination = *IpAddress::parse("10.2.0.9")};
const IpFields v6{.source = *IpAddress::parse("2001:db8:1::1"),
                  .destination = *IpAddress::parse("2001:db8:2::9")};

/// An IPv6 packet whose fixed header says `first` and whose payload is `payload`.
Bytes ipv6_with(IpProtocol first, ByteView payload) {
    return compose_ip(v6, first, payload);
}

TEST(Checksum, OfRfc1071Example) {
    // RFC 1071 3: the words 0001 f203 f4f5 f6f7 add up to ddf2.
    EXPECT_EQ(checksum(*from_hex("0001f203f4f5f6f7")), 0xffff - 0xddf2);
    EXPECT_EQ(checksum(*from_hex("ff")), 0x00ff) << "an odd byte counts as the high half";
}

TEST(Checksum, OfARealHeaderVerifiesToZero) {
    // IPv4 header of a captured ping.
    const Bytes header = *from_hex("45000054014840004001255d0a0100010a020001");
    EXPECT_EQ(checksum(header), 0);
}

TEST(Checksum, UpdateEqualsRecomputation) {
    SeededRandom random(7);
    for (int round = 0; round < 1000; ++round) {
        Bytes data = random.bytes(20);
        const std::uint16_t before = checksum(data);
        const std::size_t at = random.below(10) * 2;
        const std::uint16_t old_word = load_u16(ByteView(data).subspan(at));
        const auto new_word = static_cast<std::uint16_t>(random.u64());
        store_u16(MutableBytes(data).subspan(at), new_word);
        EXPECT_EQ(checksum_update(before, old_word, new_word), checksum(data)) << to_hex(data);
    }
}

TEST(IpView, ReadsIpv4Udp) {
    IpFields fields = v4;
    fields.traffic_class = 0xba;
    fields.dont_fragment = true;
    const Bytes packet = compose_udp(fields, {1000, 53}, as_bytes("hello"));
    const auto view = parse_ip(packet);
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(view->family, IpFamily::v4);
    EXPECT_EQ(view->traffic_class, 0xba);
    EXPECT_EQ(view->protocol, IpProtocol::udp);
    EXPECT_EQ(view->total_size, packet.size());
    EXPECT_EQ(view->payload_offset, 20U);
    EXPECT_TRUE(view->dont_fragment);
    EXPECT_FALSE(view->is_fragment());
    EXPECT_EQ(view->ports, (Ports{1000, 53}));
    EXPECT_EQ(view->source, v4.source);
    EXPECT_EQ(view->destination, v4.destination);
}

TEST(IpView, ToleratesPaddingBehindThePacket) {
    Bytes packet = compose_udp(v4, {1, 2}, as_bytes("x"));
    const std::size_t size = packet.size();
    packet.resize(size + 100);
    EXPECT_EQ(parse_ip(packet)->total_size, size);
    packet = compose_udp(v6, {1, 2}, as_bytes("x"));
    packet.resize(packet.size() + 3);
    EXPECT_EQ(parse_ip(packet)->total_size, packet.size() - 3);
}

TEST(IpView, IcmpTypeAndCodeStandForPorts) {
    const Bytes packet = compose_echo_request(v4, 1, 2, {});
    EXPECT_EQ(parse_ip(packet)->ports, (Ports{0x0800, 0x0800}));
    const Bytes packet6 = compose_echo_request(v6, 1, 2, {});
    EXPECT_EQ(parse_ip(packet6)->ports, (Ports{0x8000, 0x8000}));
}

TEST(IpView, LaterFragmentsHaveNoPortsButFirstOnesDo) {
    IpFields first = v4;
    first.more_fragments = true;
    const auto head = parse_ip(compose_udp(first, {7, 8}, as_bytes("datadata")));
    EXPECT_TRUE(head->is_fragment());
    EXPECT_FALSE(head->later_fragment());
    EXPECT_EQ(head->ports, (Ports{7, 8}));
    IpFields later = v4;
    later.fragment_offset = 1480;
    const auto tail = parse_ip(compose_ip(later, IpProtocol::udp, as_bytes("anything")));
    EXPECT_TRUE(tail->later_fragment());
    EXPECT_EQ(tail->protocol, IpProtocol::udp);
    EXPECT_FALSE(tail->ports.has_value());
}

TEST(IpView, WalksIpv6ExtensionHeaders) {
    // hop-by-hop (8 bytes), destination options (16 bytes), then TCP ports 80 -> 443.
    const Bytes chain = *from_hex(
        "3c00010400000000"
        "06010104000000000000000000000000"
        "005001bb");
    const auto view = parse_ip(ipv6_with(IpProtocol::hop_by_hop, chain));
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(view->protocol, IpProtocol::tcp);
    EXPECT_EQ(view->payload_offset, 40U + 24U);
    EXPECT_EQ(view->ports, (Ports{80, 443}));
}

TEST(IpView, Ipv6LaterFragmentStopsAtTheFragmentHeader) {
    // Next header destination options (60), offset 1448, more fragments; random bytes behind.
    const Bytes chain = *from_hex("3c0005a900000001ffffffffffffffff");
    const auto view = parse_ip(ipv6_with(IpProtocol::fragment, chain));
    ASSERT_TRUE(view.has_value());
    EXPECT_TRUE(view->later_fragment());
    EXPECT_EQ(view->fragment_offset, 1448);
    EXPECT_TRUE(view->more_fragments);
    EXPECT_EQ(view->payload_offset, 48U);
    EXPECT_FALSE(view->ports.has_value());
}

TEST(IpView, Faults) {
    const Bytes good = compose_udp(v4, {1, 2}, {});
    EXPECT_EQ(parse_ip({}).error(), IpFault::too_short);
    EXPECT_EQ(parse_ip(ByteView(good).first(19)).error(), IpFault::too_short);
    EXPECT_EQ(parse_ip(ByteView(good).first(27)).error(), IpFault::bad_total_length);
    Bytes bad = good;
    bad[0] = 0x55;
    EXPECT_EQ(parse_ip(bad).error(), IpFault::bad_version);
    bad[0] = 0x44;
    EXPECT_EQ(parse_ip(bad).error(), IpFault::bad_header_length);
    bad = good;
    store_u16(MutableBytes(bad).subspan(2), 19);
    EXPECT_EQ(parse_ip(bad).error(), IpFault::bad_total_length);

    const Bytes good6 = compose_udp(v6, {1, 2}, {});
    EXPECT_EQ(parse_ip(ByteView(good6).first(39)).error(), IpFault::too_short);
    EXPECT_EQ(parse_ip(ByteView(good6).first(47)).error(), IpFault::bad_total_length);
    EXPECT_EQ(parse_ip(ipv6_with(IpProtocol::hop_by_hop, *from_hex("3b01010400000000"))).error(),
              IpFault::bad_extension)
        << "the header says 16 bytes";
    Bytes endless;
    for (int i = 0; i < 20; ++i) {
        endless.insert(endless.end(), {60, 0, 1, 4, 0, 0, 0, 0});
    }
    EXPECT_EQ(parse_ip(ipv6_with(IpProtocol::destination_options, endless)).error(),
              IpFault::bad_extension);
}

TEST(IpView, NeverReadsPastTheEndOfAnyPrefix) {
    const Bytes packet = ipv6_with(IpProtocol::hop_by_hop, *from_hex("2c00010400000000"
                                                                     "0600000100000001"
                                                                     "0050"));
    for (std::size_t size = 0; size <= packet.size(); ++size) {
        const Bytes exact(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
        const auto view = parse_ip(exact);  // ASan watches
        EXPECT_EQ(view.has_value(), size == packet.size());
    }
}

TEST(IpView, TrafficClassChangesKeepTheChecksum) {
    Bytes packet = compose_udp(v4, {1, 2}, as_bytes("x"));
    auto view = *parse_ip(packet);
    set_traffic_class(packet, view, 0xff);
    EXPECT_EQ(checksum(ByteView(packet).first(20)), 0);
    EXPECT_EQ(parse_ip(packet)->traffic_class, 0xff);
    packet = compose_udp(v6, {1, 2}, as_bytes("x"));
    view = *parse_ip(packet);
    const Bytes before = packet;
    set_traffic_class(packet, view, 0xb9);
    EXPECT_EQ(parse_ip(packet)->traffic_class, 0xb9);
    set_traffic_class(packet, view, 0);
    EXPECT_EQ(packet, before) << "version and flow label stay";
}

TEST(IpView, Multicast) {
    for (const char* group : {"224.0.0.1", "239.255.255.255", "ff02::2"}) {
        EXPECT_TRUE(is_multicast(*IpAddress::parse(group))) << group;
    }
    for (const char* host : {"223.255.255.255", "240.0.0.1", "fe80::1", "::"}) {
        EXPECT_FALSE(is_multicast(*IpAddress::parse(host))) << host;
    }
}

TEST(Compose, ChecksumsVerify) {
    for (const IpFields& fields : {v4, v6}) {
        for (const Bytes& packet : {compose_udp(fields, {1, 2}, as_bytes("odd")),
                                    compose_tcp_syn(fields, {.ports = {3, 4}, .mss = 1460}),
                                    compose_echo_request(fields, 5, 6, as_bytes("ping"))}) {
            EXPECT_EQ(verify_payload_checksum(packet, *parse_ip(packet)), 0) << to_hex(packet);
        }
    }
}

TEST(Ecn, DecapsulationFollowsFigure4OfRfc6040) {
    using enum Ecn;
    struct Row {
        Ecn inner;
        std::optional<Ecn> by_outer[4];  // not_ect, ect_1, ect_0, ce (code point order)
    };
    const Row rows[] = {
        {not_ect, {not_ect, not_ect, not_ect, std::nullopt}},
        {ect_1, {ect_1, ect_1, ect_1, ce}},
        {ect_0, {ect_0, ect_1, ect_0, ce}},
        {ce, {ce, ce, ce, ce}},
    };
    for (const Row& row : rows) {
        for (unsigned outer = 0; outer < 4; ++outer) {
            EXPECT_EQ(ecn_decapsulate(row.inner, static_cast<Ecn>(outer)), row.by_outer[outer])
                << "inner " << static_cast<int>(row.inner) << " outer " << outer;
        }
    }
    EXPECT_EQ(with_ecn(0xb8, ce), 0xbb);
    EXPECT_EQ(ecn_of(0xba), ect_0);
}

}  // namespace
}  // namespace anyswan::wire::ip
