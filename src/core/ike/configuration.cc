// SPDX-License-Identifier: Apache-2.0
#include "core/ike/configuration.h"

#include <algorithm>

#include "core/ike/auth/identity.h"
#include "core/ike/negotiate.h"
#include "core/sa/address_book.h"

namespace anyswan::ike::configuration {

using wire::ike::CfgType;
using wire::ike::Configuration;
using wire::ike::ConfigurationAttribute;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::TrafficSelector;

namespace {

/// RFC 7296 3.15.1.
enum class Attribute : std::uint16_t {
    internal_ip4_address = 1,
    internal_ip4_netmask = 2,
    internal_ip4_dns = 3,
    application_version = 7,
    internal_ip6_address = 8,
    internal_ip6_dns = 10,
    internal_ip4_subnet = 13,
    supported_attributes = 14,
    internal_ip6_subnet = 15,
};
constexpr std::array known_attributes{
    Attribute::internal_ip4_address, Attribute::internal_ip4_netmask,
    Attribute::internal_ip4_dns,     Attribute::application_version,
    Attribute::internal_ip6_address, Attribute::internal_ip6_dns,
    Attribute::internal_ip4_subnet,  Attribute::supported_attributes,
    Attribute::internal_ip6_subnet};

constexpr std::size_t ip4_size = 4;
constexpr std::size_t ip6_size = 16;
constexpr std::uint8_t ip6_address_length = 128;
constexpr std::size_t taken_dns_max = 8;

const Configuration* find(const std::vector<Payload>& payloads, CfgType type) {
    for (const Payload& payload : payloads) {
        const auto* found = std::get_if<Configuration>(&payload.body);
        if (found != nullptr && found->type == type) {
            return found;
        }
    }
    return nullptr;
}

bool names(const Configuration& configuration, Attribute attribute) {
    return std::any_of(configuration.attributes.begin(), configuration.attributes.end(),
                       [attribute](const ConfigurationAttribute& one) {
                           return one.type == static_cast<std::uint16_t>(attribute);
                       });
}

void add(Configuration& configuration, Attribute attribute, Bytes value = {}) {
    configuration.attributes.push_back({static_cast<std::uint16_t>(attribute), std::move(value)});
}

Attribute address_attribute(IpFamily family) {
    return family == IpFamily::v4 ? Attribute::internal_ip4_address
                                  : Attribute::internal_ip6_address;
}
Attribute dns_attribute(IpFamily family) {
    return family == IpFamily::v4 ? Attribute::internal_ip4_dns : Attribute::internal_ip6_dns;
}

// Responder.

bool has_family(const std::vector<IpPrefix>& pool, IpFamily family) {
    return std::any_of(pool.begin(), pool.end(), [family](const IpPrefix& prefix) {
        return prefix.address.family() == family;
    });
}

bool asks_for_address(const Configuration& request) {
    return names(request, Attribute::internal_ip4_address) ||
           names(request, Attribute::internal_ip6_address);
}

/// RFC 7296 3.15.4: "The initiator may request a particular type of address (IPv4 or IPv6) that the
/// responder does not support ... In this case, the responder simply ignores the type of address it
/// does not support and processes the rest of the request as usual."
std::vector<IpFamily> families_to_give(const Configuration& request, const sa::Addressing& plan) {
    std::vector<IpFamily> families;
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
        if (names(request, address_attribute(family)) && has_family(plan.pool, family)) {
            families.push_back(family);
        }
    }
    return families;
}

/// What a tunnel with one peer and single addresses gives; nothing: the host leases them.
std::optional<std::vector<IpAddress>> fixed(const sa::TunnelRecord& tunnel,
                                            const std::vector<IpFamily>& families) {
    return auth::is_pattern(tunnel.remote_id) ? std::nullopt
                                              : sa::fixed_addresses(tunnel.addressing, families);
}

Bytes netmask(std::uint8_t length) {
    Writer writer;
    writer.u32(length == 0 ? 0U : ~0U << (32U - length));
    return std::move(writer).take();
}

void add_address(Configuration& reply, const IpAddress& address) {
    Bytes value = to_bytes(address.bytes());
    if (!address.is_v4()) {
        value.push_back(ip6_address_length);
    }
    add(reply, address_attribute(address.family()), std::move(value));
}

void add_subnet(Configuration& reply, const IpPrefix& subnet) {
    Bytes value = to_bytes(subnet.address.bytes());
    if (subnet.address.is_v4()) {
        const Bytes mask = netmask(subnet.length);
        value.insert(value.end(), mask.begin(), mask.end());
        add(reply, Attribute::internal_ip4_subnet, std::move(value));
    } else {
        value.push_back(subnet.length);
        add(reply, Attribute::internal_ip6_subnet, std::move(value));
    }
}

/// What anybody may ask who is authenticated.
void add_about_us(Configuration& reply, const Configuration& request) {
    if (names(request, Attribute::application_version)) {
        add(reply, Attribute::application_version, to_bytes(as_bytes("anyswan")));
    }
    if (names(request, Attribute::supported_attributes)) {
        Writer types;
        for (const Attribute attribute : known_attributes) {
            types.u16(static_cast<std::uint16_t>(attribute));
        }
        add(reply, Attribute::supported_attributes, std::move(types).take());
    }
}

Configuration reply_with(const sa::Addressing& plan, const std::vector<IpAddress>& addresses) {
    Configuration reply{CfgType::reply, {}};
    for (const IpAddress& address : addresses) {
        add_address(reply, address);
        // "it MUST be used only with an INTERNAL_IP4_ADDRESS attribute."
        if (address.is_v4() && plan.netmask_length != 0) {
            add(reply, Attribute::internal_ip4_netmask, netmask(plan.netmask_length));
        }
    }
    for (const IpAddress& server : plan.dns) {
        add(reply, dns_attribute(server.family()), to_bytes(server.bytes()));
    }
    for (const IpPrefix& subnet : plan.subnets) {
        add_subnet(reply, subnet);
    }
    return reply;
}

/// RFC 7296 3.15: "If no attributes were accepted, the responder MUST return either an empty
/// CFG_ACK payload or a response message without a CFG_ACK payload."
void acknowledge_set(const std::vector<Payload>& request, std::vector<Payload>& response) {
    if (find(request, CfgType::set) != nullptr) {
        response.push_back({Configuration{CfgType::ack, {}}});
    }
}

// Initiator.

bool requested(const sa::Addressing& plan, IpFamily family) {
    return std::find(plan.request.begin(), plan.request.end(), family) != plan.request.end();
}

/// Neither unspecified, loopback, multicast nor broadcast: it may be an interface's.
bool is_of_a_host(const IpAddress& address) {
    static const std::array others{*IpPrefix::parse("0.0.0.0/8"), *IpPrefix::parse("127.0.0.0/8"),
                                   *IpPrefix::parse("224.0.0.0/3"), *IpPrefix::parse("::/127"),
                                   *IpPrefix::parse("ff00::/8")};
    return std::none_of(others.begin(), others.end(),
                        [&address](const IpPrefix& prefix) { return prefix.contains(address); });
}

/// An address attribute's value; nothing if it isn't one.
std::optional<IpAddress> address_in(const ConfigurationAttribute& attribute, IpFamily family) {
    const std::size_t size = family == IpFamily::v4 ? ip4_size : ip6_size;
    const bool with_length =
        attribute.type == static_cast<std::uint16_t>(Attribute::internal_ip6_address);
    if (attribute.value.size() != size + (with_length ? 1 : 0)) {
        return std::nullopt;
    }
    const auto address = IpAddress::from_bytes(ByteView(attribute.value).first(size));
    return address && is_of_a_host(*address) ? address : std::nullopt;
}

bool has(const sa::Assigned& assigned, IpFamily family) {
    return std::any_of(assigned.addresses.begin(), assigned.addresses.end(),
                       [family](const IpAddress& one) { return one.family() == family; });
}

TrafficSelector selector_of(const IpAddress& address) {
    return TrafficSelector::from_prefix({address, static_cast<std::uint8_t>(address.bit_length())});
}

std::vector<TrafficSelector> with_addresses(std::vector<TrafficSelector> selectors,
                                            const std::vector<IpAddress>& addresses) {
    for (const IpAddress& address : addresses) {
        const TrafficSelector one = selector_of(address);
        if (!within({one}, selectors)) {
            selectors.push_back(one);
        }
    }
    return selectors;
}

}  // namespace

