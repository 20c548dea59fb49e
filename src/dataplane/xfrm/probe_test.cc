// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/probe.h"

#include <gmock/gmock.h>

namespace anyswan::dataplane::xfrm {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Finding> findings(bool esp, bool interface, bool cipher) {
    return {{"esp_v4", "ESP over IPv4", esp, Need::all, esp ? "" : "Protocol not supported", ""},
            {"xfrm_interface", "xfrm interface", interface, Need::interface,
             interface ? "" : "Operation not supported", ""},
            {"cipher_null", "cipher null", cipher, Need::nothing, "", ""}};
}

TEST(XfrmProbe, TheVerdictIsTheBestWayThatIsThere) {
    const Verdict best = judge(findings(true, true, false));
    EXPECT_EQ(best.mode, Mode::interface);
    EXPECT_THAT(best.missing, IsEmpty()) << "a cipher that nobody may want";
    const Verdict second = judge(findings(true, false, true));
    EXPECT_EQ(second.mode, Mode::policies);
    EXPECT_THAT(second.found, HasSubstr("no xfrm interface"));
    EXPECT_THAT(second.missing, HasSubstr("xfrm interface: Operation not supported"));
    const Verdict none = judge(findings(false, true, true));
    EXPECT_EQ(none.mode, std::nullopt);
    EXPECT_THAT(none.missing, HasSubstr("ESP over IPv4: Protocol not supported"));
}

TEST(XfrmProbe, KernelsThatWalkAllPoliciesAreKnownByTheirRelease) {
    for (const char* slow :
         {"6.1.0-42-cloud-amd64", "5.15.0", "6.9.12", "6.11", "nonsense", "", "7"}) {
        EXPECT_FALSE(adds_policies_at_once(slow)) << slow;
    }
    for (const char* fast : {"6.12.1", "6.12-rc1", "6.18.44", "7.0.0"}) {
        EXPECT_TRUE(adds_policies_at_once(fast)) << fast;
    }
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
