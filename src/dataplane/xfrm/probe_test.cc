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

}  // namespace
}  // namespace anyswan::dataplane::xfrm
