// SPDX-License-Identifier: Apache-2.0
#include "dataplane/user/domain_io.h"

#include <array>
#include <filesystem>

namespace anyswan::dataplane {

namespace {

constexpr std::uint32_t tun_queue_length = 2000;
constexpr std::array families{IpFamily::v4, IpFamily::v6};

/// Without IPv6 in the kernel there is nothing to configure and nothing to route.
bool has_ipv6() {
    std::error_code ignored;
    return std::filesystem::exists("/proc/sys/net/ipv6", ignored);
}

}  // namespace

Result<std::unique_ptr<DomainIo>> DomainIo::create(const UserDriverConfig& config,
                                                   const std::string& account, std::uint32_t table,
                                                   net::RouteNetlink& netlink) {
    auto tun = net::Tun::create(net::interface_name(config.interface_prefix, account));
    if (!tun) {
        return Unexpected<Error>{tun.error()};
    }
    std::unique_ptr<DomainIo> made(new DomainIo(config, std::move(*tun), table, netlink));
    if (const Status configured = made->configure(); !configured) {
        return Unexpected<Error>{configured.error()};
    }
    return made;
}

// The stricter of "all" and the interface counts, so that ours can't switch it off.
Status DomainIo::check_host() {
    const auto strict = net::read_sysctl("ipv4/conf/all/rp_filter");
    if (strict && *strict == "1") {
        return fail(
            "net.ipv4.conf.all.rp_filter is 1: the kernel will drop packets from tunnels whose "
            "source it would not route back the same way; set it to 0 or 2");
    }
    return {};
}

DomainIo::DomainIo(const UserDriverConfig& config, net::Tun tun, std::uint32_t table,
                   net::RouteNetlink& netlink)
    : config_(config), tun_(std::move(tun)), table_(table), netlink_(netlink) {}

// The routes go with the interface; rules don't.
DomainIo::~DomainIo() {
    for (const IpFamily family : families) {
        (void)netlink_.remove_rules(rule(family));
    }
}

net::KernelRule DomainIo::rule(IpFamily family) const {
    return {family, tun_.name(), 0, table_, config_.rule_priority};
}

Status DomainIo::configure() {
    if (const Status written = write_inner_sysctls(tun_.name(), config_.host_forwarding);
        !written) {
        return written;
    }
    const net::LinkSettings link{static_cast<std::uint32_t>(config_.inner_mtu), tun_queue_length};
    if (const Status up = netlink_.set_link_up(tun_.index(), link); !up) {
        return up;
    }
    return add_rules();
}

Status write_inner_sysctls(const std::string& interface, bool host_forwarding) {
    const std::string v4 = "ipv4/conf/" + interface + "/";
    const std::string v6 = "ipv6/conf/" + interface + "/";
    std::vector<std::pair<std::string, std::string>> settings{
        {v4 + "forwarding", "1"},
        // The peer's addresses are checked against the SA's selectors; the reverse route of a
        // domain's packet is in the domain's table, where rp_filter doesn't look.
        {v4 + "rp_filter", "0"},
        // From tunnel to tunnel in and out are the same interface: no reason to send redirects.
        {v4 + "send_redirects", "0"},
        {v4 + "accept_redirects", "0"},
    };
    if (has_ipv6()) {
        settings.insert(settings.end(), {{v6 + "accept_ra", "0"},
                                         {v6 + "addr_gen_mode", "1"},  // no link-local address
                                         {v6 + "forwarding", "1"}});
    }
    if (host_forwarding) {
        settings.emplace_back("ipv4/ip_forward", "1");
        if (has_ipv6()) {
            settings.emplace_back("ipv6/conf/all/forwarding", "1");
        }
    }
    for (const auto& [path, value] : settings) {
        if (const Status written = net::write_sysctl(path, value); !written) {
            return written;
        }
    }
    return {};
}

Status DomainIo::add_rules() {
    for (const IpFamily family : families) {
        if (family == IpFamily::v6 && !has_ipv6()) {
            continue;
        }
        // A process that died left its rules behind.
        (void)netlink_.remove_rules(rule(family));
        if (const Status added = netlink_.add_rule(rule(family)); !added) {
            return added;
        }
    }
    return {};
}

Status DomainIo::add_route(const sa::TunnelId& tunnel, const IpPrefix& prefix) {
    std::set<sa::TunnelId>& tunnels = routes_[prefix];
    if (!tunnels.insert(tunnel).second || tunnels.size() > 1) {
        return {};
    }
    net::KernelRoute route{prefix, tun_.index(), table_, config_.route_metric};
    Status added = netlink_.add_route(route);
    if (added && config_.routes_in_main_table) {
        route.table = net::main_table;
        added = netlink_.add_route(route);
    }
    return added;
}

Status DomainIo::remove_route(const sa::TunnelId& tunnel, const IpPrefix& prefix) {
    const auto found = routes_.find(prefix);
    if (found == routes_.end() || found->second.erase(tunnel) == 0 || !found->second.empty()) {
        return {};
    }
    routes_.erase(found);
    net::KernelRoute route{prefix, tun_.index(), table_, config_.route_metric};
    Status removed = netlink_.remove_route(route);
    if (removed && config_.routes_in_main_table) {
        route.table = net::main_table;
        removed = netlink_.remove_route(route);
    }
    return removed;
}

Status DomainIo::add_address(const IpAddress& address) {
    return ++addresses_[address] == 1 ? netlink_.add_address(tun_.name(), address) : Status{};
}

Status DomainIo::remove_address(const IpAddress& address) {
    const auto found = addresses_.find(address);
    if (found == addresses_.end() || --found->second > 0) {
        return {};
    }
    addresses_.erase(found);
    return netlink_.remove_address(tun_.name(), address);
}

}  // namespace anyswan::dataplane
