// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"
#include "dataplane/xfrm/probe.h"

namespace anyswan::cli {

namespace {

using dataplane::xfrm::Mode;
using dataplane::xfrm::Need;

constexpr const char* words[] = {"nothing", "xfrm", "xfrm and xfrm-policies"};

/// What dataplane.type = "auto" takes.
std::string type_of(const dataplane::xfrm::Verdict& verdict) {
    return !verdict.mode                      ? "userspace"
           : *verdict.mode == Mode::interface ? "xfrm"
                                              : "xfrm-policies";
}

}  // namespace

int doctor(const Common& common) {
    const auto findings = dataplane::xfrm::probe_kernel();
    const auto verdict = dataplane::xfrm::judge(findings);
    if (common.json) {
        nlohmann::json list = nlohmann::json::array();
        for (const auto& one : findings) {
            list.push_back({{"id", one.id},
                            {"what", one.what},
                            {"ok", one.good},
                            {"needed", words[static_cast<std::size_t>(one.need)]},
                            {"detail", one.detail},
                            {"mend", one.mend}});
        }
        const nlohmann::json all{{"kernel_dataplane", verdict.mode.has_value()},
                                 {"auto", type_of(verdict)},
                                 {"missing", verdict.missing},
                                 {"findings", list}};
        std::printf("%s\n", all.dump(2).c_str());
    } else {
        std::vector<std::vector<std::string>> rows{{"WHAT", "", "SEEN", "MEND"}};
        for (const auto& one : findings) {
            rows.push_back({one.what,
                            one.good                    ? "yes"
                            : one.need == Need::nothing ? "no"
                                                        : "MISSING",
                            one.detail.empty() ? "-" : one.detail,
                            one.mend.empty() ? "-" : one.mend});
        }
        std::printf("%s\nThis kernel has %s%s.\ndataplane.type = \"auto\" takes \"%s\" here%s\n",
                    render_table(rows).c_str(), verdict.found.c_str(),
                    verdict.missing.empty() ? "" : (" (" + verdict.missing + ")").c_str(),
                    type_of(verdict).c_str(),
                    verdict.mode == Mode::policies
                        ? ": kernel ESP, tunnels found by selector and accounts by mark."
                        : ".");
    }
    return verdict.mode ? 0 : 1;
}

}  // namespace anyswan::cli
