// SPDX-License-Identifier: Apache-2.0
// Any bytes as an inner IP packet: what is read stays within it, what we change stays valid, what
// we answer is well formed.
#include "base/check.h"
#include "core/wire/ip/checksum.h"
#include "core/wire/ip/compose.h"
#include "core/wire/ip/too_big.h"
#include "targets.h"

namespace {

using namespace anyswan;
using namespace anyswan::wire::ip;

void check_view(ByteView packet, const IpView& view) {
    check(view.payload_offset <= view.total_size && view.total_size <= packet.size(),
          "offsets within the packet");
    check(!view.ports || (has_ports(view.protocol) && !view.later_fragment()), "ports");
}

void check_changes(Bytes packet, IpView view) {
    const bool checksum_was_right =
        view.family == IpFamily::v4 && checksum(ByteView(packet).first(ipv4_header_size)) == 0;
    set_traffic_class(packet, view, 0xa5);
    if (checksum_was_right && packet[0] == 0x45) {
        check(checksum(ByteView(packet).first(ipv4_header_size)) == 0, "IPv4 checksum");
    }
    (void)clamp_mss(packet, view, 1200);
    check(!clamp_mss(packet, view, 1200), "clamping once is enough");
    const auto again = parse_ip(packet);
    check(again && again->traffic_class == 0xa5 && again->payload_offset == view.payload_offset,
          "still the same packet");
}

}  // namespace

int anyswan::fuzz::fuzz_ip(const std::uint8_t* data, std::size_t size) {
    const ByteView packet(data, size);
    const auto view = parse_ip(packet);
    if (!view) {
        return 0;
    }
    check_view(packet, *view);
    check_changes(to_bytes(packet), *view);
    if (may_send_icmp_error(packet, *view)) {
        Bytes error(icmpv6_error_size_max);
        error.resize(build_too_big(packet, *view, 1390, error));
        const auto parsed = parse_ip(error);
        check(parsed && parsed->total_size == error.size(), "an error is a packet");
        check(verify_payload_checksum(error, *parsed) == 0, "with a right checksum");
        check(!may_send_icmp_error(error, *parsed), "that nobody answers with an error");
    }
    return 0;
}
