// SPDX-License-Identifier: Apache-2.0
// One record of each kind with every field set, and the smallest valid one. Key bytes
// follow a pattern, so that a test can look for them where they must not be (N7).
#pragma once

#include "core/sa/records.h"

namespace anyswan::sa::samples {

/// `size` bytes that follow from the marker, in a pattern that no other field has.
inline Secret marked(std::uint8_t marker, std::size_t size) {
    Secret secret(size);
    for (std::size_t i = 0; i < size; ++i) {
        secret.writable()[i] = static_cast<std::uint8_t>(marker ^ (i * 37U));
    }
    return secret;
}

inline IpPrefix prefix(std::string_view text) {
    return IpPrefix::parse(text).value();
}
inline IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

inline TunnelRecord tunnel() {
    TunnelRecord record;
    record.id = {"acme", "hq-1"};
    record.local_id = wire::ike::Identification::from_text("edge.anyswan.example");
    record.remote_id = wire::ike::Identification::from_text("router@acme.example");
    record.psk = marked(0x11, 40);
    record.remote_addresses = {prefix("192.0.2.0/24"), prefix("2001:db8::7/128")};
    record.ike_suites = {crypto::parse_ike_suite("aes256gcm16-prfsha384-ecp384").value(),
                         crypto::parse_ike_suite("aes256-sha256-modp2048").value()};
    record.esp_suites = {crypto::parse_esp_suite("aes128gcm16-x25519-esn").value()};
    record.local_prefixes = {prefix("0.0.0.0/0"), prefix("::/0")};
    record.remote_prefixes = {prefix("10.1.0.0/16")};
    record.sender_rule = SenderRule::per_edge;
    record.nat_traversal = NatTraversal::force;
    record.child_lifetime_s = 3600;
    record.ike_lifetime_s = 14400;
    record.dpd_s = 30;
    record.replay_window = 4096;
    record.initiate = true;
    return record;
}

inline ChildSaRecord child_sa() {
    ChildSaRecord record;
    record.inbound_spi = EspSpi(0x00123456);
    record.outbound_spi = EspSpi(0xdeadbeef);
    record.ike_spi = IkeSpi(0x000a0b0c0d0e0f01);
    record.tunnel = {"acme", "hq-1"};
    record.suite = crypto::parse_esp_suite("aes256-sha256-ecp256-esn").value();
    record.inbound = {marked(0x21, 32), marked(0x22, 32)};
    record.outbound = {marked(0x23, 32), marked(0x24, 32)};
    record.local_ts = {wire::ike::TrafficSelector::from_prefix(prefix("0.0.0.0/0"))};
    record.remote_ts = {{6, 80, 443, address("10.1.0.1"), address("10.1.0.9")},
                        wire::ike::TrafficSelector::from_prefix(prefix("2001:db8:1::/48"))};
    record.sender_rule = SenderRule::spread;
    record.replay_window = 0;
    record.negotiated_on = "fra-1";
    record.published_at = WallTime{1'700'000'000'123'456'789};
    record.expires_at = WallTime{1'700'000'028'800'000'000};
    return record;
}

inline ChildSaRecord child_sa_tombstone() {
    ChildSaRecord record;
    record.inbound_spi = EspSpi(0x00123456);
    record.ended = true;
    return record;
}

inline EndpointRecord endpoint() {
    return {IkeSpi(0x000a0b0c0d0e0f01),
            {address("198.51.100.1"), 4500},
            {address("2001:db8::7"), 61234},
            true,
            false};
}

inline EdgeRecord edge() {
    return {"fra-1", EdgeId(65535),        Incarnation(0xffffff), "fra", address("203.0.113.5"),
            true,    Revision(1ULL << 60U)};
}

inline IkeSaRecord ike_sa() {
    IkeSaRecord record;
    record.our_spi = IkeSpi(0x000a0b0c0d0e0f01);
    record.peer_spi = IkeSpi(0x1122334455667788);
    record.we_initiated = true;
    record.tunnel = {"acme", "hq-1"};
    record.peer_id = wire::ike::Identification::from_text("router@acme.example");
    record.suite = crypto::parse_ike_suite("aes256-sha512-prfsha384-ecp521").value();
    record.sk_d = marked(0x31, 48);
    record.sk_ai = marked(0x32, 64);
    record.sk_ar = marked(0x33, 64);
    record.sk_ei = marked(0x34, 32);
    record.sk_er = marked(0x35, 32);
    record.sk_pi = marked(0x36, 48);
    record.sk_pr = marked(0x37, 48);
    record.local = {address("198.51.100.1"), 4500};
    record.remote = {address("192.0.2.7"), 4500};
    record.owner = EdgeId(7);
    record.epoch = Epoch(3);
    record.expected_request = MessageId(5);
    record.next_request = MessageId(2);
    record.next_iv = (1ULL << 40U) + 9;
    record.last_response = {to_bytes("first datagram"), to_bytes("second datagram")};
    record.request = RequestInFlight{MessageId(1), {to_bytes("a request")}};
    record.children = {EspSpi(0x00123456), EspSpi(0x00123457)};
    record.established_at = WallTime{-1};
    record.origin = record.our_spi;
    record.origin_initiated = record.we_initiated;
    return record;
}

inline IkeSaRecord ike_sa_tombstone() {
    IkeSaRecord record;
    record.our_spi = IkeSpi(1);
    record.origin = record.our_spi;
    record.ended = true;
    return record;
}

inline HolderRecord holder() {
    return {"fra-1", EdgeId(7), Incarnation(42), WallTime{1'700'000'000'000'000'000}};
}

inline SequenceLeaseRecord sequence_lease() {
    return {EspSpi(0x00123456), EdgeId(7), Incarnation(42), Epoch(2),
            SequenceNumber((1ULL << 33U) + 1)};
}

inline TunnelRecord smallest_tunnel() {
    TunnelRecord record;
    record.id = {"a", "b"};
    record.child_lifetime_s = 0;
    record.ike_lifetime_s = 0;
    record.replay_window = 0;
    return record;
}

inline AddressBookRecord address_book() {
    return {"acme",
            7,
            {{Bytes(32, 0x51), address("10.9.0.5"), WallTime{1'700'000'000'000'000'000}, "ams"},
             {Bytes(32, 0x52), address("fd09::5"), WallTime{1'700'000'001'000'000'000}, "sin"}}};
}

/// One of each kind, in the order of RecordKind.
inline std::vector<Record> full() {
    std::vector<Record> records;
    records.emplace_back(tunnel());
    records.emplace_back(child_sa());
    records.emplace_back(endpoint());
    records.emplace_back(edge());
    records.emplace_back(ike_sa());
    records.emplace_back(holder());
    records.emplace_back(sequence_lease());
    records.emplace_back(address_book());
    records.emplace_back(CrlRecord{"http://ca.example/ca.crl", Bytes(40, 0x30),
                                   WallTime{1'700'000'000'000'000'000}, true});
    return records;
}

inline std::vector<Record> smallest() {
    std::vector<Record> records;
    records.emplace_back(smallest_tunnel());
    records.emplace_back(child_sa_tombstone());
    records.emplace_back(EndpointRecord{IkeSpi(1), {}, {}, false, true});
    records.emplace_back(EdgeRecord{"e", {}, {}, "", {}, false, {}});
    records.emplace_back(ike_sa_tombstone());
    records.emplace_back(HolderRecord{"e", {}, {}, {}});
    records.emplace_back(SequenceLeaseRecord{EspSpi(256), {}, {}, {}, {}});
    records.emplace_back(AddressBookRecord{"a", 0, {}});
    records.emplace_back(CrlRecord{});
    return records;
}

}  // namespace anyswan::sa::samples
