// SPDX-License-Identifier: Apache-2.0
#include "core/ike/redirect.h"

#include <algorithm>

namespace anyswan::ike {

namespace {

// "GW Identity Type" (RFC 5685 9.2).
constexpr std::uint8_t type_ipv4 = 1;
constexpr std::uint8_t type_ipv6 = 2;
constexpr std::uint8_t type_fqdn = 3;
constexpr std::size_t name_size_max = 253;

bool is_name(std::string_view text) {
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.';
    };
    const bool looks_like_number = std::all_of(
        text.begin(), text.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
    return !text.empty() && text.size() <= name_size_max && !looks_like_number &&
           std::all_of(text.begin(), text.end(), legal) && text.front() != '.' &&
           text.front() != '-';
}

std::optional<Gateway> gateway_of(std::uint8_t type, ByteView identity) {
    if (type == type_fqdn) {
        const std::string name = to_string(identity);
        return is_name(name) ? std::optional<Gateway>(name) : std::nullopt;
    }
    const auto address = IpAddress::from_bytes(identity);
    const bool fits = address && type == (address->is_v4() ? type_ipv4 : type_ipv6);
    return fits && !address->is_unspecified() ? std::optional<Gateway>(*address) : std::nullopt;
}

}  // namespace

std::string text_of(const Gateway& gateway) {
    const auto* address = std::get_if<IpAddress>(&gateway);
    return address != nullptr ? address->to_string() : std::get<std::string>(gateway);
}

std::optional<Gateway> parse_gateway(std::string_view text) {
    if (const auto address = IpAddress::parse(text)) {
        return Gateway(*address);
    }
    return is_name(text) ? std::optional<Gateway>(std::string(text)) : std::nullopt;
}

Bytes redirect_data(const Gateway& gateway, ByteView nonce) {
    Writer data;
    if (const auto* address = std::get_if<IpAddress>(&gateway)) {
        data.u8(address->is_v4() ? type_ipv4 : type_ipv6);
        data.u8(static_cast<std::uint8_t>(address->bytes().size()));
        data.append(address->bytes());
    } else {
        const std::string& name = std::get<std::string>(gateway);
        data.u8(type_fqdn);
        data.u8(static_cast<std::uint8_t>(name.size()));
        data.append(as_bytes(name));
    }
    data.append(nonce);
    return std::move(data).take();
}

std::optional<RedirectWords> read_redirect(ByteView data) {
    Reader in(data);
    const auto type = in.u8();
    const auto size = in.u8();
    const auto identity = size ? in.take(*size) : std::nullopt;
    const auto gateway = identity ? gateway_of(*type, *identity) : std::nullopt;
    if (!gateway) {
        return std::nullopt;
    }
    return RedirectWords{*gateway, to_bytes(in.rest())};
}

}  // namespace anyswan::ike
