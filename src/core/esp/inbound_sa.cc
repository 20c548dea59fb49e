// SPDX-License-Identifier: Apache-2.0
#include "core/esp/inbound_sa.h"

#include "core/wire/esp/esp.h"
#include "core/wire/ip/ecn.h"

namespace anyswan::esp {

namespace {

using wire::ip::IpView;

std::uint16_t window_size_of(const sa::ChildSaRecord& record) {
    // RFC 9827: unspecified numbers can't be checked for replay.
    return record.suite.sn == crypto::SnId::unspecified_32 ? std::uint16_t{0}
                                                           : record.replay_window;
}

/// RFC 4303 2.6 against the inner packet's own version.
std::optional<DropReason> check_next_header(NextHeader next_header, ByteView payload) {
    switch (next_header) {
        case NextHeader::dummy:
            return DropReason::esp_dummy;
        case NextHeader::ipv4:
        case NextHeader::ipv6: {
            const unsigned version = next_header == NextHeader::ipv4 ? 4 : 6;
            if (payload.empty() || payload[0] >> 4U != version) {
                return DropReason::inner_malformed;
            }
            return std::nullopt;
        }
    }
    return DropReason::esp_bad_next_header;
}

}  // namespace

Result<InboundSa> InboundSa::make(const sa::ChildSaRecord& record) {
    auto transform = Transform::make(record.inbound_spi, record.suite, record.inbound.encr.reveal(),
                                     record.inbound.integ.reveal());
    if (!transform) {
        return Unexpected<Error>{transform.error()};
    }
    return InboundSa(record, std::move(*transform));
}

InboundSa::InboundSa(const sa::ChildSaRecord& record, Transform transform)
    : transform_(std::move(transform)),
      window_(window_size_of(record)),
      esn_(record.suite.esn()),
      local_ts_(record.local_ts),
      remote_ts_(record.remote_ts) {}

void InboundSa::open(std::span<OuterPacket> packets, std::span<Opened> results) {
    check(packets.size() == results.size(), "one result per packet");
    for (std::size_t i = 0; i < packets.size(); ++i) {
        results[i] = open_one(packets[i]);
    }
}

SequenceNumber InboundSa::number_of(ByteView packet) const {
    const std::uint32_t low = wire::esp::read_header(packet)->sequence_low;
    return esn_ ? window_.infer_extended(low) : SequenceNumber(low);
}

Opened InboundSa::open_one(OuterPacket& outer) {
    Opened result;
    result.drop = authenticate(outer.packet, result);
    if (!result.drop) {
        result.drop = unwrap(outer, result);
    }
    return result;
}

std::optional<DropReason> InboundSa::authenticate(Packet& packet, Opened& result) {
    if (!transform_.good_length(packet.size())) {
        return DropReason::esp_bad_length;
    }
    const auto to_drop = [](ReplayWindow::Verdict verdict) {
        return verdict == ReplayWindow::Verdict::seen ? DropReason::replay_seen
                                                      : DropReason::replay_too_old;
    };
    const SequenceNumber number = number_of(packet.bytes());
    if (const auto verdict = window_.check(number); verdict != ReplayWindow::Verdict::fresh) {
        return to_drop(verdict);
    }
    if (!transform_.decrypt(packet, number)) {
        return DropReason::integrity;
    }
    const bool newest = number > window_.highest();
    if (const auto verdict = window_.commit(number); verdict != ReplayWindow::Verdict::fresh) {
        return to_drop(verdict);
    }
    result.authentic = true;
    result.newest = newest;
    return std::nullopt;
}

std::optional<DropReason> InboundSa::unwrap(OuterPacket& outer, Opened& result) const {
    Packet& packet = outer.packet;
    const auto next_header = remove_trailer(packet);
    if (!next_header) {
        return next_header.error();
    }
    if (const auto drop = check_next_header(*next_header, packet.bytes())) {
        return drop;
    }
    const auto inner = wire::ip::parse_ip(packet.bytes());
    if (!inner) {
        return DropReason::inner_malformed;
    }
    result.inner = *inner;
    // RFC 4303 2.7: TFC padding is recognised by the length in the inner header.
    packet.resize(inner->total_size);
    if (!selectors_match(remote_ts_, local_ts_, *inner)) {
        return DropReason::inner_selector;
    }
    const auto ecn = wire::ip::ecn_decapsulate(wire::ip::ecn_of(inner->traffic_class),
                                               wire::ip::ecn_of(outer.traffic_class));
    if (!ecn) {
        return DropReason::ecn_not_capable;
    }
    if (*ecn != wire::ip::ecn_of(inner->traffic_class)) {
        wire::ip::set_traffic_class(packet.bytes(), result.inner,
                                    wire::ip::with_ecn(inner->traffic_class, *ecn));
    }
    return std::nullopt;
}

}  // namespace anyswan::esp
