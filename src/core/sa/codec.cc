// SPDX-License-Identifier: Apache-2.0
// One pair write/read per record, in the order of records.h, then the envelope.
#include "core/sa/codec.h"

#include "core/sa/codec_values.h"
#include "records.pb.h"

namespace anyswan::sa {

namespace {

// Tunnel.

void write(const TunnelRecord& record, v1::Tunnel& message) {
    put(record.id, *message.mutable_id());
    put(record.local_id, *message.mutable_local_id());
    put(record.remote_id, *message.mutable_remote_id());
    if (!record.ended) {
        put_bytes(record.psk.reveal(), *message.mutable_psk());
        if (record.credentials != Credentials{}) {
            put(record.credentials, *message.mutable_credentials());
        }
    }
    put_texts(record.allow_weak, *message.mutable_allow_weak());
    put_list(record.remote_addresses, *message.mutable_remote_addresses());
    put_list(record.ike_suites, *message.mutable_ike_suites());
    put_list(record.esp_suites, *message.mutable_esp_suites());
    put_list(record.local_prefixes, *message.mutable_local_prefixes());
    put_list(record.remote_prefixes, *message.mutable_remote_prefixes());
    if (record.addressing != Addressing{}) {
        put(record.addressing, *message.mutable_addressing());
    }
    message.set_sender_rule(static_cast<v1::SenderRule>(record.sender_rule));
    message.set_nat_traversal(static_cast<v1::NatTraversal>(record.nat_traversal));
    message.set_child_lifetime_s(record.child_lifetime_s);
    message.set_child_lifetime_bytes(record.child_lifetime_bytes);
    message.set_child_lifetime_packets(record.child_lifetime_packets);
    message.set_ike_lifetime_s(record.ike_lifetime_s);
    message.set_dpd_s(record.dpd_s);
    message.set_replay_window(record.replay_window);
    message.set_initiate(record.initiate);
    message.set_childless(record.childless);
    message.set_mobike(record.mobike);
    message.set_mobike_unchecked(!record.mobike_check);
    message.set_follow_redirects(record.follow_redirects);
    message.set_ended(record.ended);
}

bool read(const v1::Tunnel& message, TunnelRecord& record) {
    record.nat_traversal = static_cast<NatTraversal>(message.nat_traversal());
    record.child_lifetime_s = message.child_lifetime_s();
    record.child_lifetime_bytes = message.child_lifetime_bytes();
    record.child_lifetime_packets = message.child_lifetime_packets();
    record.ike_lifetime_s = message.ike_lifetime_s();
    record.dpd_s = message.dpd_s();
    record.initiate = message.initiate();
    record.childless = message.childless();
    record.mobike = message.mobike();
    record.mobike_check = !message.mobike_unchecked();
    record.follow_redirects = message.follow_redirects();
    record.ended = message.ended();
    // Suites of a later release are kept as numbers: negotiation passes over what it can't run.
    return get(message.id(), record.id) && get(message.local_id(), record.local_id) &&
           get(message.remote_id(), record.remote_id) && get_secret(message.psk(), record.psk) &&
           get(message.credentials(), record.credentials) &&
           get_texts(message.allow_weak(), record.allow_weak) &&
           get_list(message.remote_addresses(), record.remote_addresses) &&
           get_list(message.ike_suites(), record.ike_suites) &&
           get_list(message.esp_suites(), record.esp_suites) &&
           get_list(message.local_prefixes(), record.local_prefixes) &&
           get_list(message.remote_prefixes(), record.remote_prefixes) &&
           get(message.addressing(), record.addressing) &&
           get_sender_rule(message.sender_rule(), record.sender_rule) &&
           v1::NatTraversal_IsValid(message.nat_traversal()) &&
           get_narrow(message.replay_window(), record.replay_window);
}

// ChildSa.

/// A tombstone needs no tunnel; everything else names one.
bool get_tunnel(const v1::TunnelId& message, bool ended, TunnelId& value) {
    return get(message, value) || (ended && message.account().empty() && message.name().empty());
}

bool fits(const ChildKeys& keys, const crypto::CipherSuite& suite) {
    return keys.encr.size() == crypto::encr_key_size(suite) &&
           keys.integ.size() == crypto::integ_key_size(suite);
}

void write(const ChildSaRecord& record, v1::ChildSa& message) {
    message.set_inbound_spi(record.inbound_spi.value());
    message.set_outbound_spi(record.outbound_spi.value());
    message.set_ike_spi(record.ike_spi.value());
    put(record.tunnel, *message.mutable_tunnel());
    put(record.suite, *message.mutable_suite());
    if (!record.ended) {
        put(record.inbound, *message.mutable_inbound());
        put(record.outbound, *message.mutable_outbound());
    }
    put_list(record.local_ts, *message.mutable_local_ts());
    put_list(record.remote_ts, *message.mutable_remote_ts());
    put_addresses(record.our_addresses, *message.mutable_our_addresses());
    message.set_sender_rule(static_cast<v1::SenderRule>(record.sender_rule));
    message.set_replay_window(record.replay_window);
    message.set_negotiated_on(record.negotiated_on);
    message.set_published_at(record.published_at.unix_ns);
    message.set_expires_at(record.expires_at.unix_ns);
    message.set_replaces(record.replaces.value());
    message.set_outbound_waits(record.outbound_waits);
    message.set_ended(record.ended);
    message.set_drain(record.drain);
    message.set_made_for(record.made_for.value());
}

bool get_edge_id(std::uint32_t field, EdgeId& value) {
    value = EdgeId(static_cast<std::uint16_t>(field));
    return value.value() == field;
}

bool read(const v1::ChildSa& message, ChildSaRecord& record) {
    record.inbound_spi = EspSpi(message.inbound_spi());
    record.outbound_spi = EspSpi(message.outbound_spi());
    record.ike_spi = IkeSpi(message.ike_spi());
    record.published_at = WallTime{message.published_at()};
    record.expires_at = WallTime{message.expires_at()};
    record.replaces = EspSpi(message.replaces());
    record.outbound_waits = message.outbound_waits();
    record.ended = message.ended();
    record.drain = message.drain();
    if (!get_tunnel(message.tunnel(), record.ended, record.tunnel) ||
        !get_edge_id(message.made_for(), record.made_for) || !get(message.suite(), record.suite) ||
        !get(message.inbound(), record.inbound) || !get(message.outbound(), record.outbound) ||
        !get_list(message.local_ts(), record.local_ts) ||
        !get_list(message.remote_ts(), record.remote_ts) ||
        !get_addresses(message.our_addresses(), record.our_addresses) ||
        !get_sender_rule(message.sender_rule(), record.sender_rule) ||
        !get_narrow(message.replay_window(), record.replay_window) ||
        !get_text(message.negotiated_on(), record.negotiated_on)) {
        return false;
    }
    // RFC 4303 2.1: 1 to 255 are reserved; 0 is none.
    if (record.inbound_spi.value() <= 255) {
        return false;
    }
    return record.ended ||
           (record.outbound_spi.value() > 255 && crypto::supported(record.suite.cipher) &&
            fits(record.inbound, record.suite.cipher) &&
            fits(record.outbound, record.suite.cipher));
}

// Endpoint.

void write(const EndpointRecord& record, v1::PeerEndpoint& message) {
    message.set_ike_spi(record.ike_spi.value());
    put(record.local, *message.mutable_local());
    put(record.remote, *message.mutable_remote());
    message.set_udp_encapsulation(record.udp_encapsulation);
    message.set_ended(record.ended);
    message.set_behind_nat(record.behind_nat);
    message.set_account(record.account);
    put_addresses(record.assigned, *message.mutable_assigned());
}

bool read(const v1::PeerEndpoint& message, EndpointRecord& record) {
    record.ike_spi = IkeSpi(message.ike_spi());
    record.udp_encapsulation = message.udp_encapsulation();
    record.ended = message.ended();
    record.behind_nat = message.behind_nat();
    return record.ike_spi.value() != 0 && get(message.local(), record.local) &&
           get(message.remote(), record.remote) && get_text(message.account(), record.account) &&
           get_addresses(message.assigned(), record.assigned);
}

// Edge.

bool get_incarnation(std::uint32_t field, Incarnation& value) {
    value = Incarnation(field);
    return field <= incarnation_max;
}

void write(const EdgeRecord& record, v1::Edge& message) {
    message.set_name(record.name);
    message.set_id(record.id.value());
    message.set_incarnation(record.incarnation.value());
    message.set_site(record.site);
    put_bytes(record.address.bytes(), *message.mutable_address());
    message.set_draining(record.draining);
    message.set_applied(record.applied.value());
}

bool read(const v1::Edge& message, EdgeRecord& record) {
    record.draining = message.draining();
    record.applied = Revision(message.applied());
    return get_text(message.name(), record.name) && !record.name.empty() &&
           get_edge_id(message.id(), record.id) &&
           get_incarnation(message.incarnation(), record.incarnation) &&
           get_text(message.site(), record.site) && get_address(message.address(), record.address);
}

// IkeSa.

bool keys_fit(const IkeSaRecord& record) {
    const crypto::IkeSuite& suite = record.suite;
    if (!crypto::supported(suite.cipher) || !crypto::supported(suite.prf)) {
        return false;
    }
    const std::size_t prf = crypto::prf_key_size(suite.prf);
    const std::size_t encr = crypto::encr_key_size(suite.cipher);
    const std::size_t integ = crypto::integ_key_size(suite.cipher);
    return record.sk_d.size() == prf && record.sk_pi.size() == prf && record.sk_pr.size() == prf &&
           record.sk_ei.size() == encr && record.sk_er.size() == encr &&
           record.sk_ai.size() == integ && record.sk_ar.size() == integ;
}

void put_keys(const IkeSaRecord& record, v1::IkeSa& message) {
    put_bytes(record.sk_d.reveal(), *message.mutable_sk_d());
    put_bytes(record.sk_ai.reveal(), *message.mutable_sk_ai());
    put_bytes(record.sk_ar.reveal(), *message.mutable_sk_ar());
    put_bytes(record.sk_ei.reveal(), *message.mutable_sk_ei());
    put_bytes(record.sk_er.reveal(), *message.mutable_sk_er());
    put_bytes(record.sk_pi.reveal(), *message.mutable_sk_pi());
    put_bytes(record.sk_pr.reveal(), *message.mutable_sk_pr());
}

bool get_keys(const v1::IkeSa& message, IkeSaRecord& record) {
    return get_secret(message.sk_d(), record.sk_d) && get_secret(message.sk_ai(), record.sk_ai) &&
           get_secret(message.sk_ar(), record.sk_ar) && get_secret(message.sk_ei(), record.sk_ei) &&
           get_secret(message.sk_er(), record.sk_er) && get_secret(message.sk_pi(), record.sk_pi) &&
           get_secret(message.sk_pr(), record.sk_pr);
}

void write(const IkeSaRecord& record, v1::IkeSa& message) {
    message.set_our_spi(record.our_spi.value());
    message.set_peer_spi(record.peer_spi.value());
    message.set_we_initiated(record.we_initiated);
    put(record.tunnel, *message.mutable_tunnel());
    put(record.peer_id, *message.mutable_peer_id());
    put(record.suite, *message.mutable_suite());
    if (!record.ended) {
        put_keys(record, message);
    }
    put(record.local, *message.mutable_local());
    put(record.remote, *message.mutable_remote());
    message.set_owner(record.owner.value());
    message.set_epoch(record.epoch.value());
    message.set_expected_request(record.expected_request.value());
    message.set_next_request(record.next_request.value());
    message.set_next_iv(record.next_iv);
    put_datagrams(record.last_response, *message.mutable_last_response());
    if (record.request) {
        put(*record.request, *message.mutable_request());
    }
    for (const EspSpi child : record.children) {
        message.add_children(child.value());
    }
    message.set_established_at(record.established_at.unix_ns);
    message.set_ended(record.ended);
    if (record.origin != record.our_spi) {
        message.set_origin(record.origin.value());
        message.set_origin_initiated(record.origin_initiated);
    }
    message.set_successor(record.successor.value());
    message.set_heir_of(record.heir_of.value());
    message.set_fragmentation(record.fragmentation);
    put_list(record.pending, *message.mutable_pending());
    if (record.nat) {
        put(*record.nat, *message.mutable_nat());
    }
    if (record.mobility != Mobility{}) {
        put(record.mobility, *message.mutable_mobility());
    }
    message.set_redirect_supported(record.redirect_supported);
    put_addresses(record.assigned.addresses, *message.mutable_assigned_addresses());
    put_addresses(record.assigned.dns, *message.mutable_assigned_dns());
}

/// The numbers, which need no judging.
void get_counters(const v1::IkeSa& message, IkeSaRecord& record) {
    record.our_spi = IkeSpi(message.our_spi());
    record.peer_spi = IkeSpi(message.peer_spi());
    record.we_initiated = message.we_initiated();
    record.epoch = Epoch(message.epoch());
    record.expected_request = MessageId(message.expected_request());
    record.next_request = MessageId(message.next_request());
    record.next_iv = message.next_iv();
    record.established_at = WallTime{message.established_at()};
    record.ended = message.ended();
    const bool first = message.origin() == 0;
    record.origin = first ? record.our_spi : IkeSpi(message.origin());
    record.origin_initiated = first ? record.we_initiated : message.origin_initiated();
    record.successor = IkeSpi(message.successor());
    record.heir_of = IkeSpi(message.heir_of());
    record.fragmentation = message.fragmentation();
    if (message.has_nat()) {
        get(message.nat(), record.nat.emplace());
    }
    record.redirect_supported = message.redirect_supported();
}

bool read(const v1::IkeSa& message, IkeSaRecord& record) {
    get_counters(message, record);
    if (record.our_spi.value() == 0 || !get_tunnel(message.tunnel(), record.ended, record.tunnel) ||
        !get(message.peer_id(), record.peer_id) || !get(message.suite(), record.suite) ||
        !get_keys(message, record) || !get(message.local(), record.local) ||
        !get(message.remote(), record.remote) || !get_edge_id(message.owner(), record.owner) ||
        !get_datagrams(message.last_response(), record.last_response) ||
        !get_addresses(message.assigned_addresses(), record.assigned.addresses) ||
        !get_addresses(message.assigned_dns(), record.assigned.dns) ||
        !get_list(message.pending(), record.pending) || !get(message.mobility(), record.mobility)) {
        return false;
    }
    if (message.has_request() && !get(message.request(), record.request.emplace())) {
        return false;
    }
    if (static_cast<std::size_t>(message.children_size()) > list_size_max) {
        return false;
    }
    for (const std::uint32_t child : message.children()) {
        record.children.emplace_back(child);
    }
    return record.ended || keys_fit(record);
}

// Holder.

void write(const HolderRecord& record, v1::Holder& message) {
    message.set_edge(record.edge);
    message.set_edge_id(record.edge_id.value());
    message.set_incarnation(record.incarnation.value());
    message.set_since(record.since.unix_ns);
}

bool read(const v1::Holder& message, HolderRecord& record) {
    record.since = WallTime{message.since()};
    return get_text(message.edge(), record.edge) && !record.edge.empty() &&
           get_edge_id(message.edge_id(), record.edge_id) &&
           get_incarnation(message.incarnation(), record.incarnation);
}

// SequenceLease.

void write(const SequenceLeaseRecord& record, v1::SequenceLease& message) {
    message.set_inbound_spi(record.inbound_spi.value());
    message.set_sender(record.sender.value());
    message.set_incarnation(record.incarnation.value());
    message.set_epoch(record.epoch.value());
    message.set_reserved_up_to(record.reserved_up_to.value());
}

bool read(const v1::SequenceLease& message, SequenceLeaseRecord& record) {
    record.inbound_spi = EspSpi(message.inbound_spi());
    record.epoch = Epoch(message.epoch());
    record.reserved_up_to = SequenceNumber(message.reserved_up_to());
    return record.inbound_spi.value() > 255 && get_edge_id(message.sender(), record.sender) &&
           get_incarnation(message.incarnation(), record.incarnation);
}

// AddressBook, Crl.

void write(const AddressBookRecord& record, v1::AddressBook& message) {
    put(record, message);
}
bool read(const v1::AddressBook& message, AddressBookRecord& record) {
    return get(message, record);
}
void write(const CrlRecord& record, v1::Crl& message) {
    put(record, message);
}
bool read(const v1::Crl& message, CrlRecord& record) {
    return get(message, record);
}

/// Which message a record travels as.
template <class Record>
struct MessageOf;
template <>
struct MessageOf<TunnelRecord> {
    using Type = v1::Tunnel;
    static constexpr RecordKind kind = RecordKind::tunnel;
};
template <>
struct MessageOf<ChildSaRecord> {
    using Type = v1::ChildSa;
    static constexpr RecordKind kind = RecordKind::child_sa;
};
template <>
struct MessageOf<EndpointRecord> {
    using Type = v1::PeerEndpoint;
    static constexpr RecordKind kind = RecordKind::endpoint;
};
template <>
struct MessageOf<EdgeRecord> {
    using Type = v1::Edge;
    static constexpr RecordKind kind = RecordKind::edge;
};
template <>
struct MessageOf<IkeSaRecord> {
    using Type = v1::IkeSa;
    static constexpr RecordKind kind = RecordKind::ike_sa;
};
template <>
struct MessageOf<HolderRecord> {
    using Type = v1::Holder;
    static constexpr RecordKind kind = RecordKind::holder;
};
template <>
struct MessageOf<SequenceLeaseRecord> {
    using Type = v1::SequenceLease;
    static constexpr RecordKind kind = RecordKind::sequence_lease;
};
template <>
struct MessageOf<AddressBookRecord> {
    using Type = v1::AddressBook;
    static constexpr RecordKind kind = RecordKind::address_book;
};
template <>
struct MessageOf<CrlRecord> {
    using Type = v1::Crl;
    static constexpr RecordKind kind = RecordKind::crl;
};

template <class Value>
Secret encode(const Value& record) {
    typename MessageOf<Value>::Type message;
    const WipeGuard wipe_keys(message);
    write(record, message);
    Secret bytes(message.ByteSizeLong());
    const bool ok =
        message.SerializeToArray(bytes.writable().data(), static_cast<int>(bytes.size()));
    check(ok, "a record that can't be encoded");
    return bytes;
}

template <class Value>
std::optional<Record> decode(ByteView bytes) {
    typename MessageOf<Value>::Type message;
    const WipeGuard wipe_keys(message);
    Value record;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        !read(message, record)) {
        return std::nullopt;
    }
    return Record(std::move(record));
}

}  // namespace

