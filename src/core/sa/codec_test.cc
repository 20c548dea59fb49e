// SPDX-License-Identifier: Apache-2.0
#include "core/sa/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "core/sa/codec_values.h"
#include "core/sa/samples_test.h"
#include "records.pb.h"

namespace anyswan::sa {
namespace {

const char* const kind_names[] = {"none", "tunnel",       "child_sa", "endpoint",
                                  "edge", "ike_sa",       "holder",   "sequence_lease",
                                  "bus",  "address_book", "crl"};

std::string kind_name(const Record& record) {
    return kind_names[static_cast<std::size_t>(kind_of(record))];
}

Bytes encoded(const Record& record) {
    return to_bytes(encode_record(record).reveal());
}

void expect_round_trip(const Record& record) {
    SCOPED_TRACE(kind_name(record));
    const std::optional<Record> decoded = decode_record(kind_of(record), encoded(record));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(*decoded == record);
    EXPECT_EQ(encoded(*decoded), encoded(record));
}

TEST(Codec, FullRecordsComeBack) {
    const std::vector<Record> records = samples::full();
    ASSERT_EQ(records.size(), std::variant_size_v<Record>);
    for (const Record& record : records) {
        expect_round_trip(record);
    }
}

TEST(Codec, SmallestRecordsComeBack) {
    const std::vector<Record> records = samples::smallest();
    ASSERT_EQ(records.size(), std::variant_size_v<Record>);
    for (const Record& record : records) {
        expect_round_trip(record);
    }
}

TEST(Codec, WhatConfigurationPayloadsAndListsAddComesBack) {
    TunnelRecord tunnel = samples::tunnel();
    tunnel.addressing = {{samples::prefix("10.9.0.0/24"), samples::prefix("fd09::/112")},
                         {samples::address("10.0.0.53"), samples::address("fd00::53")},
                         {samples::prefix("10.0.0.0/8")},
                         24,
                         {IpFamily::v4, IpFamily::v6}};
    tunnel.credentials.crl_urls = {"http://ca.example/ca.crl"};
    tunnel.credentials.crl_points = true;
    expect_round_trip(tunnel.clone());
    EXPECT_NE(encoded(tunnel.clone()), encoded(samples::tunnel()));
    ChildSaRecord child = samples::child_sa();
    child.our_addresses = {samples::address("10.9.0.5"), samples::address("fd09::5")};
    expect_round_trip(child.clone());
    IkeSaRecord ike = samples::ike_sa();
    ike.assigned = {{samples::address("10.9.0.5")}, {samples::address("10.0.0.53")}};
    expect_round_trip(ike.clone());
    EndpointRecord endpoint = samples::endpoint();
    endpoint.account = "acme";
    endpoint.assigned = ike.assigned.addresses;
    expect_round_trip(endpoint);
}

TEST(Codec, WhatRekeysAddComesBack) {
    ChildSaRecord child = samples::child_sa();
    child.replaces = EspSpi(0x00123455);
    child.outbound_waits = true;
    expect_round_trip(child.clone());
    EXPECT_NE(encoded(child.clone()), encoded(samples::child_sa()));
    ChildSaRecord tombstone = samples::child_sa_tombstone();
    tombstone.drain = true;
    expect_round_trip(tombstone.clone());
    IkeSaRecord ike = samples::ike_sa();
    ike.origin = IkeSpi(0x000a0b0c0d0e0f00);
    ike.origin_initiated = false;
    ike.successor = IkeSpi(0x000a0b0c0d0e0f02);
    ike.heir_of = IkeSpi(0x000a0b0c0d0e0eff);
    ike.fragmentation = true;
    ike.request =
        RequestInFlight{MessageId(1), {to_bytes("a request")}, samples::marked(0x38, 32), 77,
                        Bytes(32, 9), {EspSpi(0x00123458)}};
    expect_round_trip(ike.clone());
    ChildAgreement agreed{*crypto::parse_esp_suite("aes256gcm16-x25519-ke1_mlkem768"),
                          EspSpi(0x00123459), EspSpi(0x1000), samples::child_sa().local_ts,
                          samples::child_sa().remote_ts};
    ike.request->pending = PendingSa{std::move(agreed),
                                     EspSpi(0x00123456),
                                     Bytes(16, 1),
                                     Bytes(256, 2),
                                     samples::marked(0x39, 32),
                                     samples::marked(0x3a, 7168),
                                     7,
                                     Bytes(9, 3)};
    ike.pending.push_back({IkeAgreement{*crypto::parse_ike_suite("aes128gcm16-prfsha256-x25519"),
                                        IkeSpi(0x000a0b0c0d0e0f03), IkeSpi(5)}});
    ike.pending.push_back(ike.request->pending->clone());
    expect_round_trip(ike.clone());
    TunnelRecord tunnel = samples::tunnel();
    tunnel.child_lifetime_bytes = 1ULL << 40U;
    tunnel.child_lifetime_packets = 1ULL << 33U;
    tunnel.childless = true;
    expect_round_trip(tunnel.clone());
}

TEST(Codec, WhatIsKnownOfThePathComesBack) {
    EndpointRecord endpoint = samples::endpoint();
    endpoint.behind_nat = true;
    expect_round_trip(endpoint);
    IkeSaRecord ike = samples::ike_sa();
    ike.nat = NatStatus{true, false, true, true};
    expect_round_trip(ike.clone());
    EXPECT_NE(encoded(ike.clone()), encoded(samples::ike_sa()));
    ike.mobility = {true,
                    {samples::address("192.0.2.9"), samples::address("2001:db8::9")},
                    true,
                    true,
                    Bytes(20, 7)};
    ike.redirect_supported = true;
    ike.request->path = EndpointPair{{samples::address("192.0.2.1"), 4500},
                                     {samples::address("2001:db8::1"), 4500}};
    expect_round_trip(ike.clone());
    TunnelRecord tunnel = samples::tunnel();
    tunnel.mobike = true;
    tunnel.mobike_check = false;
    tunnel.follow_redirects = true;
    expect_round_trip(tunnel.clone());
    v1::Tunnel message;
    ASSERT_TRUE(message.ParseFromString(to_string(encoded(tunnel.clone()))));
    EXPECT_TRUE(message.mobike() && message.mobike_unchecked() && message.follow_redirects());
}

TEST(Codec, AdditionalKeyExchangesComeBack) {
    TunnelRecord tunnel = samples::tunnel();
    tunnel.ike_suites = {
        *crypto::parse_ike_suite("aes256gcm16-prfsha384-x25519-ke1_mlkem768"),
        *crypto::parse_ike_suite("aes256gcm16-prfsha384-x25519-ke3_mlkem768-ke7_ecp384")};
    tunnel.esp_suites = {*crypto::parse_esp_suite("aes256gcm16-x25519-ke1_mlkem1024")};
    expect_round_trip(tunnel.clone());
    IkeSaRecord ike = samples::ike_sa();
    ike.suite.additional = tunnel.ike_suites.back().additional;
    expect_round_trip(ike.clone());
}

/// A tunnel with every field of its credentials set.
TunnelRecord tunnel_with_credentials() {
    TunnelRecord tunnel = samples::tunnel();
    Credentials& credentials = tunnel.credentials;
    credentials.local = AuthKind::certificate;
    credentials.remote = AuthKind::certificate;
    credentials.certificates = {Bytes(900, 1), Bytes(800, 2)};
    credentials.private_key = samples::marked(0x41, 2400);
    credentials.rsa_padding = RsaPadding::pkcs1;
    credentials.anchors = {{Bytes(700, 3), Bytes(20, 4)}};
    credentials.crl_check = crypto::CrlCheck::strict;
    credentials.crls = {Bytes(100'000, 5)};
    credentials.ppk = {to_bytes("ppk-1"), samples::marked(0x42, 32), true};
    tunnel.allow_weak = {weak_sha1_signatures};
    return tunnel;
}

TEST(Codec, CredentialsComeBack) {
    expect_round_trip(tunnel_with_credentials());
    // Those of a release that knew pre-shared keys alone add nothing to its bytes.
    v1::Tunnel message;
    ASSERT_TRUE(message.ParseFromString(to_string(encoded(samples::tunnel()))));
    EXPECT_FALSE(message.has_credentials());
}

TEST(Codec, LargeListsComeBack) {
    TunnelRecord tunnel = samples::tunnel();
    tunnel.remote_prefixes.assign(4096, samples::prefix("10.0.0.0/8"));
    expect_round_trip(tunnel.clone());
    tunnel.remote_prefixes.emplace_back(samples::prefix("10.0.0.0/8"));
    EXPECT_FALSE(decode_record(RecordKind::tunnel, encoded(tunnel.clone())));

    IkeSaRecord ike = samples::ike_sa();
    ike.last_response.assign(20, Bytes(65535, 0xab));
    EXPECT_FALSE(decode_record(RecordKind::ike_sa, encoded(ike.clone())));  // more than 1 MB
    ike.last_response.assign(10, Bytes(65535, 0xab));
    expect_round_trip(ike.clone());
}

/// The encodings of release 0.1: they must decode for as long as a fleet may hold them, so a change
/// here is a change that breaks old fleets.
TEST(Codec, GoldenBytesStay) {
    for (const Record& record : samples::full()) {
        SCOPED_TRACE(kind_name(record));
        std::ifstream file(std::string(ANYSWAN_TEST_DATA) + "/records/v1/" + kind_name(record) +
                           ".hex");
        std::string hex;
        for (std::string line; std::getline(file, line);) {
            hex += line;
        }
        const std::optional<Bytes> golden = from_hex(hex);
        ASSERT_TRUE(golden.has_value() && !golden->empty()) << to_hex(encoded(record));
        EXPECT_EQ(to_hex(encoded(record)), hex);
        const std::optional<Record> decoded = decode_record(kind_of(record), *golden);
        ASSERT_TRUE(decoded.has_value());
        EXPECT_TRUE(*decoded == record);
    }
}

TEST(Codec, FieldsOfALaterReleaseAreSkipped) {
    for (const Record& record : samples::full()) {
        // Field 1000: a string, a varint and a fixed64.
        const Bytes later =
            concat({encoded(record), Bytes{0xc2, 0x3e, 0x02, 'h', 'i'}, Bytes{0xc0, 0x3e, 0x7f},
                    Bytes{0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8}});
        const std::optional<Record> decoded = decode_record(kind_of(record), later);
        ASSERT_TRUE(decoded.has_value()) << kind_name(record);
        EXPECT_TRUE(*decoded == record) << kind_name(record);
    }
}

TEST(Codec, AnotherKindsBytesAreNotMistaken) {
    // Some kinds share a shape; what matters is that none crashes and none gives another kind.
    for (const Record& record : samples::full()) {
        for (int kind = 0; kind <= 9; ++kind) {
            const auto wanted = static_cast<RecordKind>(kind);
            const std::optional<Record> decoded = decode_record(wanted, encoded(record));
            EXPECT_TRUE(!decoded || kind_of(*decoded) == wanted);
        }
    }
}

TEST(Codec, TruncatedOrAlteredBytesNeverCrash) {
    for (const Record& record : samples::full()) {
        const Bytes bytes = encoded(record);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            (void)decode_record(kind_of(record), ByteView(bytes).first(size));
        }
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
                Bytes altered = bytes;
                altered[at] = static_cast<std::uint8_t>(altered[at] ^ flip);
                const std::optional<Record> decoded = decode_record(kind_of(record), altered);
                if (decoded) {
                    expect_round_trip(*decoded);  // what decodes is a record
                }
            }
        }
    }
}

/// A record's protobuf, altered, and what decoding says of it.
template <class Message>
bool decodes(RecordKind kind, const Record& record, const std::function<void(Message&)>& alter) {
    Message message;
    const Bytes bytes = encoded(record);
    EXPECT_TRUE(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    alter(message);
    const std::string altered = message.SerializeAsString();
    return decode_record(kind, as_bytes(altered)).has_value();
}

TEST(Codec, TunnelFieldsAreChecked) {
    const auto with = [](const std::function<void(v1::Tunnel&)>& alter) {
        return decodes<v1::Tunnel>(RecordKind::tunnel, samples::tunnel(), alter);
    };
    EXPECT_TRUE(with([](v1::Tunnel&) {}));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_id()->set_name("No"); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.clear_id(); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_local_id()->set_type(256); }));
    EXPECT_FALSE(
        with([](v1::Tunnel& t) { t.mutable_local_id()->set_data(std::string(65536, 'x')); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.set_psk(std::string(4097, 'x')); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_remote_prefixes(0)->set_length(33); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_remote_prefixes(0)->set_length(8); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_remote_prefixes(0)->set_address("12345"); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.mutable_ike_suites(0)->set_ke(65536); }));
    EXPECT_FALSE(with(
        [](v1::Tunnel& t) { t.mutable_esp_suites(0)->mutable_cipher()->set_encr(1U << 20U); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.set_sender_rule(static_cast<v1::SenderRule>(4)); }));
    EXPECT_FALSE(
        with([](v1::Tunnel& t) { t.set_nat_traversal(static_cast<v1::NatTraversal>(2)); }));
    EXPECT_FALSE(with([](v1::Tunnel& t) { t.set_replay_window(65536); }));
    // An algorithm this release doesn't know is no reason to lose the tunnel.
    EXPECT_TRUE(with([](v1::Tunnel& t) { t.mutable_ike_suites(0)->set_ke(36); }));
}

