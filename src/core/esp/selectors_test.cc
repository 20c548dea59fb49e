// SPDX-License-Identifier: Apache-2.0
#include "core/esp/selectors.h"

#include <gtest/gtest.h>

#include "core/esp/test_records.h"

namespace anyswan::esp {
namespace {

using testing::address;
using testing::near_to_far;
using testing::selectors;
using wire::ip::IpFields;
using wire::ip::IpProtocol;

bool matches(const std::vector<TrafficSelector>& source,
             const std::vector<TrafficSelector>& destination, const Bytes& packet) {
    return selectors_match(source, destination, *wire::ip::parse_ip(packet));
}

TEST(Selectors, AddressesOfBothSidesMustFit) {
    const auto near = selectors({"10.1.0.0/16", "2001:db8:1::/48"});
    const auto far = selectors({"10.2.0.0/16", "10.9.0.0/16", "2001:db8:2::/48"});
    const auto check = [&](const char* source, const char* destination) {
        return matches(near, far,
                       testing::datagram(
                           {.source = address(source), .destination = address(destination)}, "x"));
    };
    EXPECT_TRUE(check("10.1.0.0", "10.2.255.255"));
    EXPECT_TRUE(check("10.1.0.1", "10.9.0.1")) << "sets pair freely (RFC 7296 2.9)";
    EXPECT_FALSE(check("10.0.255.255", "10.2.0.1"));
    EXPECT_FALSE(check("10.2.0.0", "10.2.0.1"));
    EXPECT_FALSE(check("10.1.0.1", "10.3.0.0"));
    EXPECT_FALSE(check("10.2.0.1", "10.1.0.1")) << "the other direction";
    EXPECT_TRUE(check("2001:db8:1::1", "2001:db8:2::1"));
    EXPECT_FALSE(check("2001:db8:3::1", "2001:db8:2::1"));
    EXPECT_FALSE(matches({}, far, testing::datagram(near_to_far, "x")));
}

TEST(Selectors, ProtocolAndPorts) {
    auto near = selectors({"10.1.0.0/16"});
    auto far = selectors({"10.2.0.0/16"});
    far[0].ip_protocol = 17;
    far[0].start_port = 5000;
    far[0].end_port = 5010;
    const auto udp = [](std::uint16_t port) {
        return wire::ip::compose_udp(near_to_far, {1, port}, {});
    };
    EXPECT_TRUE(matches(near, far, udp(5000)));
    EXPECT_TRUE(matches(near, far, udp(5010)));
    EXPECT_FALSE(matches(near, far, udp(4999)));
    EXPECT_FALSE(matches(near, far, udp(5011)));
    EXPECT_FALSE(matches(near, far, wire::ip::compose_tcp_syn(near_to_far, {.ports = {1, 5000}})));
}

TEST(Selectors, LaterFragmentsNeedAnyOrOpaque) {
    IpFields fields = near_to_far;
    fields.fragment_offset = 1480;
    const Bytes fragment = wire::ip::compose_ip(fields, IpProtocol::udp, Bytes(20, 0x13));
    auto near = selectors({"10.1.0.0/16"});
    auto far = selectors({"10.2.0.0/16"});
    far[0].ip_protocol = 17;
    EXPECT_TRUE(matches(near, far, fragment)) << "any port";
    far[0].start_port = 0;
    far[0].end_port = 65534;
    EXPECT_FALSE(matches(near, far, fragment));
    far[0].start_port = 65535;
    far[0].end_port = 0;
    EXPECT_TRUE(matches(near, far, fragment)) << "OPAQUE";
    EXPECT_FALSE(matches(near, far, testing::datagram(near_to_far, "x")))
        << "OPAQUE is for packets without ports";
}

TEST(Selectors, IcmpTypesAreInThePortField) {
    auto near = selectors({"10.1.0.0/16"});
    auto far = selectors({"10.2.0.0/16"});
    near[0].ip_protocol = 1;
    near[0].start_port = 0x0800;
    near[0].end_port = 0x08ff;
    EXPECT_TRUE(matches(near, far, wire::ip::compose_echo_request(near_to_far, 1, 1, {})));
    near[0].start_port = 0;
    near[0].end_port = 0x00ff;
    EXPECT_FALSE(matches(near, far, wire::ip::compose_echo_request(near_to_far, 1, 1, {})));
}

}  // namespace
}  // namespace anyswan::esp
