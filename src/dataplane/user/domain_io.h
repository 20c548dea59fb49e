// SPDX-License-Identifier: Apache-2.0
// The kernel's side of one routing domain: its TUN interface, the policy rule that leads packets
// from there to the domain's routing table, and the routes in it. Everything goes with this object.
#pragma once

#include <map>
#include <set>

#include "dataplane/driver.h"
#include "dataplane/user/user_driver.h"
#include "net/route_netlink.h"
#include "net/tun.h"

namespace anyswan::dataplane {

/// Settings of an interface that inner packets come in by: a router's, and nothing automatic.
Status write_inner_sysctls(const std::string& interface, bool host_forwarding);

class DomainIo {
public:
    /// `netlink` outlives the object. `table` is the domain's own.
    static Result<std::unique_ptr<DomainIo>> create(const UserDriverConfig& config,
                                                    const std::string& account, std::uint32_t table,
                                                    net::RouteNetlink& netlink);
    /// Trouble with the host's settings that would swallow packets, worded for its operator.
    static Status check_host();
    ~DomainIo();
    DomainIo(const DomainIo&) = delete;
    DomainIo& operator=(const DomainIo&) = delete;

    /// Routes are counted by tunnel: the kernel has one as long as any tunnel wants it.
    Status add_route(const sa::TunnelId& tunnel, const IpPrefix& prefix);
    Status remove_route(const sa::TunnelId& tunnel, const IpPrefix& prefix);

    /// Addresses of the interface are counted too.
    Status add_address(const IpAddress& address);
    Status remove_address(const IpAddress& address);

    [[nodiscard]] net::Tun& tun() { return tun_; }
    [[nodiscard]] const net::Tun& tun() const { return tun_; }
    [[nodiscard]] std::uint32_t table() const { return table_; }

private:
    DomainIo(const UserDriverConfig& config, net::Tun tun, std::uint32_t table,
             net::RouteNetlink& netlink);
    Status configure();
    Status add_rules();
    [[nodiscard]] net::KernelRule rule(IpFamily family) const;

    const UserDriverConfig& config_;
    net::Tun tun_;
    std::uint32_t table_;
    net::RouteNetlink& netlink_;
    std::map<IpPrefix, std::set<sa::TunnelId>> routes_;
    std::map<IpAddress, unsigned> addresses_;
};

}  // namespace anyswan::dataplane