TEST(Codec, ChildSaFieldsAreChecked) {
    const auto with = [](const std::function<void(v1::ChildSa&)>& alter) {
        return decodes<v1::ChildSa>(RecordKind::child_sa, samples::child_sa(), alter);
    };
    EXPECT_TRUE(with([](v1::ChildSa&) {}));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.set_inbound_spi(255); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.set_outbound_spi(0); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.clear_tunnel(); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.clear_inbound(); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.mutable_outbound()->mutable_encr()->pop_back(); }));
    EXPECT_FALSE(
        with([](v1::ChildSa& c) { c.mutable_outbound()->mutable_integ()->push_back('x'); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.mutable_suite()->mutable_cipher()->set_encr(3); }));
    EXPECT_FALSE(
        with([](v1::ChildSa& c) { c.mutable_suite()->mutable_cipher()->set_key_bits(100); }));
    EXPECT_FALSE(
        with([](v1::ChildSa& c) { c.mutable_remote_ts(0)->set_last(std::string(16, 'x')); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.mutable_remote_ts(0)->set_ip_protocol(256); }));
    EXPECT_FALSE(with([](v1::ChildSa& c) {
        c.mutable_remote_ts(0)->mutable_first()->swap(*c.mutable_remote_ts(0)->mutable_last());
    }));
    EXPECT_FALSE(with([](v1::ChildSa& c) { c.set_negotiated_on(std::string(256, 'x')); }));
    EXPECT_TRUE(with([](v1::ChildSa& c) {
        c.clear_inbound();
        c.clear_outbound();
        c.set_ended(true);
    }));
}

