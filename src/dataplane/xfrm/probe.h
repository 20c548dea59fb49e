// SPDX-License-Identifier: Apache-2.0
// What this kernel can do for the xfrm driver, found out by trying: in a network namespace of the
// probe's own, which vanishes with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace anyswan::dataplane::xfrm {

struct Finding {
    std::string id;    // "esp_v4", for machines
    std::string what;  // for people
    bool good = false;
    bool needed = false;  // the driver can't start without it
    std::string detail;   // what was seen, or why it failed
    std::string mend;     // the next step, if it isn't good
};

/// Takes tens of milliseconds; up to seconds if the kernel loads modules on the way.
[[nodiscard]] std::vector<Finding> probe_kernel();

/// Why the driver can't serve here, in a sentence; nothing: it can.
[[nodiscard]] std::optional<std::string> what_is_missing(const std::vector<Finding>& findings);

}  // namespace anyswan::dataplane::xfrm