bool wait_for_addresses(Session& session, Context& context, const Inbound& in,
                        const sa::TunnelRecord& tunnel, const wire::ike::Identification& peer_id) {
    HalfOpen& state = session.in<HalfOpen>();
    const Configuration* request = find(in.payloads, CfgType::request);
    const std::vector<IpFamily> families = request != nullptr
                                               ? families_to_give(*request, tunnel.addressing)
                                               : std::vector<IpFamily>{};
    const bool here = state.addresses && state.addresses->tunnel == tunnel.id;
    if (families.empty() || here || fixed(tunnel, families)) {
        return false;
    }
    state.waits_for_addresses = std::make_shared<const Inbound>(in);
    context.out.addresses_wanted.push_back({session.our_spi, tunnel.id, peer_id, families});
    return true;
}

Expected<std::vector<Payload>, ChildRefusal> assign(Session& session,
                                                    const sa::TunnelRecord& tunnel,
                                                    const std::vector<Payload>& request,
                                                    const std::optional<AddressesGiven>& given) {
    const sa::Addressing& plan = tunnel.addressing;
    const Configuration* asked = find(request, CfgType::request);
    const bool wants_address = asked != nullptr && asks_for_address(*asked);
    const std::string about = "tunnel " + tunnel.id.to_string();
    if (!plan.pool.empty() && tunnel.remote_prefixes.empty() && !wants_address) {
        return Unexpected{ChildRefusal{NotifyType::failed_cp_required,
                                       "the router asks for no address; " + about +
                                           " has only those of its pool for it: set the router to "
                                           "request one (virtual IP, mode config)"}};
    }
    std::vector<IpAddress> addresses;
    if (wants_address && !plan.pool.empty()) {
        const auto families = families_to_give(*asked, plan);
        addresses =
            fixed(tunnel, families).value_or(given ? given->addresses : std::vector<IpAddress>{});
        // RFC 7296 3.15.4: "The responder sends INTERNAL_ADDRESS_FAILURE only if no addresses can
        // be assigned."
        if (addresses.empty()) {
            return Unexpected{ChildRefusal{
                NotifyType::internal_address_failure,
                about + (given && !given->why.empty()
                             ? ": " + given->why
                             : " has no address of the family that the router asks for; add a "
                               "prefix to virtual_pool")}};
        }
    }
    session.assigned = {addresses, {}};
    std::vector<Payload> payloads;
    // RFC 7296 2.19: "The responder MUST NOT send a CFG_REPLY without having first received a
    // CP(CFG_REQUEST) from the initiator".
    if (asked != nullptr) {
        Configuration reply = reply_with(plan, addresses);
        add_about_us(reply, *asked);
        if (!reply.attributes.empty()) {
            payloads.push_back({std::move(reply)});
        }
    }
    acknowledge_set(request, payloads);
    return payloads;
}