TEST(Codec, IkeSaFieldsAreChecked) {
    const auto with = [](const std::function<void(v1::IkeSa&)>& alter) {
        return decodes<v1::IkeSa>(RecordKind::ike_sa, samples::ike_sa(), alter);
    };
    EXPECT_TRUE(with([](v1::IkeSa&) {}));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.set_our_spi(0); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.clear_tunnel(); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.clear_sk_d(); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.mutable_sk_er()->push_back('x'); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.mutable_sk_ar()->pop_back(); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.mutable_suite()->set_prf(4); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.mutable_local()->set_port(65536); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.mutable_remote()->set_address(""); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.set_owner(65536); }));
    EXPECT_FALSE(with([](v1::IkeSa& i) { i.add_last_response(std::string(65536, 'x')); }));
    EXPECT_FALSE(
        with([](v1::IkeSa& i) { i.mutable_request()->add_datagrams(std::string(65536, 'x')); }));
    EXPECT_TRUE(with([](v1::IkeSa& i) { i.mutable_suite()->set_ke(36); }));
}

TEST(Codec, SmallRecordsFieldsAreChecked) {
    const auto edge = [](const std::function<void(v1::Edge&)>& alter) {
        return decodes<v1::Edge>(RecordKind::edge, samples::edge(), alter);
    };
    EXPECT_FALSE(edge([](v1::Edge& e) { e.clear_name(); }));
    EXPECT_FALSE(edge([](v1::Edge& e) { e.set_name("fra\n1"); }));
    EXPECT_FALSE(edge([](v1::Edge& e) { e.set_site("\xff"); }));
    EXPECT_FALSE(edge([](v1::Edge& e) { e.set_id(65536); }));
    EXPECT_FALSE(edge([](v1::Edge& e) { e.set_incarnation(1U << 24U); }));
    EXPECT_FALSE(edge([](v1::Edge& e) { e.set_address("x"); }));
    const auto holder = [](const std::function<void(v1::Holder&)>& alter) {
        return decodes<v1::Holder>(RecordKind::holder, samples::holder(), alter);
    };
    EXPECT_FALSE(holder([](v1::Holder& h) { h.clear_edge(); }));
    EXPECT_FALSE(holder([](v1::Holder& h) { h.set_incarnation(1U << 24U); }));
    EXPECT_FALSE(decodes<v1::SequenceLease>(RecordKind::sequence_lease, samples::sequence_lease(),
                                            [](v1::SequenceLease& l) { l.set_inbound_spi(1); }));
    EXPECT_FALSE(decodes<v1::PeerEndpoint>(RecordKind::endpoint, samples::endpoint(),
                                           [](v1::PeerEndpoint& e) { e.set_ike_spi(0); }));
}

