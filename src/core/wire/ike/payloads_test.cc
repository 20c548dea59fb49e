// SPDX-License-Identifier: Apache-2.0
// Each payload family: the bytes of a known value, and every malformed form by name.
#include "core/wire/ike/payloads.h"

#include <gtest/gtest.h>

#include "core/wire/ike/test_messages.h"

namespace anyswan::wire::ike {
namespace {

using test::hex;

/// Reads `body` (hex, without the generic payload header) as a payload of `type`.
Parsed<std::vector<Payload>> parse(PayloadType type, std::string_view body_hex) {
    const Bytes body = hex(body_hex);
    Writer chain;
    chain.u16(0);
    chain.u16(static_cast<std::uint16_t>(payload_header_size + body.size()));
    chain.append(body);
    return parse_chain(type, chain.view());
}

/// The value of `body`, demanding that it emits to the same bytes again.
template <class T>
T value_of(PayloadType type, std::string_view body_hex) {
    const auto chain = parse(type, body_hex);
    check(chain.has_value(), "a test body does not parse");
    EXPECT_EQ(to_hex(ByteView(emit_chain(*chain)).subspan(4)), to_hex(hex(body_hex)));
    EXPECT_EQ(chain->front().type(), type);
    return std::get<T>(chain->front().body);
}

ParseError error_of(PayloadType type, std::string_view body_hex) {
    const auto chain = parse(type, body_hex);
    EXPECT_FALSE(chain.has_value()) << body_hex;
    return chain ? ParseError{0xff} : chain.error();
}

constexpr auto sa = PayloadType::security_association;
constexpr auto tsi = PayloadType::ts_initiator;

TEST(Sa, ReadsProposalsTransformsAndAttributes) {
    const auto value = value_of<SecurityAssociation>(
        sa,
        "02000020 01 03 04 02 aabbccdd"             // ESP, SPI, two transforms
        "0300000c 01 00 0014 800e0080"              // AES-GCM-16, 128 bits
        "00000008 05 00 0001"                       // ESN
        "0000001a 02 01 00 01 00000012 07 00 0424"  // a transform type nobody knows
        "00110002 beef 8012 0304");                 // TLV and TV attributes
    ASSERT_EQ(value.proposals.size(), 2U);
    const Proposal& first = value.proposals[0];
    EXPECT_EQ(first.protocol, ProtocolId::esp);
    EXPECT_EQ(first.spi, hex("aabbccdd"));
    EXPECT_EQ(first.transforms[0].key_length_bits(), 128);
    EXPECT_EQ(first.transforms[1], Transform::make(TransformType::sn, 1));
    const Transform& unknown = value.proposals[1].transforms[0];
    EXPECT_EQ(unknown.id, 0x0424);
    EXPECT_EQ(unknown.key_length_bits(), 0);
    EXPECT_EQ(unknown.attributes,
              (std::vector<Attribute>{{0x11, true, hex("beef")}, {0x12, false, hex("0304")}}));
}

TEST(Sa, AnswerCarriesTheNumberItAccepts) {
    const auto value = value_of<SecurityAssociation>(sa, "00000008 07 01 00 00");
    EXPECT_EQ(value.proposals[0].number, 7);
}

TEST(Sa, BodyLengthErrors) {
    EXPECT_EQ(error_of(sa, ""), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000008 01 01 00"), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000007 01 01 00 00"), ParseError::body_length);  // below its head
    EXPECT_EQ(error_of(sa, "00000009 01 01 00 00"), ParseError::body_length);  // past the end
    EXPECT_EQ(error_of(sa, "00000008 01 01 01 00"), ParseError::body_length);  // SPI past the end
    // Transform: too short, past the proposal; attribute: half a head, value past the end.
    EXPECT_EQ(error_of(sa, "00000010 01 01 00 01 00000007 01000014"), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000010 01 01 00 01 0000000c 01000014"), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000012 01 01 00 01 0000000a 01000014 800e"), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000015 01 01 00 01 0000000d 01000014 00110002 be"),
              ParseError::body_length);
}

