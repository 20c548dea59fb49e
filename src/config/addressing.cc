// SPDX-License-Identifier: Apache-2.0
#include "config/addressing.h"

#include <algorithm>

namespace anyswan::config {

namespace {

using sa::Addressing;

std::optional<IpPrefix> parse_prefix(const std::string& text) {
    return IpPrefix::parse(text);
}
constexpr const char* prefix_form =
    "a prefix; write it like \"10.1.0.0/16\" or \"2001:db8:1::/48\", host bits zero";

std::optional<IpAddress> parse_address(const std::string& text) {
    return IpAddress::parse(text);
}
constexpr const char* address_form =
    "an IP address; write it like \"10.0.0.53\" or \"2001:db8::53\"";

std::optional<IpFamily> parse_family(const std::string& text) {
    if (text == "ipv4" || text == "ipv6") {
        return text == "ipv4" ? IpFamily::v4 : IpFamily::v6;
    }
    return std::nullopt;
}

/// The bits that are set ahead of all others; nothing: not such a mask.
std::optional<std::uint8_t> parse_netmask(const std::string& text) {
    const auto mask = IpAddress::parse(text);
    if (!mask || !mask->is_v4()) {
        return std::nullopt;
    }
    const std::uint32_t bits = load_u32(mask->bytes());
    std::uint8_t length = 0;
    while (length < 32 && (bits & (0x80000000U >> length)) != 0) {
        ++length;
    }
    const std::uint32_t whole = length == 0 ? 0U : ~0U << (32U - length);
    return length != 0 && bits == whole ? std::optional(length) : std::nullopt;
}

const std::vector<std::string> none;

}  // namespace

void read_addressing(TableReader& table, sa::TunnelRecord& tunnel) {
    Addressing& plan = tunnel.addressing;
    plan.pool = table.parsed_list<IpPrefix>("virtual_pool", prefix_form, parse_prefix, none);
    plan.dns = table.parsed_list<IpAddress>("virtual_dns", address_form, parse_address, none);
    plan.subnets = table.parsed_list<IpPrefix>("virtual_subnets", prefix_form, parse_prefix, none);
    if (table.has("virtual_netmask")) {
        plan.netmask_length = table.parsed<std::uint8_t>(
            "virtual_netmask", "a netmask; write it like \"255.255.255.0\"", parse_netmask);
    }
    plan.request =
        table.parsed_list<IpFamily>("request_address", "\"ipv4\" or \"ipv6\"", parse_family, none);
    std::sort(plan.request.begin(), plan.request.end());
    plan.request.erase(std::unique(plan.request.begin(), plan.request.end()), plan.request.end());
    for (const char* key : {"virtual_dns", "virtual_subnets", "virtual_netmask"}) {
        if (table.has(key) && plan.pool.empty()) {
            table.mistake(key, "needs a virtual_pool: it is told along with an address of that");
        }
    }
    if (!plan.pool.empty() && !plan.request.empty()) {
        table.mistake("request_address",
                      "and virtual_pool exclude each other: one side gives addresses, the other "
                      "asks for them");
    }
    // With virtual addresses alone there need be no prefixes on the side that gets them.
    const bool gives = !plan.pool.empty();
    const bool asks = !plan.request.empty();
    tunnel.local_prefixes =
        asks ? table.parsed_list<IpPrefix>("local_prefixes", prefix_form, parse_prefix, none)
             : table.parsed_list<IpPrefix>("local_prefixes", prefix_form, parse_prefix);
    tunnel.remote_prefixes =
        gives ? table.parsed_list<IpPrefix>("remote_prefixes", prefix_form, parse_prefix, none)
              : table.parsed_list<IpPrefix>("remote_prefixes", prefix_form, parse_prefix);
}

}  // namespace anyswan::config
