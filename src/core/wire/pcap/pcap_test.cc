// SPDX-License-Identifier: Apache-2.0
#include "core/wire/pcap/pcap.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace anyswan::wire::pcap {
namespace {

Bytes file(const std::string& name) {
    std::ifstream in(std::string(ANYSWAN_TEST_DATA) + "/captures/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

constexpr const char* router = "classic-x25519-psk/capture.pcap";

/// 192.0.2.1:500 > 192.0.2.2:500, "hello".
Bytes hello_packet() {
    return *from_hex(
        "450000210001400040110000c0000201c0000202"
        "01f401f4000d0000"
        "68656c6c6f");
}

Bytes pcap_of(std::uint32_t link_type, const Bytes& frame) {
    Writer out;
    out.u32(0xa1b23c4d);
    out.append(Bytes(16, 0));
    out.u32(link_type);
    out.u32(7);
    out.u32(5);
    out.u32(static_cast<std::uint32_t>(frame.size()));
    out.u32(static_cast<std::uint32_t>(frame.size()));
    out.append(frame);
    return std::move(out).take();
}

void little32(Bytes& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
        out.push_back(static_cast<std::uint8_t>(value >> shift));
    }
}

Bytes block(std::uint32_t type, Bytes body) {
    body.resize((body.size() + 3) / 4 * 4);
    Bytes out;
    little32(out, type);
    little32(out, static_cast<std::uint32_t>(body.size() + 12));
    out.insert(out.end(), body.begin(), body.end());
    little32(out, static_cast<std::uint32_t>(body.size() + 12));
    return out;
}

Bytes pcapng_of(const Bytes& frame) {
    Bytes section;
    little32(section, 0x1a2b3c4d);
    section.insert(section.end(), {1, 0, 0, 0});
    section.resize(16, 0xff);
    Bytes interface { 101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0 };
    Bytes packet;
    little32(packet, 0);
    little32(packet, 1);  // 2^32 ns
    little32(packet, 5);
    little32(packet, static_cast<std::uint32_t>(frame.size()));
    little32(packet, static_cast<std::uint32_t>(frame.size()));
    packet.insert(packet.end(), frame.begin(), frame.end());
    return concat(
        {block(0x0a0d0d0a, section), block(1, interface), block(5, Bytes(8)), block(6, packet)});
}

void expect_hello(const Result<Capture>& capture, std::int64_t at) {
    ASSERT_TRUE(capture) << capture.error().message;
    ASSERT_EQ(capture->datagrams.size(), 1U);
    const UdpDatagram& datagram = capture->datagrams[0];
    EXPECT_EQ(datagram.from.to_string(), "192.0.2.1:500");
    EXPECT_EQ(datagram.to.to_string(), "192.0.2.2:500");
    EXPECT_EQ(to_string(datagram.payload), "hello");
    EXPECT_EQ(datagram.at.unix_ns, at);
    EXPECT_FALSE(capture->truncated);
}

TEST(Pcap, ReadsARouterCapture) {
    const auto capture = read_capture(file(router));
    ASSERT_TRUE(capture) << capture.error().message;
    ASSERT_GE(capture->datagrams.size(), 6U);
    EXPECT_EQ(capture->datagrams[0].from.port, 500);
    EXPECT_EQ(capture->datagrams[0].from, capture->datagrams[1].to);
    EXPECT_LE(capture->datagrams[0].at, capture->datagrams[1].at);
    EXPECT_FALSE(capture->truncated);
}

TEST(Pcap, KnowsLinkTypesAndByteOrders) {
    const Bytes packet = hello_packet();
    constexpr std::int64_t at = 7'000'000'005;
    expect_hello(read_capture(pcap_of(101, packet)), at);
    expect_hello(read_capture(pcap_of(0, concat({Bytes{2, 0, 0, 0}, packet}))), at);
    expect_hello(read_capture(pcap_of(1, concat({Bytes(12), Bytes{8, 0}, packet}))), at);
    expect_hello(read_capture(pcap_of(1, concat({Bytes(12), Bytes{0x81, 0, 0, 9, 8, 0}, packet}))),
                 at);
    expect_hello(read_capture(pcap_of(113, concat({Bytes(14), Bytes{8, 0}, packet}))), at);
    expect_hello(read_capture(pcap_of(276, concat({Bytes{8, 0}, Bytes(18), packet}))), at);
    expect_hello(read_capture(pcapng_of(packet)), (std::int64_t{1} << 32) + 5);
}

TEST(Pcap, SaysWhatIsWrong) {
    EXPECT_NE(read_capture(to_bytes("hello")).error().message.find("neither a pcap"),
              std::string::npos);
    EXPECT_NE(read_capture(pcap_of(147, {})).error().message.find("link type 147"),
              std::string::npos);
}

TEST(Pcap, CountsWhatIsNoUdp) {
    Bytes packet = hello_packet();
    packet[9] = 6;  // TCP
    const auto capture = read_capture(pcap_of(101, packet));
    EXPECT_EQ(capture->others, 1U);
    EXPECT_TRUE(capture->datagrams.empty());
}

TEST(Pcap, CutAnywhereItNeitherCrashesNorInvents) {
    for (const Bytes& whole : {file(router), pcapng_of(hello_packet())}) {
        const std::size_t count = read_capture(whole)->datagrams.size();
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const auto capture = read_capture(ByteView(whole).first(size));
            if (capture) {
                EXPECT_LE(capture->datagrams.size(), count);
            }
        }
    }
}

}  // namespace
}  // namespace anyswan::wire::pcap
