// SPDX-License-Identifier: Apache-2.0
// SK and SKF with every kind of cipher: there and back, against a message of strongSwan, every
// OpenError by name, and the rules of reassembly.
#include "core/ike/protect.h"

#include <gtest/gtest.h>

namespace anyswan::ike {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::IntegId;
using wire::ike::Header;
using wire::ike::Message;
using wire::ike::Payload;
using wire::ike::PayloadType;
using wire::ike::VendorId;

constexpr std::uint64_t seed = 7;
constexpr CipherSuite gcm{EncrId::aes_gcm_16, 256, IntegId::none};
constexpr CipherSuite cbc{EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128};

Bytes key(std::size_t size, std::uint8_t fill) {
    return Bytes(size, fill);
}

MessageProtector protector(const CipherSuite& suite, std::uint8_t fill = 0x42) {
    return {suite, key(crypto::encr_key_size(suite), fill), key(crypto::integ_key_size(suite), 9)};
}

Header some_header() {
    Header header;
    header.initiator_spi = IkeSpi(1);
    header.responder_spi = IkeSpi(2);
    header.exchange = wire::ike::ExchangeType::informational;
    header.message_id = MessageId(3);
    return header;
}

std::vector<Payload> vendor_of(std::size_t size) {
    return {{VendorId{Bytes(size, 0xab)}, false}};
}

std::string error_of(const Expected<OpenedChain, OpenError>& opened) {
    return opened ? "opened" : name(opened.error());
}

class EachSuite : public testing::TestWithParam<CipherSuite> {};

INSTANTIATE_TEST_SUITE_P(Protect, EachSuite,
                         testing::Values(CipherSuite{EncrId::aes_gcm_16, 128, IntegId::none}, gcm,
                                         CipherSuite{EncrId::chacha20_poly1305, 0, IntegId::none},
                                         CipherSuite{EncrId::aes_cbc, 128, IntegId::hmac_sha1_96},
                                         cbc));

TEST_P(EachSuite, OpensWhatItSealed) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    for (std::size_t size = 0; size < 40; ++size) {
        const Bytes datagram = ours.seal(some_header(), vendor_of(size), size, random);
        const auto message = Message::parse(datagram);
        ASSERT_TRUE(message);
        EXPECT_EQ(message->header, some_header());
        const auto opened = ours.open(datagram);
        ASSERT_EQ(error_of(opened), "opened") << size;
        EXPECT_EQ(opened->first, PayloadType::vendor_id);
        EXPECT_EQ(opened->payloads, vendor_of(size));
    }
}

TEST_P(EachSuite, OpensAnEmptyChain) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const auto opened = ours.open(ours.seal(some_header(), {}, 1, random));
    ASSERT_EQ(error_of(opened), "opened");
    EXPECT_TRUE(opened->payloads.empty());
    EXPECT_EQ(opened->first, PayloadType::no_next_payload);
}

// Every byte of the datagram is authenticated: header, payload header, IV, ciphertext, ICV.
TEST_P(EachSuite, RefusesEveryFlippedByte) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const Bytes good = ours.seal(some_header(), vendor_of(20), 1, random);
    for (std::size_t i = 0; i < good.size(); ++i) {
        Bytes bad = good;
        bad[i] ^= 0x40;
        EXPECT_NE(error_of(ours.open(bad)), "opened") << i;
    }
    // Another SK_e. An AEAD notices; CBC decrypts to nonsense, since the HMAC's key is the same.
    EXPECT_NE(error_of(protector(GetParam(), 0x43).open(good)), "opened");
}

TEST_P(EachSuite, FragmentsFitAndReassembleInAnyOrder) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const auto payloads = vendor_of(3000);
    std::vector<Bytes> datagrams = ours.seal_fragments(some_header(), payloads, 576, 1, random);
    ASSERT_GT(datagrams.size(), 5U);
    Reassembly reassembly;
    std::reverse(datagrams.begin(), datagrams.end());
    for (const Bytes& datagram : datagrams) {
        EXPECT_LE(datagram.size(), 576U);
        const bool first = &datagram == &datagrams.back();  // the order is reversed
        EXPECT_EQ(datagram[28] != 0, first) << "Next Payload, in fragment 1 alone";
        auto fragment = ours.open_fragment(datagram);
        ASSERT_TRUE(fragment) << name(fragment.error());
        const auto whole = reassembly.add(std::move(*fragment));
        ASSERT_EQ(whole.has_value(), first) << "fragment 1 comes last";
        if (whole) {
            ASSERT_EQ(error_of(*whole), "opened");
            EXPECT_EQ((*whole)->payloads, payloads);
            EXPECT_EQ((*whole)->first, PayloadType::vendor_id);
        }
    }
    EXPECT_TRUE(reassembly.empty());
}

