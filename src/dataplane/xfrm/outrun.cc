// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/outrun.h"

#include "core/wire/esp/esp.h"
#include "core/wire/ip/checksum.h"
#include "core/wire/ip/ip_view.h"

namespace anyswan::dataplane::xfrm {

namespace {

using wire::ip::IpProtocol;
using wire::ip::IpView;

/// Of one turn: whoever sends us junk doesn't keep the worker from its work.
constexpr std::size_t packets_at_once = 512;
constexpr std::size_t checksum_offset = 6;

/// A packet from a neighbour on the same machine may have a checksum that a network card was to
/// finish. IPv4 goes without one (RFC 3948 2.1).
void write_udp_checksum(MutableBytes packet, const IpView& view) {
    const MutableBytes udp = packet.subspan(view.payload_offset);
    udp[checksum_offset] = udp[checksum_offset + 1] = 0;
    if (view.family == IpFamily::v4) {
        return;
    }
    const auto sum = wire::ip::pseudo_header_sum(
        view.source, view.destination, static_cast<std::uint8_t>(IpProtocol::udp), udp.size());
    const std::uint16_t value = wire::ip::checksum_finish(wire::ip::checksum_add(sum, udp));
    udp[checksum_offset] = static_cast<std::uint8_t>(value >> 8U);
    udp[checksum_offset + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace

void Outrun::receive(Instant now, const Known& known, std::vector<Event>& events) {
    (void)tap_.receive(packets_at_once,
                       [&](MutableBytes packet) { take(packet, now, known, events); });
}

void Outrun::take(MutableBytes bytes, Instant now, const Known& known, std::vector<Event>& events) {
    const auto view = wire::ip::parse_ip(bytes);
    if (!view || view->is_fragment()) {
        return;
    }
    bytes = bytes.first(view->total_size);
    const bool in_udp = view->protocol == IpProtocol::udp;
    const std::size_t begin = view->payload_offset + (in_udp ? wire::ip::udp_header_size : 0);
    const auto header =
        bytes.size() < begin ? std::nullopt : wire::esp::read_header(bytes.subspan(begin));
    if (!header) {
        return;
    }
    if (in_udp) {
        write_udp_checksum(bytes, *view);
    }
    if (known(header->spi)) {
        give_back(bytes);
        return;
    }
    const auto ports = view->ports.value_or(wire::ip::Ports{});
    const std::size_t before = held_.size();
    held_.hold(header->spi,
               {esp::Packet::copy_of(bytes),
                {view->destination, in_udp ? ports.destination : std::uint16_t{0}},
                {view->source, in_udp ? ports.source : std::uint16_t{0}},
                in_udp,
                view->traffic_class},
               now, events);
    held_count_ += held_.size() - before;
}

void Outrun::release(EspSpi spi) {
    for (const esp::OuterPacket& packet : held_.release(spi)) {
        give_back(packet.packet.bytes());
    }
}

void Outrun::give_back(ByteView packet) {
    ++returned_;
    if (!injector_.send(packet)) {
        count_drop(drops_, esp::DropReason::outer_send_failed);
    }
}

}  // namespace anyswan::dataplane::xfrm
