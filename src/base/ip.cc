// SPDX-License-Identifier: Apache-2.0
#include "base/ip.h"

// inet_pton and inet_ntop are pure functions on bytes; the rest of this header is not used.
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace anyswan {

std::optional<IpAddress> IpAddress::from_bytes(ByteView bytes) {
    if (bytes.size() != 4 && bytes.size() != 16) {
        return std::nullopt;
    }
    IpAddress address;
    address.family_ = bytes.size() == 4 ? IpFamily::v4 : IpFamily::v6;
    std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string copy(text);
    IpAddress address;
    if (inet_pton(AF_INET, copy.c_str(), address.bytes_.data()) == 1) {
        return address;
    }
    address.family_ = IpFamily::v6;
    if (inet_pton(AF_INET6, copy.c_str(), address.bytes_.data()) == 1) {
        return address;
    }
    return std::nullopt;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
    IpAddress address;
    store_u32(MutableBytes(address.bytes_).first(4), host_order);
    return address;
}

bool IpAddress::is_unspecified() const {
    return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::string IpAddress::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
    return text.data();
}

std::string Endpoint::to_string() const {
    const std::string host =
        address.is_v4() ? address.to_string() : "[" + address.to_string() + "]";
    return host + ":" + std::to_string(port);
}

namespace {

/// `address` with every bit from `length` on set to `bit`.
IpAddress fill_host_bits(const IpAddress& address, unsigned length, bool bit) {
    Bytes bytes = to_bytes(address.bytes());
    for (unsigned i = length; i < address.bit_length(); ++i) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> (i % 8));
        std::uint8_t& byte = bytes[i / 8];
        byte = static_cast<std::uint8_t>(bit ? byte | mask : byte & ~mask);
    }
    return *IpAddress::from_bytes(bytes);
}

}  // namespace

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    unsigned length = address->bit_length();
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), length);
        if (error != std::errc{} || end != digits.data() + digits.size() ||
            length > address->bit_length()) {
            return std::nullopt;
        }
    }
    const IpPrefix prefix{*address, static_cast<std::uint8_t>(length)};
    if (fill_host_bits(*address, length, false) != *address) {
        return std::nullopt;
    }
    return prefix;
}

bool IpPrefix::contains(const IpAddress& other) const {
    return other.family() == address.family() && fill_host_bits(other, length, false) == address;
}

IpAddress IpPrefix::last() const {
    return fill_host_bits(address, length, true);
}

std::string IpPrefix::to_string() const {
    return address.to_string() + "/" + std::to_string(length);
}

}  // namespace anyswan

std::size_t std::hash<anyswan::IpAddress>::operator()(
    const anyswan::IpAddress& address) const noexcept {
    const auto bytes = address.bytes();
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::size_t std::hash<anyswan::Endpoint>::operator()(
    const anyswan::Endpoint& endpoint) const noexcept {
    return std::hash<anyswan::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
}
