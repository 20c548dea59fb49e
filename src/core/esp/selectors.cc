// SPDX-License-Identifier: Apache-2.0
#include "core/esp/selectors.h"

#include <algorithm>

namespace anyswan::esp {

namespace {

bool port_matches(const TrafficSelector& selector, std::optional<std::uint16_t> port) {
    if (selector.start_port == 0 && selector.end_port == 65535) {
        return true;  // ANY, which includes OPAQUE
    }
    if (selector.start_port > selector.end_port) {
        return !port.has_value();  // OPAQUE, RFC 7296 3.13.1: start 65535, end 0
    }
    // RFC 4301 4.4.1.1: "If a port selector specifies a value other than ANY or OPAQUE, it cannot
    // match packets that are non-initial fragments."
    return port && selector.start_port <= *port && *port <= selector.end_port;
}

bool any_matches(std::span<const TrafficSelector> selectors, const IpAddress& address,
                 wire::ip::IpProtocol protocol, std::optional<std::uint16_t> port) {
    return std::ranges::any_of(selectors, [&](const TrafficSelector& selector) {
        return address.family() == selector.first.family() && selector.first <= address &&
               address <= selector.last &&
               (selector.ip_protocol == 0 ||
                selector.ip_protocol == static_cast<std::uint8_t>(protocol)) &&
               port_matches(selector, port);
    });
}

}  // namespace

bool selectors_match(std::span<const TrafficSelector> source,
                     std::span<const TrafficSelector> destination, const wire::ip::IpView& packet) {
    std::optional<std::uint16_t> source_port;
    std::optional<std::uint16_t> destination_port;
    if (packet.ports) {
        source_port = packet.ports->source;
        destination_port = packet.ports->destination;
    }
    return any_matches(source, packet.source, packet.protocol, source_port) &&
           any_matches(destination, packet.destination, packet.protocol, destination_port);
}

}  // namespace anyswan::esp
