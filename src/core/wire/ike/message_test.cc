// SPDX-License-Identifier: Apache-2.0
// The frame of a message: header, chain, and what makes bytes no message at all.
#include "core/wire/ike/message.h"

#include <gtest/gtest.h>

#include "core/wire/ike/test_messages.h"

namespace anyswan::wire::ike {
namespace {

using test::hex;
using test::some_header;
using test::strongswan_sa_init;

/// A message whose chain is `chain` (hex), beginning with a payload of type `first`.
Bytes framed(PayloadType first, const Bytes& chain) {
    const auto length = static_cast<std::uint32_t>(header_size + chain.size());
    return concat({emit_header(some_header(), first, length), chain});
}

ParseError error_of(ByteView datagram) {
    const auto parsed = Message::parse(datagram);
    EXPECT_FALSE(parsed.has_value()) << to_hex(datagram);
    return parsed ? ParseError{0xff} : parsed.error();
}

ParseError chain_error(PayloadType first, const Bytes& chain) {
    return error_of(framed(first, chain));
}

TEST(Header, ReadsEveryField) {
    const auto view = HeaderView::read(strongswan_sa_init());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->header.initiator_spi, IkeSpi(0x969e41d4fe8973ceU));
    EXPECT_EQ(view->header.responder_spi, IkeSpi(0));
    EXPECT_EQ(view->first_payload, PayloadType::security_association);
    EXPECT_EQ(view->header.major_version, 2);
    EXPECT_EQ(view->header.minor_version, 0);
    EXPECT_EQ(view->header.exchange, ExchangeType::ike_sa_init);
    EXPECT_TRUE(view->header.from_initiator);
    EXPECT_FALSE(view->header.response);
    EXPECT_FALSE(view->header.higher_version);
    EXPECT_EQ(view->header.message_id, MessageId(0));
}

TEST(Header, EmitsTheBitsWhereTheRfcDrawsThem) {
    Header header = some_header();
    header.response = true;
    header.higher_version = true;
    header.minor_version = 1;
    EXPECT_EQ(to_hex(emit_header(header, PayloadType::encrypted, 100)),
              "010203040506070811121314151617182e212538"
              "2122232400000064");
}

TEST(Header, DoesNotJudgeVersions) {
    Bytes datagram = framed(PayloadType::no_next_payload, {});
    datagram[17] = 0x30;
    const auto view = HeaderView::read(datagram);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->header.major_version, 3);
    EXPECT_EQ(error_of(datagram), ParseError::major_version);
}

TEST(Header, IgnoresReservedFlags) {
    Bytes datagram = framed(PayloadType::no_next_payload, {});
    const auto plain = Message::parse(datagram);
    datagram[19] |= 0xc7;
    const auto flagged = Message::parse(datagram);
    ASSERT_TRUE(plain && flagged);
    EXPECT_EQ(*plain, *flagged);
}

TEST(Header, TooShort) {
    const Bytes datagram = strongswan_sa_init();
    EXPECT_EQ(error_of({}), ParseError::too_short);
    EXPECT_EQ(error_of(ByteView(datagram).first(27)), ParseError::too_short);
}

TEST(Header, LengthMismatch) {
    Bytes datagram = strongswan_sa_init();
    EXPECT_EQ(error_of(ByteView(datagram).first(datagram.size() - 1)), ParseError::length_mismatch);
    datagram.push_back(0);
    EXPECT_EQ(error_of(datagram), ParseError::length_mismatch);
}

TEST(Chain, OfRealMessageGivesItsPayloadsAndItsBytesBack) {
    const Bytes datagram = strongswan_sa_init();
    const auto message = Message::parse(datagram);
    ASSERT_TRUE(message);
    ASSERT_EQ(message->payloads.size(), 8U);
    const auto* sa = message->find<SecurityAssociation>();
    ASSERT_NE(sa, nullptr);
    ASSERT_EQ(sa->proposals.size(), 1U);
    EXPECT_EQ(
        sa->proposals[0].transforms,
        (std::vector<Transform>{
            Transform::make(TransformType::encr, static_cast<std::uint16_t>(EncrId::aes_gcm_16),
                            256),
            Transform::make(TransformType::prf, static_cast<std::uint16_t>(PrfId::hmac_sha2_256)),
            Transform::make(TransformType::ke, static_cast<std::uint16_t>(KeMethod::curve25519))}));
    EXPECT_EQ(message->find<KeyExchange>()->method, KeMethod::curve25519);
    EXPECT_EQ(message->find<Nonce>()->data.size(), 32U);
    EXPECT_NE(find_notify(message->payloads, NotifyType::redirect_supported), nullptr);
    EXPECT_EQ(find_notify(message->payloads, NotifyType::cookie), nullptr);
    EXPECT_EQ(message->find<Delete>(), nullptr);
    EXPECT_EQ(to_hex(message->emit()), to_hex(datagram));
}

// Truncation, with the Length field as sent (what the network does) and put right (what a peer
// that errs or attacks does): never a message, never a read past the end.
TEST(Chain, OfRealMessageCutAnywhereIsNoMessage) {
    const Bytes whole = strongswan_sa_init();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(Message::parse(cut)) << size;
        if (size >= header_size) {
            store_u32(MutableBytes(cut).subspan(24), static_cast<std::uint32_t>(size));
            EXPECT_FALSE(Message::parse(cut)) << size;
        }
    }
}