TEST_P(EachSuite, IntAuthCoversTheSameOctetsWholeAndInFragments) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const auto payloads = vendor_of(3000);
    const auto whole = ours.open(ours.seal(some_header(), payloads, 1, random));
    ASSERT_TRUE(whole);
    const Bytes plain = wire::ike::emit_chain(payloads);
    // RFC 9242 3.3.2, with the adjusted lengths.
    Writer expected;
    expected.append(wire::ike::emit_header(some_header(), PayloadType::encrypted,
                                           static_cast<std::uint32_t>(28 + 4 + plain.size())));
    expected.u8(static_cast<std::uint8_t>(PayloadType::vendor_id));
    expected.u8(0);
    expected.u16(static_cast<std::uint16_t>(4 + plain.size()));
    expected.append(plain);
    EXPECT_EQ(int_auth_octets(*whole), to_bytes(expected.view()));

    Reassembly reassembly;
    std::vector<Bytes> datagrams = ours.seal_fragments(some_header(), payloads, 576, 2, random);
    std::reverse(datagrams.begin(), datagrams.end());
    for (const Bytes& datagram : datagrams) {
        if (const auto made = reassembly.add(*ours.open_fragment(datagram))) {
            EXPECT_EQ(int_auth_octets(**made), to_bytes(expected.view()));
        }
    }
    EXPECT_TRUE(reassembly.empty());
}

TEST_P(EachSuite, FragmentsOnlyWhereNeeded) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    for (std::size_t size = 400; size < 600; ++size) {
        const auto whole = ours.seal(some_header(), vendor_of(size), 1, random);
        const auto datagrams = ours.seal_fragments(some_header(), vendor_of(size), 576, 1, random);
        EXPECT_EQ(datagrams.size() == 1, whole.size() <= 576) << size;
        for (const Bytes& datagram : datagrams) {
            EXPECT_LE(datagram.size(), 576U);
        }
    }
}

// RFC 7383 2.5: what is authenticated of a fragment includes its numbers.
TEST_P(EachSuite, RefusesEveryFlippedByteOfAFragment) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const Bytes good = ours.seal_fragments(some_header(), vendor_of(300), 200, 1, random).front();
    ASSERT_TRUE(ours.open_fragment(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
        Bytes bad = good;
        bad[i] ^= 0x40;
        EXPECT_FALSE(ours.open_fragment(bad)) << i;
    }
}

TEST_P(EachSuite, SealsTheSameBytesWithTheSameIvAndPadding) {
    SeededRandom random(seed);
    auto ours = protector(GetParam());
    const Bytes datagram = ours.seal(some_header(), vendor_of(21), 5, random);
    const auto opened = ours.open(datagram);
    ASSERT_TRUE(opened);
    const ByteView iv = ByteView(datagram).subspan(32, crypto::iv_size(GetParam()));
    EXPECT_EQ(ours.seal_with_iv(some_header(), opened->first, opened->plain, iv, opened->padding),
              datagram);
}

// N1: the IVs of an AEAD are the numbers that the caller gave, one per datagram.
TEST(Protect, AeadIvIsTheCounter) {
    SeededRandom random(seed);
    auto ours = protector(gcm);
    const auto datagrams =
        ours.seal_fragments(some_header(), vendor_of(1200), 576, 0x0102030405060708U, random);
    ASSERT_EQ(datagrams.size(), 3U);
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
        EXPECT_EQ(load_u64(ByteView(datagrams[i]).subspan(36)), 0x0102030405060708U + i);
    }
}

TEST(Protect, CbcIvIsRandom) {
    SeededRandom random(seed);
    auto ours = protector(cbc);
    const Bytes a = ours.seal(some_header(), vendor_of(1), 1, random);
    const Bytes b = ours.seal(some_header(), vendor_of(1), 1, random);
    EXPECT_NE(to_hex(ByteView(a).subspan(32, 16)), to_hex(ByteView(b).subspan(32, 16)));
}