TEST(Sa, ProposalStructureErrors) {
    // Last Substruc: neither 0 nor 2; "more" without more; "last" with more.
    EXPECT_EQ(error_of(sa, "01000008 01 01 00 00"), ParseError::proposal_structure);
    EXPECT_EQ(error_of(sa, "02000008 01 01 00 00"), ParseError::body_length);
    EXPECT_EQ(error_of(sa, "00000008 01 01 00 00 00000008 02 01 00 00"),
              ParseError::proposal_structure);
    // The same for transforms, whose "more" is 3.
    EXPECT_EQ(error_of(sa, "00000010 01 01 00 01 02000008 01000014"),
              ParseError::proposal_structure);
    EXPECT_EQ(error_of(sa, "00000010 01 01 00 01 03000008 01000014"),
              ParseError::proposal_structure);
    EXPECT_EQ(error_of(sa, "00000018 01 01 00 02 00000008 01000014 00000008 02000005"),
              ParseError::proposal_structure);
    // Transform count below what is there.
    EXPECT_EQ(error_of(sa, "00000010 01 01 00 00 00000008 01000014"),
              ParseError::proposal_structure);
    // Numbers: 0, twice the same, falling.
    EXPECT_EQ(error_of(sa, "00000008 00 01 00 00"), ParseError::proposal_structure);
    EXPECT_EQ(error_of(sa, "02000008 01 01 00 00 00000008 01 01 00 00"),
              ParseError::proposal_structure);
    EXPECT_EQ(error_of(sa, "02000008 02 01 00 00 00000008 01 01 00 00"),
              ParseError::proposal_structure);
}

TEST(Ke, KeepsMethodAndData) {
    const auto value = value_of<KeyExchange>(PayloadType::key_exchange, "0024 0000 010203");
    EXPECT_EQ(value.method, KeMethod::ml_kem_768);
    EXPECT_EQ(value.data, hex("010203"));
    EXPECT_EQ(error_of(PayloadType::key_exchange, "0024 00"), ParseError::body_length);
}

TEST(Nonce, Has16To256Bytes) {
    const auto sized = [](std::size_t size) { return to_hex(Bytes(size, 7)); };
    EXPECT_EQ(value_of<Nonce>(PayloadType::nonce, sized(16)).data.size(), 16U);
    EXPECT_EQ(value_of<Nonce>(PayloadType::nonce, sized(256)).data.size(), 256U);
    EXPECT_EQ(error_of(PayloadType::nonce, sized(15)), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::nonce, sized(257)), ParseError::body_length);
}

TEST(Id, KeepsTypeAndDataAndRole) {
    const auto value = value_of<IdInitiator>(PayloadType::id_initiator, "02000000 612e62");
    EXPECT_EQ(value.type, IdType::fqdn);
    EXPECT_EQ(value.to_string(), "a.b");
    EXPECT_EQ(to_hex(value.rest_of_payload()), "02000000612e62");
    EXPECT_EQ(value_of<IdResponder>(PayloadType::id_responder, "7b000000").data, Bytes());
    EXPECT_EQ(error_of(PayloadType::id_initiator, "020000"), ParseError::body_length);
}

TEST(Id, TextFormsGoBothWays) {
    for (const auto& [text, type] :
         std::vector<std::pair<std::string, IdType>>{{"cust.example", IdType::fqdn},
                                                     {"user@cust.example", IdType::rfc822_addr},
                                                     {"192.0.2.7", IdType::ipv4_addr},
                                                     {"2001:db8::7", IdType::ipv6_addr},
                                                     {"@#00ff", IdType::key_id}}) {
        const auto id = Identification::from_text(text);
        EXPECT_EQ(id.type, type) << text;
        EXPECT_EQ(id.to_string(), text);
    }
    EXPECT_EQ(Identification::from_text("@#xy").type, IdType::rfc822_addr);
}

TEST(Id, TextNeverCarriesControlCharactersOrLies) {
    EXPECT_EQ((Identification{IdType::fqdn, hex("610a62")}.to_string()), "ID_FQDN:610a62");
    EXPECT_EQ((Identification{IdType::fqdn, {}}.to_string()), "ID_FQDN:");
    EXPECT_EQ((Identification{IdType::ipv4_addr, hex("c00002")}.to_string()),
              "ID_IPV4_ADDR:c00002");
    EXPECT_EQ((Identification{IdType::der_asn1_dn, hex("3000")}.to_string()),
              "ID_DER_ASN1_DN:3000");
    EXPECT_EQ((Identification{IdType(201), hex("01")}.to_string()), "201:01");
}

TEST(Cert, KeepsEncodingAndData) {
    EXPECT_EQ(value_of<Certificate>(PayloadType::certificate, "04 3082").encoding, 4);
    EXPECT_EQ(value_of<CertificateRequest>(PayloadType::certificate_request, "04 aabb").authority,
              hex("aabb"));
    EXPECT_EQ(error_of(PayloadType::certificate, ""), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::certificate_request, ""), ParseError::body_length);
}

TEST(Auth, KeepsMethodAndData) {
    const auto value = value_of<Authentication>(PayloadType::authentication, "02000000 00112233");
    EXPECT_EQ(value.method, AuthMethod::shared_key_mic);
    EXPECT_EQ(value.data, hex("00112233"));
    EXPECT_EQ(error_of(PayloadType::authentication, "020000"), ParseError::body_length);
}

