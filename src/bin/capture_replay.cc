// SPDX-License-Identifier: Apache-2.0
// capture_replay DIR...: replays every capture in the folders (src/replay), says per capture what
// was checked and what was not, and ends with "N passed, N failed[, N skipped]", counting checks.
// Exit status 0 if nothing failed, 1 if something did, 2 if there was nothing to replay.
#include <iostream>

#include "replay/replay.h"

int main(int argc, char** argv) {
    using namespace anyswan;
    std::size_t captures = 0;
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
    if (argc < 2) {
        std::cerr << "usage: capture_replay DIR...\n";
        return 2;
    }
    for (int i = 1; i < argc; ++i) {
        const auto folders = replay::find_captures(argv[i]);
        if (!folders) {
            std::cerr << "capture_replay: " << folders.error().message << "\n";
            return 2;
        }
        for (const auto& folder : *folders) {
            const replay::Report report = replay::replay_folder(folder);
            std::cout << report.to_string();
            ++captures;
            passed += report.passed();
            failed += report.failed();
            skipped += report.skipped();
        }
    }
    std::cout << captures << " captures\n" << passed << " passed, " << failed << " failed";
    if (skipped > 0) {
        std::cout << ", " << skipped << " skipped";
    }
    std::cout << "\n";
    return failed == 0 ? 0 : 1;
}
