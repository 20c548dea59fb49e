// SPDX-License-Identifier: Apache-2.0
// IP addresses, transport endpoints, prefixes and ranges as values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace anyswan {

enum class IpFamily : std::uint8_t { v4 = 4, v6 = 6 };

/// An IPv4 or IPv6 address. Default-constructed: 0.0.0.0.
class IpAddress {
public:
    IpAddress() = default;
    /// 4 or 16 bytes in network order; anything else is nothing.
    static std::optional<IpAddress> from_bytes(ByteView bytes);
    /// "192.0.2.1" or "2001:db8::1".
    static std::optional<IpAddress> parse(std::string_view text);
    static IpAddress v4(std::uint32_t host_order);

    [[nodiscard]] IpFamily family() const { return family_; }
    [[nodiscard]] bool is_v4() const { return family_ == IpFamily::v4; }
    /// 4 or 16 bytes, borrowed from this value.
    [[nodiscard]] ByteView bytes() const {
        return ByteView(bytes_).first(is_v4() ? std::size_t{4} : std::size_t{16});
    }
    [[nodiscard]] unsigned bit_length() const { return is_v4() ? 32U : 128U; }
    [[nodiscard]] bool is_unspecified() const;
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const IpAddress&) const = default;

private:
    IpFamily family_ = IpFamily::v4;
    std::array<std::uint8_t, 16> bytes_{};
};

/// Address and UDP port (port 0 where there is none, as for raw ESP).
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    /// "192.0.2.1:500", "[2001:db8::1]:4500".
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const Endpoint&) const = default;
};

/// A CIDR prefix; host bits are zero.
struct IpPrefix {
    IpAddress address;
    std::uint8_t length = 0;
    /// "10.1.0.0/16"; a bare address is a full-length prefix; set host bits make it nothing.
    static std::optional<IpPrefix> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& other) const;
    [[nodiscard]] IpAddress first() const { return address; }
    [[nodiscard]] IpAddress last() const;
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace anyswan

template <>
struct std::hash<anyswan::IpAddress> {
    std::size_t operator()(const anyswan::IpAddress& address) const noexcept;
};
template <>
struct std::hash<anyswan::Endpoint> {
    std::size_t operator()(const anyswan::Endpoint& endpoint) const noexcept;
};