RecordKind kind_of(const Record& record) {
    return std::visit([]<class Value>(const Value&) { return MessageOf<Value>::kind; }, record);
}

Secret encode_record(const Record& record) {
    return std::visit([](const auto& value) { return encode(value); }, record);
}

std::optional<Record> decode_record(RecordKind kind, ByteView bytes) {
    if (bytes.size() > envelope_size_max) {
        return std::nullopt;
    }
    switch (kind) {
        case RecordKind::tunnel:
            return decode<TunnelRecord>(bytes);
        case RecordKind::child_sa:
            return decode<ChildSaRecord>(bytes);
        case RecordKind::endpoint:
            return decode<EndpointRecord>(bytes);
        case RecordKind::edge:
            return decode<EdgeRecord>(bytes);
        case RecordKind::ike_sa:
            return decode<IkeSaRecord>(bytes);
        case RecordKind::holder:
            return decode<HolderRecord>(bytes);
        case RecordKind::sequence_lease:
            return decode<SequenceLeaseRecord>(bytes);
        case RecordKind::address_book:
            return decode<AddressBookRecord>(bytes);
        case RecordKind::crl:
            return decode<CrlRecord>(bytes);
        case RecordKind::bus:
            break;
    }
    return std::nullopt;
}

}  // namespace anyswan::sa