TEST(Codec, CredentialsAreChecked) {
    const auto with = [](const std::function<void(v1::Credentials&)>& alter) {
        return decodes<v1::Tunnel>(RecordKind::tunnel, tunnel_with_credentials(),
                                   [&alter](v1::Tunnel& t) { alter(*t.mutable_credentials()); });
    };
    EXPECT_TRUE(with([](v1::Credentials&) {}));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.set_local(2); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.set_remote(2); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.set_rsa_padding(2); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.set_crl_check(3); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.mutable_anchors(0)->clear_key_hash(); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.set_private_key(std::string(16385, 'x')); }));
    EXPECT_FALSE(with([](v1::Credentials& c) { c.add_certificates(std::string(65536, 'x')); }));
}

TEST(Codec, TombstonesCarryNoKeys) {
    ChildSaRecord child = samples::child_sa();
    child.ended = true;
    const auto decoded = decode_record(RecordKind::child_sa, encoded(child.clone()));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(std::get<ChildSaRecord>(*decoded).inbound.encr.empty());
    EXPECT_TRUE(std::get<ChildSaRecord>(*decoded).outbound.integ.empty());

    TunnelRecord tunnel = samples::tunnel();
    tunnel.ended = true;
    const auto deleted = decode_record(RecordKind::tunnel, encoded(tunnel.clone()));
    ASSERT_TRUE(deleted.has_value());
    EXPECT_TRUE(std::get<TunnelRecord>(*deleted).psk.empty());
    TunnelRecord certified = tunnel_with_credentials();
    certified.ended = true;
    const auto gone = decode_record(RecordKind::tunnel, encoded(certified.clone()));
    ASSERT_TRUE(gone.has_value());
    EXPECT_TRUE(std::get<TunnelRecord>(*gone).credentials == Credentials{});
    EXPECT_TRUE(std::get<TunnelRecord>(*deleted).ended);

    IkeSaRecord ike = samples::ike_sa();
    ike.ended = true;
    const auto ended = decode_record(RecordKind::ike_sa, encoded(ike.clone()));
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(std::get<IkeSaRecord>(*ended).sk_d.empty());
}