TEST(Notify, KeepsProtocolSpiTypeAndData) {
    const auto value = value_of<Notify>(PayloadType::notify, "03 04 4009 aabbccdd 0102");
    EXPECT_EQ(value.protocol, ProtocolId::esp);
    EXPECT_EQ(value.spi, hex("aabbccdd"));
    EXPECT_EQ(value.type, NotifyType::rekey_sa);
    EXPECT_EQ(value.data, hex("0102"));
    EXPECT_EQ(static_cast<unsigned>(value_of<Notify>(PayloadType::notify, "00009c40").type),
              40000U);
    EXPECT_EQ(error_of(PayloadType::notify, "000040"), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::notify, "03044009 aabbcc"), ParseError::body_length);
}

TEST(Delete, KeepsSpis) {
    const auto value = value_of<Delete>(PayloadType::delete_, "03040002 00000001 00000002");
    EXPECT_EQ(value.spis, (std::vector<Bytes>{hex("00000001"), hex("00000002")}));
    EXPECT_TRUE(value_of<Delete>(PayloadType::delete_, "01000000").spis.empty());
    EXPECT_EQ(error_of(PayloadType::delete_, "030400"), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::delete_, "03040002 00000001"), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::delete_, "03040001 00000001 02"), ParseError::body_length);
}

TEST(Delete, CountWithoutSizeIsRefusedBeforeItCostsMemory) {
    EXPECT_EQ(error_of(PayloadType::delete_, "0100ffff"), ParseError::body_length);
}

TEST(Ts, ReadsBothFamilies) {
    const auto value = value_of<TsInitiator>(tsi,
                                             "02000000"
                                             "07 11 0010 0035 0035 0a010001 0a010009"
                                             "08 00 0028 0000 ffff 20010db8000000000000000000000000"
                                             "20010db80000000000000000ffffffff");
    ASSERT_EQ(value.selectors.size(), 2U);
    EXPECT_EQ(value.selectors[0].to_string(), "10.1.0.1-10.1.0.9[udp/53]");
    EXPECT_EQ(value.selectors[1].to_string(), "2001:db8::/96");
}

TEST(Ts, KeepsOtherTypesWholeBehindTheKnownOnes) {
    const auto chain = parse(tsi,
                             "02000000"
                             "0a 00 0006 0102"
                             "07 00 0010 0000 ffff 0a010000 0a01ffff");
    ASSERT_TRUE(chain);
    const auto& value = std::get<TsInitiator>(chain->front().body);
    EXPECT_EQ(value.opaque, (std::vector<Bytes>{hex("0a0000060102")}));
    ASSERT_EQ(value.selectors.size(), 1U);
    EXPECT_EQ(value.selectors[0].to_string(), "10.1.0.0/16");
    EXPECT_EQ(*parse_chain(tsi, emit_chain(*chain)), *chain);
}

TEST(Ts, OpaquePortsAreLegal) {
    const auto value = value_of<TsResponder>(PayloadType::ts_responder,
                                             "01000000 07 06 0010 ffff 0000 0a010000 0a01ffff");
    EXPECT_EQ(value.selectors[0].to_string(), "10.1.0.0/16[tcp/opaque]");
}

TEST(Ts, BodyLengthErrors) {
    EXPECT_EQ(error_of(tsi, "010000"), ParseError::body_length);
    EXPECT_EQ(error_of(tsi, "01000000 070000"), ParseError::body_length);
    EXPECT_EQ(error_of(tsi, "01000000 07000010 0000ffff 0a010000"), ParseError::body_length);
    EXPECT_EQ(error_of(tsi, "02000000 07000010 0000ffff 0a010000 0a01ffff"),
              ParseError::body_length);
}

TEST(Ts, StructureErrors) {
    EXPECT_EQ(error_of(tsi, "00000000"), ParseError::ts_structure);
    // Left over behind the count.
    EXPECT_EQ(error_of(tsi, "01000000 0a000004 0a000004"), ParseError::ts_structure);
    // Length below the selector's head; not the type's length.
    EXPECT_EQ(error_of(tsi, "01000000 0a000003"), ParseError::ts_structure);
    EXPECT_EQ(error_of(tsi, "01000000 0800 0010 0000ffff 0a010000 0a01ffff"),
              ParseError::ts_structure);
    EXPECT_EQ(error_of(tsi, "01000000 0700 000f 0000ffff 0a010000 0a01ff"),
              ParseError::ts_structure);
    // Addresses or ports upside down.
    EXPECT_EQ(error_of(tsi, "01000000 07000010 0000ffff 0a01ffff 0a010000"),
              ParseError::ts_structure);
    EXPECT_EQ(error_of(tsi, "01000000 07110010 00360035 0a010000 0a01ffff"),
              ParseError::ts_structure);
}

