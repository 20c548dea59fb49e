// SPDX-License-Identifier: Apache-2.0
// Test support: Child SA records of both ends of one SA, and packets that fit them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "core/esp/packet.h"
#include "core/sa/records.h"
#include "core/wire/ip/compose.h"

namespace anyswan::esp::testing {

inline IpAddress address(std::string_view text) {
    return *IpAddress::parse(text);
}

/// Selectors for the prefixes, any protocol and port.
inline std::vector<wire::ike::TrafficSelector> selectors(
    std::initializer_list<std::string_view> prefixes) {
    std::vector<wire::ike::TrafficSelector> list;
    for (const std::string_view text : prefixes) {
        const IpPrefix prefix = *IpPrefix::parse(text);
        list.push_back({.first = prefix.first(), .last = prefix.last()});
    }
    return list;
}

inline Secret key_of(std::uint8_t fill, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(fill + i);
    }
    return Secret(std::move(bytes));
}

/// Our end of a Child SA of tunnel acme/hq: local 10.1.0.0/16 and 2001:db8:1::/48, remote
/// 10.2.0.0/16 and 2001:db8:2::/48. `spi` is the inbound one, the outbound is one higher; keys
/// follow from the SPIs.
inline sa::ChildSaRecord make_record(std::string_view suite, std::uint32_t spi = 0x1000) {
    sa::ChildSaRecord record;
    record.inbound_spi = EspSpi(spi);
    record.outbound_spi = EspSpi(spi + 1);
    record.ike_spi = IkeSpi(0x0001000000000001);
    record.tunnel = {"acme", "hq"};
    record.suite = *crypto::parse_esp_suite(suite);
    const std::size_t encr = crypto::encr_key_size(record.suite.cipher);
    const std::size_t integ = crypto::integ_key_size(record.suite.cipher);
    const auto low = static_cast<std::uint8_t>(spi);
    record.inbound = {key_of(low, encr), key_of(static_cast<std::uint8_t>(low + 50), integ)};
    record.outbound = {key_of(static_cast<std::uint8_t>(low + 100), encr),
                       key_of(static_cast<std::uint8_t>(low + 150), integ)};
    record.local_ts = selectors({"10.1.0.0/16", "2001:db8:1::/48"});
    record.remote_ts = selectors({"10.2.0.0/16", "2001:db8:2::/48"});
    record.negotiated_on = "edge-1";
    return record;
}

/// The same SA as the other end has it.
inline sa::ChildSaRecord mirror(const sa::ChildSaRecord& record) {
    sa::ChildSaRecord other = record.clone();
    std::swap(other.inbound_spi, other.outbound_spi);
    std::swap(other.inbound, other.outbound);
    std::swap(other.local_ts, other.remote_ts);
    return other;
}

// Addresses inside the selectors: `near` is on our side.
inline const wire::ip::IpFields near_to_far{.source = address("10.1.0.1"),
                                            .destination = address("10.2.0.1")};
inline const wire::ip::IpFields far_to_near{.source = address("10.2.0.1"),
                                            .destination = address("10.1.0.1")};
inline const wire::ip::IpFields near_to_far_v6{.source = address("2001:db8:1::1"),
                                               .destination = address("2001:db8:2::1")};
inline const wire::ip::IpFields far_to_near_v6{.source = address("2001:db8:2::1"),
                                               .destination = address("2001:db8:1::1")};

/// A UDP packet that carries `text`.
inline Bytes datagram(const wire::ip::IpFields& fields, std::string_view text) {
    return wire::ip::compose_udp(fields, {4000, 5000}, as_bytes(text));
}

}  // namespace anyswan::esp::testing
