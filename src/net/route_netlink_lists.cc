// SPDX-License-Identifier: Apache-2.0
// What the kernel has: its routes, and the xfrm interface.
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/netlink_attributes.h"
#include "net/route_netlink.h"

namespace anyswan::net {

namespace {

using MessageBuffer = std::array<char, 1024>;
constexpr const char* xfrm_kind = "xfrm";

nlmsghdr* begin(MessageBuffer& buffer, std::uint16_t type, std::uint16_t flags) {
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = flags;
    return message;
}

ifinfomsg* put_link(nlmsghdr* message, unsigned index) {
    auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    link->ifi_family = AF_UNSPEC;
    link->ifi_index = static_cast<int>(index);
    return link;
}

std::optional<KernelRoute> route_of(const nlmsghdr* message) {
    const auto* head = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (head->rtm_type != RTN_UNICAST || (head->rtm_flags & RTM_F_CLONED) != 0) {
        return std::nullopt;
    }
    KernelRoute route;
    const std::size_t size = head->rtm_family == AF_INET ? 4 : 16;
    std::array<std::uint8_t, 16> any{};
    route.prefix = {*IpAddress::from_bytes({any.data(), size}), head->rtm_dst_len};
    route.table = head->rtm_table;
    route.protocol = head->rtm_protocol;
    for_each_attribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
        const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
        const auto type = mnl_attr_get_type(attribute);
        if (type == RTA_DST) {
            route.prefix.address =
                IpAddress::from_bytes({bytes, mnl_attr_get_payload_len(attribute)})
                    .value_or(IpAddress());
        } else if (type == RTA_OIF) {
            route.interface_index = mnl_attr_get_u32(attribute);
        } else if (type == RTA_TABLE) {
            route.table = mnl_attr_get_u32(attribute);
        } else if (type == RTA_PRIORITY) {
            route.metric = mnl_attr_get_u32(attribute);
        } else if (type == RTA_ENCAP) {
            for_each_nested(attribute, [&](const nlattr* inner) {
                if (mnl_attr_get_type(inner) == LWT_XFRM_IF_ID) {
                    route.xfrm_if_id = mnl_attr_get_u32(inner);
                }
            });
        }
    });
    return route;
}

/// Whether a link is an xfrm interface in collect-metadata mode.
bool collects_metadata(const nlmsghdr* message) {
    bool kind = false;
    bool collects = false;
    for_each_attribute(message, sizeof(ifinfomsg), [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) != IFLA_LINKINFO) {
            return;
        }
        for_each_nested(attribute, [&](const nlattr* inner) {
            if (mnl_attr_get_type(inner) == IFLA_INFO_KIND) {
                kind = std::strcmp(mnl_attr_get_str(inner), xfrm_kind) == 0;
            } else if (mnl_attr_get_type(inner) == IFLA_INFO_DATA) {
                for_each_nested(inner, [&](const nlattr* data) {
                    collects |= mnl_attr_get_type(data) == IFLA_XFRM_COLLECT_METADATA;
                });
            }
        });
    });
    return kind && collects;
}

}  // namespace

Status RouteNetlink::ask(nlmsghdr* message, const std::function<void(const nlmsghdr*)>& each) {
    message->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) {
        return fail_errno("ask rtnetlink");
    }
    const auto hand_over = [](const nlmsghdr* one, void* to) {
        (*static_cast<const std::function<void(const nlmsghdr*)>*>(to))(one);
        return MNL_CB_OK;
    };
    const bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    std::array<char, 65536> answer{};
    int result = MNL_CB_OK;
    do {
        const ssize_t size = mnl_socket_recvfrom(socket_.get(), answer.data(), answer.size());
        if (size < 0) {
            return fail_errno("read rtnetlink's answer");
        }
        result = mnl_cb_run(answer.data(), static_cast<std::size_t>(size), sequence_,
                            mnl_socket_get_portid(socket_.get()), hand_over,
                            const_cast<std::function<void(const nlmsghdr*)>*>(&each));
        if (result < 0) {
            return fail_errno("rtnetlink");
        }
    } while (dump && result != MNL_CB_STOP);
    return {};
}