TEST(Ts, TextNamesWhatIsNarrowed) {
    auto selector = TrafficSelector::from_prefix(*IpPrefix::parse("0.0.0.0/0"));
    EXPECT_EQ(selector.to_string(), "0.0.0.0/0");
    selector.ip_protocol = 6;
    EXPECT_EQ(selector.to_string(), "0.0.0.0/0[tcp]");
    selector.start_port = 80;
    selector.end_port = 90;
    EXPECT_EQ(selector.to_string(), "0.0.0.0/0[tcp/80-90]");
    selector = TrafficSelector::from_prefix(*IpPrefix::parse("10.0.0.1"));
    selector.ip_protocol = 47;
    EXPECT_EQ(selector.to_string(), "10.0.0.1/32[47]");
    // 10.0.0.1-10.0.0.2 shares 30 bits, but is no prefix.
    selector.last = *IpAddress::parse("10.0.0.2");
    EXPECT_EQ(selector.to_string(), "10.0.0.1-10.0.0.2[47]");
    selector.last = *IpAddress::parse("10.0.0.3");
    EXPECT_EQ(selector.to_string(), "10.0.0.1-10.0.0.3[47]");
}

TEST(Cp, KeepsAttributes) {
    const auto value =
        value_of<Configuration>(PayloadType::configuration, "01000000 00010000 00030004 08080808");
    EXPECT_EQ(value.type, CfgType::request);
    EXPECT_EQ(value.attributes,
              (std::vector<ConfigurationAttribute>{{1, {}}, {3, hex("08080808")}}));
    EXPECT_EQ(error_of(PayloadType::configuration, "010000"), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::configuration, "01000000 0001"), ParseError::body_length);
    EXPECT_EQ(error_of(PayloadType::configuration, "01000000 00010001"), ParseError::body_length);
}

TEST(Opaque, VendorIdAndEapKeepTheirBytes) {
    EXPECT_EQ(value_of<VendorId>(PayloadType::vendor_id, "0102").data, hex("0102"));
    EXPECT_EQ(value_of<Eap>(PayloadType::eap, "01020004").message, hex("01020004"));
}

TEST(Skf, FragmentNumbers) {
    constexpr auto skf = PayloadType::encrypted_fragment;
    const auto value = value_of<EncryptedFragment>(skf, "0002 0003 aabb");
    EXPECT_EQ(value.number, 2);
    EXPECT_EQ(value.total, 3);
    EXPECT_EQ(value.body, hex("aabb"));
    EXPECT_EQ(error_of(skf, "0000 0003 aabb"), ParseError::fragment_numbers);
    EXPECT_EQ(error_of(skf, "0000 0000 aabb"), ParseError::fragment_numbers);
    EXPECT_EQ(error_of(skf, "0004 0003 aabb"), ParseError::fragment_numbers);
    EXPECT_EQ(error_of(skf, "0001 00"), ParseError::body_length);
}

// "reserved ... MUST be ignored on receipt": the same value, with zeros on the way out.
TEST(Reserved, FieldsAreIgnoredAndNotPassedOn) {
    const auto expect_same = [](PayloadType type, std::string_view dirty, std::string_view clean) {
        const auto a = parse(type, dirty);
        const auto b = parse(type, clean);
        ASSERT_TRUE(a && b) << dirty;
        EXPECT_EQ(*a, *b) << dirty;
        EXPECT_EQ(emit_chain(*a), emit_chain(*b)) << dirty;
    };
    expect_same(sa, "00ff0010 01 01 00 01 00ff0008 01ff0014",
                "00000010 01 01 00 01 00000008 01000014");
    expect_same(PayloadType::key_exchange, "001fffff aa", "001f0000 aa");
    expect_same(PayloadType::id_initiator, "02ffffff 61", "02000000 61");
    expect_same(PayloadType::authentication, "02ffffff 61", "02000000 61");
    expect_same(tsi, "01ffffff 0a000004", "01000000 0a000004");
    expect_same(PayloadType::configuration, "01ffffff 80010000", "01000000 00010000");
}

TEST(PayloadsDeathTest, ValuesThatNoFieldCanHoldAreOurBugs) {
    const auto emit = [](PayloadBody body) { (void)emit_chain({{std::move(body), false}}); };
    EXPECT_DEATH(emit(SecurityAssociation{}), "at least one proposal");
    EXPECT_DEATH(emit(TsInitiator{}), "at least one selector");
    EXPECT_DEATH(emit(Nonce{Bytes(8)}), "16 to 256");
    EXPECT_DEATH(emit(Notify{ProtocolId::esp, Bytes(256), NotifyType::rekey_sa, {}}), "8-bit");
    EXPECT_DEATH(emit(Delete{ProtocolId::esp, 4, {Bytes(3)}}), "another size");
    EXPECT_DEATH(emit(Delete{ProtocolId::ike, 0, {Bytes()}}), "without a size");
    EXPECT_DEATH(emit(EncryptedFragment{PayloadType::notify, 2, 1, {}}), "fragment numbers");
}

}  // namespace
}  // namespace anyswan::wire::ike
