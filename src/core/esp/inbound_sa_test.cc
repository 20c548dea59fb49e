// SPDX-License-Identifier: Apache-2.0
#include "core/esp/inbound_sa.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/esp/outbound_sa.h"
#include "core/esp/test_records.h"
#include "core/wire/esp/esp.h"
#include "core/wire/ip/checksum.h"
#include "core/wire/ip/ecn.h"

namespace anyswan::esp {
namespace {

using testing::datagram;
using testing::far_to_near;
using testing::make_record;
using testing::mirror;

/// The peer's end seals with numbers and trailers of the test's choice; ours opens.
class Ends {
public:
    explicit Ends(std::string_view suite, std::function<void(sa::ChildSaRecord&)> adjust = {}) {
        record_ = make_record(suite);
        if (adjust) {
            adjust(record_);
        }
        inbound_.emplace(std::move(InboundSa::make(record_)).value());
        const auto peer = mirror(record_);
        peer_.emplace(
            std::move(Transform::make(peer.outbound_spi, peer.suite, peer.outbound.encr.reveal(),
                                      peer.outbound.integ.reveal()))
                .value());
    }

    OuterPacket seal(std::uint64_t number, ByteView inner,
                     NextHeader next_header = NextHeader::ipv4) {
        OuterPacket outer{Packet::copy_of(inner), {}, {}, false, 0};
        Bytes iv(peer_->iv_size());
        if (!iv.empty()) {  // ENCR_NULL has none
            iv.back() = static_cast<std::uint8_t>(number);
        }
        peer_->seal(outer.packet, SequenceNumber(number), iv, next_header);
        return outer;
    }
    Opened open(OuterPacket& outer) {
        Opened result;
        inbound_->open({&outer, 1}, {&result, 1});
        return result;
    }
    std::optional<DropReason> drop_of(std::uint64_t number, ByteView inner,
                                      NextHeader next_header = NextHeader::ipv4) {
        OuterPacket outer = seal(number, inner, next_header);
        return open(outer).drop;
    }
    Transform& peer() { return *peer_; }
    InboundSa& inbound() { return *inbound_; }

private:
    sa::ChildSaRecord record_;
    std::optional<InboundSa> inbound_;
    std::optional<Transform> peer_;
};

const Bytes good = datagram(far_to_near, "hello");

class EverySuite : public ::testing::TestWithParam<const char*> {};

TEST_P(EverySuite, OpensWhatThePeerSealed) {
    Ends ends(GetParam());
    const Bytes good_v6 = datagram(testing::far_to_near_v6, "hello");
    for (std::size_t extra = 0; extra < 20; ++extra) {
        const Bytes inner = datagram(far_to_near, std::string(extra, 'x'));
        OuterPacket outer = ends.seal(extra + 1, inner);
        const Opened opened = ends.open(outer);
        ASSERT_FALSE(opened.drop.has_value()) << name(*opened.drop);
        EXPECT_TRUE(opened.authentic);
        EXPECT_TRUE(opened.newest);
        EXPECT_EQ(to_hex(outer.packet.bytes()), to_hex(inner));
    }
    EXPECT_EQ(ends.drop_of(100, good_v6, NextHeader::ipv6), std::nullopt);
}

TEST_P(EverySuite, RefusesAnyFlippedBit) {
    Ends ends(GetParam());
    const std::size_t size = ends.seal(1, good).packet.size();
    for (std::size_t at = 4; at < size; ++at) {  // the SPI is what found this SA
        OuterPacket outer = ends.seal(1, good);
        outer.packet.bytes()[at] ^= 0x10;
        const Opened opened = ends.open(outer);
        ASSERT_TRUE(opened.drop.has_value()) << "byte " << at;
        EXPECT_EQ(*opened.drop, DropReason::integrity) << "byte " << at;
        EXPECT_FALSE(opened.authentic);
    }
    EXPECT_EQ(ends.drop_of(1, good), std::nullopt) << "forgeries moved no window";
}

TEST_P(EverySuite, ChecksTheLengthFirst) {
    Ends ends(GetParam());
    const OuterPacket whole = ends.seal(1, good);
    for (std::size_t size = 8; size < whole.packet.size(); ++size) {
        OuterPacket cut{Packet::copy_of(whole.packet.bytes().first(size)), {}, {}, false, 0};
        const Opened opened = ends.open(cut);
        EXPECT_TRUE(opened.drop == DropReason::esp_bad_length ||
                    opened.drop == DropReason::integrity)
            << size;
    }
}

INSTANTIATE_TEST_SUITE_P(Suites, EverySuite,
                         ::testing::Values("aes128gcm16", "aes256gcm16-esn", "chacha20poly1305",
                                           "chacha20poly1305-esn", "aes128-sha1", "null-sha256",
                                           "null-sha1-esn", "aes256-sha256", "aes256-sha384-esn",
                                           "aes256-sha512-esn", "aes128gcm16-unspecified32"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::erase(name, '-');
                             return name;
                         });

TEST(InboundSa, DropsReplays) {
    Ends ends("aes128gcm16", [](auto& record) { record.replay_window = 32; });
    EXPECT_EQ(ends.drop_of(100, good), std::nullopt);
    EXPECT_EQ(ends.drop_of(100, good), DropReason::replay_seen);
    EXPECT_EQ(ends.drop_of(69, good), std::nullopt);
    EXPECT_EQ(ends.drop_of(68, good), DropReason::replay_too_old);
    ends.inbound().lift({SequenceNumber(200), SequenceNumber(200)});
    EXPECT_EQ(ends.drop_of(199, good), DropReason::replay_too_old);
}

TEST(InboundSa, DropsADuplicateWithinOneBatch) {
    Ends ends("aes128gcm16");
    std::vector<OuterPacket> batch;
    for (const std::uint64_t number : {5U, 6U, 5U, 4U}) {
        batch.push_back(ends.seal(number, good));
    }
    std::vector<Opened> results(4);
    ends.inbound().open(batch, results);
    EXPECT_FALSE(results[0].drop || results[1].drop || results[3].drop);
    EXPECT_EQ(results[2].drop, DropReason::replay_seen);
    EXPECT_TRUE(results[1].newest);
    EXPECT_FALSE(results[3].newest) << "late, but welcome";
}

TEST(InboundSa, WindowZeroAndUnspecifiedNumbersSwitchReplayOff) {
    Ends off("aes128gcm16", [](auto& record) { record.replay_window = 0; });
    EXPECT_EQ(off.drop_of(7, good), std::nullopt);
    EXPECT_EQ(off.drop_of(7, good), std::nullopt);
    Ends unspecified("aes128gcm16-unspecified32");
    EXPECT_EQ(unspecified.drop_of(0, good), std::nullopt);
    EXPECT_EQ(unspecified.drop_of(0, good), std::nullopt);
}

TEST(InboundSa, ExtendedNumbersCrossTheBoundary) {
    for (const char* suite : {"aes128gcm16-esn", "aes256-sha256-esn"}) {
        Ends ends(suite);
        const std::uint64_t boundary = std::uint64_t{1} << 32U;
        EXPECT_EQ(ends.drop_of(boundary - 1, good), std::nullopt) << suite;
        EXPECT_EQ(ends.drop_of(boundary + 1, good), std::nullopt) << suite;
        EXPECT_EQ(ends.drop_of(boundary - 2, good), std::nullopt) << "late";
        EXPECT_EQ(ends.drop_of(boundary - 2, good), DropReason::replay_seen) << suite;
        EXPECT_EQ(ends.inbound().highest(), SequenceNumber(boundary + 1));
        EXPECT_EQ(ends.drop_of(5 * boundary, good), DropReason::integrity)
            << "the high half is authenticated, though it doesn't travel";
    }
}

TEST(InboundSa, PaddingMustCountUp) {
    Ends ends("aes128gcm16");
    // A payload whose own trailer claims what isn't there: seal() appends a right one, so the bad
    // trailers are given as cipher text of a second transform with the same key.
    const auto raw = [&](std::uint64_t number, Bytes text) {
        const auto peer = mirror(make_record("aes128gcm16"));
        auto cipher =
            std::move(crypto::Cipher::make(peer.suite.cipher, peer.outbound.encr.reveal(), {}))
                .value();
        Bytes bytes(8 + 8);
        wire::esp::write_header(bytes, {peer.outbound_spi, static_cast<std::uint32_t>(number)});
        bytes.insert(bytes.end(), text.begin(), text.end());
        bytes.resize(bytes.size() + 16);
        const MutableBytes all(bytes);
        cipher->seal(all.subspan(8, 8), all.first(8), {}, all.subspan(16, text.size()),
                     all.last(16));
        OuterPacket outer{Packet::copy_of(bytes), {}, {}, false, 0};
        return ends.open(outer).drop;
    };
    const auto with_trailer = [](std::initializer_list<std::uint8_t> trailer) {
        Bytes text = good;
        text.insert(text.end(), trailer);
        return text;
    };
    EXPECT_EQ(raw(1, with_trailer({1, 2, 3, 3, 4})), std::nullopt);
    EXPECT_EQ(raw(2, with_trailer({1, 2, 4, 3, 4})), DropReason::esp_bad_padding);
    EXPECT_EQ(raw(3, with_trailer({0, 0, 0, 3, 4})), DropReason::esp_bad_padding);
    EXPECT_EQ(raw(4, {200, 4}), DropReason::esp_bad_padding) << "longer than the packet";
    EXPECT_EQ(raw(5, {0, 4}), DropReason::inner_malformed) << "nothing inside";
}

TEST(InboundSa, DropsWhatIsNoIpPacket) {
    Ends ends("aes128gcm16");
    EXPECT_EQ(ends.drop_of(1, Bytes(100), NextHeader::dummy), DropReason::esp_dummy);
    EXPECT_EQ(ends.drop_of(2, good, static_cast<NextHeader>(6)), DropReason::esp_bad_next_header);
    EXPECT_EQ(ends.drop_of(3, good, NextHeader::ipv6), DropReason::inner_malformed);
    EXPECT_EQ(ends.drop_of(4, ByteView(good).first(good.size() - 1)), DropReason::inner_malformed);
}

TEST(InboundSa, CutsTfcPaddingOff) {
    Ends ends("aes128gcm16");
    Bytes padded = good;
    padded.resize(good.size() + 300, 0xee);
    OuterPacket outer = ends.seal(1, padded);
    EXPECT_FALSE(ends.open(outer).drop.has_value());
    EXPECT_EQ(to_hex(outer.packet.bytes()), to_hex(good));
}

TEST(InboundSa, InnerAddressesMustBeTheSelectors) {
    Ends ends("aes128gcm16");
    wire::ip::IpFields spoofed = far_to_near;
    spoofed.source = testing::address("10.3.0.1");
    EXPECT_EQ(ends.drop_of(1, datagram(spoofed, "x")), DropReason::inner_selector);
    wire::ip::IpFields astray = far_to_near;
    astray.destination = testing::address("10.9.0.1");
    EXPECT_EQ(ends.drop_of(2, datagram(astray, "x")), DropReason::inner_selector);
    EXPECT_EQ(ends.drop_of(3, datagram(testing::near_to_far, "x")), DropReason::inner_selector);
}

TEST(InboundSa, CombinesEcn) {
    Ends ends("aes128gcm16");
    wire::ip::IpFields fields = far_to_near;
    fields.traffic_class = wire::ip::with_ecn(0xb8, wire::ip::Ecn::ect_0);
    OuterPacket marked = ends.seal(1, datagram(fields, "x"));
    marked.traffic_class = wire::ip::with_ecn(0, wire::ip::Ecn::ce);
    const Opened opened = ends.open(marked);
    ASSERT_FALSE(opened.drop.has_value());
    EXPECT_EQ(opened.inner.traffic_class, 0xbb) << "DSCP stays the inner one";
    EXPECT_EQ(marked.packet.bytes()[1], 0xbb);
    EXPECT_EQ(wire::ip::checksum(marked.packet.bytes().first(20)), 0);

    OuterPacket lost = ends.seal(2, good);
    lost.traffic_class = 0xff;
    EXPECT_EQ(ends.open(lost).drop, DropReason::ecn_not_capable);
}

}  // namespace
}  // namespace anyswan::esp