TEST(Chain, IgnoresReservedBitsOfPayloadHeaders) {
    Bytes datagram = strongswan_sa_init();
    const auto plain = Message::parse(datagram);
    datagram[header_size + 1] |= 0x7f;
    const auto flagged = Message::parse(datagram);
    ASSERT_TRUE(plain && flagged);
    EXPECT_EQ(*plain, *flagged);
}

TEST(Chain, KeepsUnknownPayloadsAndTheirCriticalBit) {
    const auto chain = parse_chain(PayloadType(200), hex("c9800006 beef  00000005 01"));
    ASSERT_TRUE(chain);
    const std::vector<Payload> expected = {{UnknownPayload{PayloadType(200), hex("beef")}, true},
                                           {UnknownPayload{PayloadType(201), hex("01")}, false}};
    EXPECT_EQ(*chain, expected);
    EXPECT_EQ(to_hex(emit_chain(*chain)), "c9800006beef0000000501");
}

TEST(Chain, PayloadLengthBelowFour) {
    EXPECT_EQ(chain_error(PayloadType::vendor_id, hex("00000003")), ParseError::payload_length);
}

TEST(Chain, PayloadLengthPastTheEnd) {
    EXPECT_EQ(chain_error(PayloadType::vendor_id, hex("00000006 01")), ParseError::payload_length);
}

TEST(Chain, PayloadLengthWhereNoHeaderFits) {
    EXPECT_EQ(chain_error(PayloadType::vendor_id, hex("000000")), ParseError::payload_length);
    EXPECT_EQ(chain_error(PayloadType::vendor_id, hex("2b000004")), ParseError::payload_length);
}

TEST(Chain, TrailingBytes) {
    EXPECT_EQ(chain_error(PayloadType::vendor_id, hex("00000004 00")), ParseError::trailing_bytes);
    EXPECT_EQ(chain_error(PayloadType::no_next_payload, hex("00")), ParseError::trailing_bytes);
}

TEST(Chain, TrailingBytesAfterEncrypted) {
    // SK with a Next Payload of 41: what follows would be outside the protection.
    EXPECT_EQ(chain_error(PayloadType::encrypted, hex("29000006 aabb 00000008 00004016")),
              ParseError::trailing_bytes);
}

TEST(Chain, TooManyPayloads) {
    const Payload vendor{VendorId{{1}}, false};
    const std::vector<Payload> most(max_payloads, vendor);
    const auto parsed = parse_chain(PayloadType::vendor_id, emit_chain(most));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->size(), max_payloads);
    const std::vector<Payload> more(max_payloads + 1, vendor);
    EXPECT_EQ(chain_error(PayloadType::vendor_id, emit_chain(more)), ParseError::too_many_payloads);
}

TEST(Chain, EncryptedKeepsTheTypeInsideAndItsBody) {
    const Message message{some_header(),
                          {{Encrypted{PayloadType::id_initiator, hex("00112233")}, false}}};
    const Bytes datagram = message.emit();
    EXPECT_EQ(to_hex(ByteView(datagram).subspan(header_size)), "2300000800112233");
    EXPECT_EQ(*Message::parse(datagram), message);
}

TEST(Chain, EmptyIsAMessageToo) {
    const Message message{some_header(), {}};
    EXPECT_EQ(message.emit().size(), header_size);
    EXPECT_EQ(*Message::parse(message.emit()), message);
    EXPECT_EQ(first_type({}), PayloadType::no_next_payload);
}

TEST(ChainDeathTest, RefusesToEmitWhatNoParserCouldRead) {
    const std::vector<Payload> after_sk = {{Encrypted{}, false}, {VendorId{}, false}};
    EXPECT_DEATH((void)emit_chain(after_sk), "SK and SKF end a message");
    const std::vector<Payload> too_big = {{VendorId{Bytes(65532)}, false}};
    EXPECT_DEATH((void)emit_chain(too_big), "16-bit field");
}

TEST(Random, MessagesSurviveTheWire) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        SeededRandom random(seed);
        const Message message = test::random_message(random);
        const Bytes datagram = message.emit();
        const auto parsed = Message::parse(datagram);
        ASSERT_TRUE(parsed) << "seed " << seed << ": " << name(parsed.error());
        ASSERT_EQ(*parsed, message) << "seed " << seed;
        ASSERT_EQ(parsed->emit(), datagram) << "seed " << seed;
    }
}

// Whatever one wrong byte makes of a message, the parser either refuses it or reads a value that
// survives the wire.
TEST(Random, DamagedMessagesNeverBreakTheParser) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        SeededRandom random(seed);
        Bytes datagram = test::random_message(random).emit();
        for (int i = 0; i < 20; ++i) {
            datagram[random.below(datagram.size())] = static_cast<std::uint8_t>(random.u64());
            store_u32(MutableBytes(datagram).subspan(24),
                      static_cast<std::uint32_t>(datagram.size()));
            const auto parsed = Message::parse(datagram);
            if (parsed) {
                const auto again = Message::parse(parsed->emit());
                ASSERT_TRUE(again) << "seed " << seed;
                ASSERT_EQ(*again, *parsed) << "seed " << seed;
            }
        }
    }
}

}  // namespace
}  // namespace anyswan::wire::ike