TEST(Codec, WipeGuardLeavesNoKeyInProtobufsMemory) {  // N7
    const auto zeros = [](const std::string& text) { return text == std::string(text.size(), 0); };
    v1::ChildSa message;
    message.mutable_inbound()->set_encr(std::string(32, 'k'));
    message.mutable_outbound()->set_integ("short");
    message.add_remote_ts()->set_first("1234");
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(1000, "later");
    { const WipeGuard guard(message); }
    EXPECT_TRUE(zeros(message.inbound().encr()));
    EXPECT_EQ(message.inbound().encr().size(), 32U);
    EXPECT_TRUE(zeros(message.outbound().integ()));
    EXPECT_TRUE(zeros(message.remote_ts(0).first()));
    EXPECT_TRUE(
        zeros(message.GetReflection()->GetUnknownFields(message).field(0).length_delimited()));
}

TEST(Codec, EnvelopePartsComeBack) {
    const EnvelopeParts parts{
        1, {RecordKind::edge, "edge/fra-1", {Epoch(2), 3}, 4}, Bytes(24, 0x55), to_bytes("sealed")};
    const auto decoded = decode_envelope(encode_envelope(parts));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->format, 1U);
    EXPECT_EQ(decoded->header, parts.header);
    EXPECT_EQ(decoded->nonce, parts.nonce);
    EXPECT_EQ(decoded->sealed, parts.sealed);
}

}  // namespace
}  // namespace anyswan::sa