void answer(const std::vector<Payload>& request, std::vector<Payload>& response) {
    if (const Configuration* asked = find(request, CfgType::request)) {
        Configuration reply{CfgType::reply, {}};
        add_about_us(reply, *asked);
        response.push_back({std::move(reply)});
    }
    acknowledge_set(request, response);
}

void append_request(std::vector<Payload>& payloads, const sa::TunnelRecord& tunnel) {
    Configuration request{CfgType::request, {}};
    for (const auto& attribute_of : {address_attribute, dns_attribute}) {
        for (const IpFamily family : tunnel.addressing.request) {
            add(request, attribute_of(family));
        }
    }
    if (!request.attributes.empty()) {
        payloads.push_back({std::move(request)});
    }
}

Expected<sa::Assigned, std::string> take_reply(const sa::TunnelRecord& tunnel,
                                               const std::vector<Payload>& payloads) {
    sa::Assigned assigned;
    if (tunnel.addressing.request.empty()) {
        return assigned;
    }
    const Configuration* reply = find(payloads, CfgType::reply);
    for (const IpFamily family : tunnel.addressing.request) {
        for (const ConfigurationAttribute& attribute :
             reply != nullptr ? reply->attributes : std::vector<ConfigurationAttribute>{}) {
            const auto address = address_in(attribute, family);
            const auto type = static_cast<Attribute>(attribute.type);
            if (address && type == address_attribute(family) && !has(assigned, family)) {
                assigned.addresses.push_back(*address);
            } else if (address && type == dns_attribute(family) &&
                       assigned.dns.size() < taken_dns_max) {
                assigned.dns.push_back(*address);
            }
        }
    }
    // RFC 7296 3.15.4: "If the initiator requires the assignment of an IP address, it will treat a
    // response without CFG_REPLY as an error."
    if (assigned.addresses.empty()) {
        return Unexpected{
            std::string("the peer gave us no address, and the tunnel asks for one: "
                        "configure a pool there, or take request_address away")};
    }
    return assigned;
}

bool carried_by(const std::vector<TrafficSelector>& local, const sa::Assigned& assigned) {
    return assigned.addresses.empty() ||
           std::any_of(assigned.addresses.begin(), assigned.addresses.end(),
                       [&local](const IpAddress& address) {
                           return within({selector_of(address)}, local);
                       });
}

std::vector<TrafficSelector> local_selectors(const Session& session,
                                             const sa::TunnelRecord& tunnel) {
    std::vector<TrafficSelector> selectors = selectors_of(tunnel.local_prefixes);
    if (!session.origin_initiated) {
        return selectors;
    }
    if (!session.assigned.addresses.empty()) {
        return with_addresses(std::move(selectors), session.assigned.addresses);
    }
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
        if (requested(tunnel.addressing, family)) {
            selectors.push_back(TrafficSelector::from_prefix(
                *IpPrefix::parse(family == IpFamily::v4 ? "0.0.0.0/0" : "::/0")));
        }
    }
    return selectors;
}

std::vector<TrafficSelector> remote_selectors(const Session& session,
                                              const sa::TunnelRecord& tunnel) {
    std::vector<TrafficSelector> selectors = selectors_of(tunnel.remote_prefixes);
    return session.origin_initiated
               ? selectors
               : with_addresses(std::move(selectors), session.assigned.addresses);
}

}  // namespace anyswan::ike::configuration