// The first protected message of a strongSwan capture (classic-x25519-psk).
TEST(Protect, OpensAMessageOfStrongSwan) {
    const Bytes sk_er =
        *from_hex("48b36db65a22b7736dbbbced17c4c79a76d1e53fddeb51f41a1663f6213b4e281ec5c7be");
    const Bytes datagram = *from_hex(
        "969e41d4fe8973ce45ce73b66c3a4e352e20232000000001000000ce240000b2b781fa23497eb7872cafc9ffb6"
        "6d5fc1be0f92d9f3b2465e0385d975bad82b015ccc17c9100032acde6766429b77fc651b23a4b32d0a9e0abe96"
        "1fe9987c649792cd0f917942207f64fee2a1c4bf67bd2f11d248ec25c592b5a46e02fcebd7fdfc7b013629a5bf"
        "b663ca415faa60b5ad2708e114002acc27b8ec149fcf1fe34c556d6c929e853e1378ead00068f543771dcf75b9"
        "98ce0235f77f2093c45f4e4a68623f4328440e1c01421a3f88a7");
    MessageProtector theirs(gcm, sk_er, {});
    const auto opened = theirs.open(datagram);
    ASSERT_EQ(error_of(opened), "opened");
    ASSERT_EQ(opened->payloads.size(), 5U);
    const auto* id = Message::find_in<wire::ike::IdResponder>(opened->payloads);
    ASSERT_NE(id, nullptr);
    EXPECT_EQ(id->to_string(), "responder.example");
}

TEST(OpenErrors, NoEncryptedPayload) {
    SeededRandom random(seed);
    auto ours = protector(gcm);
    const Bytes plain = Message{some_header(), vendor_of(3)}.emit();
    EXPECT_EQ(error_of(ours.open(plain)), "no_encrypted_payload");
    EXPECT_EQ(error_of(ours.open({})), "bad_outer_chain");
    const auto fragments = ours.seal_fragments(some_header(), vendor_of(300), 200, 1, random);
    EXPECT_EQ(error_of(ours.open(fragments[0])), "no_encrypted_payload");
    const Bytes whole = ours.seal(some_header(), vendor_of(3), 1, random);
    const auto opened = ours.open_fragment(whole);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(), OpenError::no_encrypted_payload);
}

TEST(OpenErrors, TooShort) {
    const auto sk_of = [](std::size_t size) {
        return Message{some_header(),
                       {{wire::ike::Encrypted{PayloadType::no_next_payload, Bytes(size)}, false}}}
            .emit();
    };
    EXPECT_EQ(error_of(protector(gcm).open(sk_of(0))), "too_short");
    EXPECT_EQ(error_of(protector(gcm).open(sk_of(8 + 16))), "too_short");
    EXPECT_EQ(error_of(protector(gcm).open(sk_of(8 + 16 + 1))), "bad_icv");
    EXPECT_EQ(error_of(protector(cbc).open(sk_of(16 + 16))), "too_short");
    EXPECT_EQ(error_of(protector(cbc).open(sk_of(16 + 15 + 16))), "too_short");
    EXPECT_EQ(error_of(protector(cbc).open(sk_of(16 + 16 + 16))), "bad_icv");
    EXPECT_EQ(error_of(protector(cbc).open(sk_of(16 + 17 + 16))), "too_short");
}

TEST(OpenErrors, BadPadding) {
    auto ours = protector(gcm);
    // The last plaintext byte is taken as the Pad Length: seal one that lies.
    const Bytes lie = {0x05};
    Bytes body = concat({Bytes(8), lie, Bytes(16)});
    Bytes datagram = concat({wire::ike::emit_header(some_header(), PayloadType::encrypted, 57),
                             Bytes{0, 0, 0, 29}, body});
    auto cipher = crypto::Cipher::make(gcm, key(36, 0x42), {});
    const MutableBytes all(datagram);
    (*cipher)->seal(all.subspan(32, 8), all.first(32), {}, all.subspan(40, 1), all.last(16));
    EXPECT_EQ(error_of(ours.open(datagram)), "bad_padding");
}

TEST(OpenErrors, BadInnerChain) {
    SeededRandom random(seed);
    auto ours = protector(gcm);
    const Bytes iv(8);
    EXPECT_EQ(error_of(ours.open(
                  ours.seal_with_iv(some_header(), PayloadType::nonce, Bytes{0, 0, 0, 3}, iv, {}))),
              "bad_inner_chain");
    const std::vector<Payload> nested = {{wire::ike::Encrypted{}, false}};
    EXPECT_EQ(error_of(ours.open(ours.seal(some_header(), nested, 1, random))), "bad_inner_chain");
}

