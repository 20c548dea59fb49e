// SPDX-License-Identifier: Apache-2.0
// anyswan-sim: whole fleets under one seed.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "core/crypto/crypto.h"
#include "sim/world.h"

namespace anyswan::sim {

namespace {

void list_bugs() {
    for (const BugInfo& bug : all_bugs()) {
        std::printf("%-22s %s  %s\n", std::string(bug.name).c_str(),
                    std::string(bug.invariant).c_str(), std::string(bug.what).c_str());
    }
}

void tell(const Scenario& scenario, const Outcome& outcome) {
    const double seconds = std::chrono::duration<double>(outcome.time).count();
    const Oracle::Counts& counts = outcome.counts;
    if (outcome.violation) {
        for (const std::string& event : outcome.last_events) {
            std::printf("  %s\n", event.c_str());
        }
        std::printf(
            "seed %llu: %s violated after %llu steps: %s\n",
            static_cast<unsigned long long>(scenario.seed), outcome.violation->invariant.c_str(),
            static_cast<unsigned long long>(outcome.steps), outcome.violation->what.c_str());
        return;
    }
    std::printf(
        "seed %llu: %llu steps, %.0f s of virtual time, %llu ESP, %llu IKE, %llu inner packets "
        "(%llu came out at a second edge too), %llu SAs found in the store: all invariants held\n",
        static_cast<unsigned long long>(scenario.seed),
        static_cast<unsigned long long>(outcome.steps), seconds,
        static_cast<unsigned long long>(counts.esp), static_cast<unsigned long long>(counts.ike),
        static_cast<unsigned long long>(counts.inner),
        static_cast<unsigned long long>(counts.replayed_elsewhere),
        static_cast<unsigned long long>(counts.durable));
}

int run(int argc, char** argv) {
    CLI::App app{
        "Runs a fleet of edges and its customers in one process on virtual time, under faults that "
        "the seed chooses, and watches the invariants N1 to N7. The same seed is the same "
        "history.\n\nExit status: 0 all held, 1 one was violated, 2 wrong use."};
    Scenario scenario;
    std::uint64_t seeds = 1;
    std::string bug;
    bool list = false;
    app.add_option("--seed", scenario.seed, "which history (default 1)");
    app.add_option("--seeds", seeds, "this many seeds, one after another (default 1)");
    app.add_option("--steps", scenario.steps, "events of the phase with faults (default 200000)");
    app.add_option("--edges", scenario.edges, "edges of the fleet (default: by the seed, 2 to 4)");
    app.add_option("--peers", scenario.peers, "customers (default: by the seed, 1 to 3)");
    app.add_option("--bug", bug, "switch a deliberate bug on, which must be found");
    app.add_flag("--list-bugs", list, "name the deliberate bugs");
    app.add_flag("--log", scenario.log, "every event of every node");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : 2;
    }
    if (list) {
        list_bugs();
        return 0;
    }
    if (!bug.empty()) {
        const auto found = bug_named(bug);
        if (!found) {
            std::fprintf(stderr, "anyswan-sim: no bug \"%s\"; --list-bugs names them\n",
                         bug.c_str());
            return 2;
        }
        scenario.bugs = *found;
    }
    for (std::uint64_t i = 0; i < seeds; ++i, ++scenario.seed) {
        World world(scenario);
        const Outcome outcome = world.run();
        tell(scenario, outcome);
        if (outcome.violation) {
            return 1;
        }
    }
    return 0;
}

}  // namespace

}  // namespace anyswan::sim

int main(int argc, char** argv) {
    return anyswan::sim::run(argc, argv);
}