Result<std::vector<KernelRoute>> RouteNetlink::list_routes(std::uint8_t protocol) {
    std::vector<KernelRoute> routes;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        MessageBuffer buffer{};
        nlmsghdr* message = begin(buffer, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);
        auto* head = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
        head->rtm_family = family;
        const Status asked = ask(message, [&](const nlmsghdr* one) {
            if (const auto route = route_of(one); route && route->protocol == protocol) {
                routes.push_back(*route);
            }
        });
        if (!asked) {
            return Unexpected{asked.error()};
        }
    }
    return routes;
}

Status RouteNetlink::check_xfrm_interface(unsigned index, const std::string& name) {
    MessageBuffer buffer{};
    nlmsghdr* message = begin(buffer, RTM_GETLINK, NLM_F_REQUEST);
    put_link(message, index);
    bool good = false;
    const Status asked = ask(message, [&](const nlmsghdr* one) { good = collects_metadata(one); });
    if (!asked) {
        return asked;
    }
    return good ? Status{}
                : fail("interface " + name +
                       " is there but is no xfrm interface in collect-metadata mode; delete it, "
                       "or choose another dataplane.tun_prefix");
}

Result<unsigned> RouteNetlink::make_xfrm_interface(const std::string& name) {
    if (const unsigned index = if_nametoindex(name.c_str()); index != 0) {
        const Status good = check_xfrm_interface(index, name);
        return good ? Result<unsigned>(index) : Result<unsigned>(Unexpected{good.error()});
    }
    MessageBuffer buffer{};
    nlmsghdr* message = begin(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    put_link(message, 0);
    mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
    nlattr* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_str(message, IFLA_INFO_KIND, xfrm_kind);
    nlattr* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    mnl_attr_put(message, IFLA_XFRM_COLLECT_METADATA, 0, nullptr);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    const int error = request(message);
    if (error == EEXIST) {
        return fail(
            "another program has the one collect-metadata xfrm interface that a network "
            "namespace can have (ip -d link show type xfrm names it)");
    }
    if (error != 0) {
        return fail("make an xfrm interface in collect-metadata mode: " + errno_text(error) +
                    (error == EOPNOTSUPP || error == EINVAL
                         ? "; this kernel has none (Linux 6.1 with CONFIG_XFRM_INTERFACE has)"
                         : ""));
    }
    // A kernel that doesn't know the mode makes a plain interface, or refuses.
    const unsigned index = if_nametoindex(name.c_str());
    if (const Status good = check_xfrm_interface(index, name); !good) {
        (void)remove_link(name);
        return Unexpected{good.error()};
    }
    return index;
}

Status RouteNetlink::remove_link(const std::string& name) {
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0) {
        return {};
    }
    MessageBuffer buffer{};
    nlmsghdr* message = begin(buffer, RTM_DELLINK, 0);
    put_link(message, index);
    const int error = request(message);
    return error == 0 || error == ENODEV
               ? Status{}
               : Status{fail("delete interface " + name + ": " + errno_text(error))};
}

std::uint64_t RouteNetlink::carrier_errors(unsigned interface_index) {
    MessageBuffer buffer{};
    nlmsghdr* message = begin(buffer, RTM_GETLINK, NLM_F_REQUEST);
    put_link(message, interface_index);
    std::uint64_t count = 0;
    (void)ask(message, [&](const nlmsghdr* one) {
        for_each_attribute(one, sizeof(ifinfomsg), [&](const nlattr* attribute) {
            rtnl_link_stats64 stats{};
            if (mnl_attr_get_type(attribute) == IFLA_STATS64 &&
                mnl_attr_get_payload_len(attribute) >= sizeof stats) {
                std::memcpy(&stats, mnl_attr_get_payload(attribute), sizeof stats);
                count = stats.tx_carrier_errors;
            }
        });
    });
    return count;
}

}  // namespace anyswan::net
