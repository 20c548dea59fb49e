// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"
#include "dataplane/xfrm/probe.h"

namespace anyswan::cli {

int doctor(const Common& common) {
    const auto findings = dataplane::xfrm::probe_kernel();
    const auto missing = dataplane::xfrm::what_is_missing(findings);
    if (common.json) {
        nlohmann::json list = nlohmann::json::array();
        for (const auto& one : findings) {
            list.push_back({{"id", one.id},
                            {"what", one.what},
                            {"ok", one.good},
                            {"needed", one.needed},
                            {"detail", one.detail},
                            {"mend", one.mend}});
        }
        const nlohmann::json all{{"kernel_dataplane", !missing}, {"findings", list}};
        std::printf("%s\n", all.dump(2).c_str());
    } else {
        std::vector<std::vector<std::string>> rows{{"WHAT", "", "SEEN", "MEND"}};
        for (const auto& one : findings) {
            rows.push_back({one.what,
                            one.good     ? "yes"
                            : one.needed ? "MISSING"
                                         : "no",
                            one.detail.empty() ? "-" : one.detail,
                            one.mend.empty() ? "-" : one.mend});
        }
        std::printf("%s\n%s\n", render_table(rows).c_str(),
                    missing ? "The kernel dataplane can't run here: dataplane.type \"auto\" takes "
                              "userspace ESP."
                            : "The kernel dataplane can run here: dataplane.type \"auto\" or "
                              "\"xfrm\".");
    }
    return missing ? 1 : 0;
}

}  // namespace anyswan::cli
