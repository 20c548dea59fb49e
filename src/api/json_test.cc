// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include <gtest/gtest.h>

namespace anyswan::api {
namespace {

TEST(CaptureJson, ComesBackAsItWas) {
    const std::vector<wire::pcap::UdpDatagram> datagrams{
        {WallTime{1'700'000'000'123'456'789},
         {*IpAddress::parse("198.51.100.7"), 500},
         {*IpAddress::parse("192.0.2.1"), 4500},
         {1, 2, 255}},
        {{}, {*IpAddress::parse("2001:db8::1"), 65535}, {*IpAddress::parse("::1"), 0}, {}}};
    EXPECT_EQ(read_capture_json(capture_json(datagrams).dump()), datagrams);
}

TEST(CaptureJson, AnythingElseIsRefused) {
    const std::string good =
        R"({"datagrams":[{"at_ns":1,"from":["::1",1],"to":["::1",2],"payload":"00"}]})";
    ASSERT_TRUE(read_capture_json(good));
    for (const auto& [part, instead] : std::initializer_list<std::pair<const char*, const char*>>{
             {R"("00")", R"("0")"},
             {R"("00")", "7"},
             {R"("::1",1)", R"("nowhere",1)"},
             {R"("::1",1)", R"("::1")"},
             {R"("::1",1)", R"("::1",65536)"},
             {R"("::1",1)", R"("::1",-1)"},
             {R"("::1",1)", R"("::1",1.5)"},
             {R"("::1",1)", R"("::1",4e58)"},
             {R"("at_ns":1,)", R"("at_ns":1e300,)"},
             {R"("at_ns":1,)", R"("at_ns":9223372036854775808,)"},
             {R"("at_ns":1,)", ""},
             {"datagrams", "packets"},
             {"]}", ""}}) {
        std::string bad = good;
        bad.replace(bad.find(part), std::string(part).size(), instead);
        EXPECT_FALSE(read_capture_json(bad)) << bad;
    }
}

}  // namespace
}  // namespace anyswan::api