/// Whether a fragment was refused.
bool refused(const std::optional<Expected<OpenedChain, OpenError>>& added) {
    return added && !*added && added->error() == OpenError::refused_fragment;
}

OpenedFragment part(std::uint16_t number, std::uint16_t total, Bytes plain = Bytes(10)) {
    return {PayloadType::vendor_id, number, total, std::move(plain), {}};
}

TEST(ReassemblyRules, DuplicatesAreIgnored) {
    Reassembly reassembly;
    const Bytes first = {0, 0, 0, 6};
    EXPECT_FALSE(reassembly.add(part(1, 2, first)));
    EXPECT_FALSE(reassembly.add(part(1, 2, Bytes{9})));
    const auto whole = reassembly.add(part(2, 2, Bytes{1, 2}));
    ASSERT_TRUE(whole);
    EXPECT_EQ((*whole)->plain, (Bytes{0, 0, 0, 6, 1, 2}));
}

TEST(ReassemblyRules, DuplicatesTakeNoRoom) {
    Reassembly reassembly;
    EXPECT_FALSE(reassembly.add(part(1, 2, Bytes(40000))));
    EXPECT_FALSE(reassembly.add(part(1, 2, Bytes(40000))));
    EXPECT_FALSE(reassembly.add(part(1, 2, Bytes(20000))));
    EXPECT_TRUE(reassembly.add(part(2, 2, Bytes(20000))));
}

TEST(ReassemblyRules, HigherTotalStartsOver) {
    Reassembly reassembly;
    EXPECT_FALSE(reassembly.add(part(1, 2)));
    EXPECT_FALSE(reassembly.add(part(1, 3, Bytes{0, 0, 0})));
    EXPECT_TRUE(refused(reassembly.add(part(2, 2)))) << "a fragment of the smaller set";
    EXPECT_FALSE(reassembly.add(part(2, 3, Bytes{5})));
    const auto whole = reassembly.add(part(3, 3, Bytes{7}));
    ASSERT_TRUE(whole);
    EXPECT_EQ((*whole)->plain, (Bytes{0, 0, 0, 5, 7}));
}

TEST(ReassemblyRules, FirstPayloadComesFromFragmentOne) {
    Reassembly reassembly;
    auto second = part(2, 3, Bytes{1, 2});
    second.first = PayloadType::notify;
    EXPECT_FALSE(reassembly.add(std::move(second)));
    EXPECT_FALSE(reassembly.add(part(1, 3, Bytes{0, 0, 0, 6})));
    auto third = part(3, 3, Bytes());
    third.first = PayloadType::notify;
    const auto whole = reassembly.add(std::move(third));
    ASSERT_TRUE(whole);
    EXPECT_EQ((*whole)->first, PayloadType::vendor_id);
}

TEST(ReassemblyRules, TooManyFragmentsAreIgnored) {
    Reassembly reassembly;
    EXPECT_TRUE(refused(reassembly.add(part(1, max_fragments + 1))));
    EXPECT_TRUE(reassembly.empty());
    EXPECT_FALSE(reassembly.add(part(1, max_fragments)));
    EXPECT_FALSE(reassembly.empty());
}

TEST(ReassemblyRules, SizeIsBounded) {
    Reassembly reassembly;
    EXPECT_FALSE(reassembly.add(part(1, 3, Bytes(max_reassembled_size))));
    EXPECT_TRUE(refused(reassembly.add(part(2, 3, Bytes(1)))));
    EXPECT_FALSE(reassembly.add(part(3, 3, Bytes())));
    EXPECT_FALSE(reassembly.add(part(2, 4, Bytes(1)))) << "a new set begins with room";
}

TEST(ReassemblyRules, BrokenChainIsAnErrorNotSilence) {
    Reassembly reassembly;
    const auto whole = reassembly.add(part(1, 1, Bytes{0, 0, 0, 3}));
    ASSERT_TRUE(whole);
    EXPECT_EQ(error_of(*whole), "bad_inner_chain");
    EXPECT_TRUE(reassembly.empty());
}

TEST(ProtectDeathTest, RefusesAFragmentSizeWithoutRoom) {
    SeededRandom random(seed);
    auto ours = protector(gcm);
    EXPECT_DEATH((void)ours.seal_fragments(some_header(), vendor_of(900), 60, 1, random),
                 "no room");
    EXPECT_DEATH((void)ours.seal_fragments(some_header(), vendor_of(9000), 100, 1, random),
                 "max_fragments");
}

}  // namespace
}  // namespace anyswan::ike
