// SPDX-License-Identifier: Apache-2.0
// What this kernel can do for the xfrm driver, found out by trying: in a network namespace of the
// probe's own, which vanishes with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/xfrm/model.h"

namespace anyswan::dataplane::xfrm {

/// What of the driver can't do without a thing.
enum class Need : std::uint8_t {
    nothing,    // it goes without
    interface,  // the way with an xfrm interface; there is another one
    all
};

struct Finding {
    std::string id;    // "esp_v4", for machines
    std::string what;  // for people
    bool good = false;
    Need need = Need::nothing;
    std::string detail;  // what was seen, or why it failed
    std::string mend;    // the next step, if it isn't good
};

/// Takes tens of milliseconds; up to seconds if the kernel loads modules on the way.
[[nodiscard]] std::vector<Finding> probe_kernel();

/// Whether a kernel of this release ("6.1.0-42-amd64") adds a policy without walking the list of
/// all that are there, as Linux does from 6.12 on.
[[nodiscard]] bool adds_policies_at_once(std::string_view release);

/// How the driver can serve here.
struct Verdict {
    std::optional<Mode> mode;  // nothing: not at all
    std::string found;         // what is there, in a sentence for the log
    std::string missing;       // what a better way would need, and why it isn't there; often empty
};
[[nodiscard]] Verdict judge(const std::vector<Finding>& findings);

}  // namespace anyswan::dataplane::xfrm
