// SPDX-License-Identifier: Apache-2.0
#include "edge/announce_hook.h"

#include <algorithm>

#include "edge/log.h"

namespace anyswan::edge {

namespace {

constexpr Duration retry_first = 1s;
constexpr unsigned doublings_max = 5;  // 32 s

const char* word(bool up) {
    return up ? "up" : "down";
}

}  // namespace

void AnnounceHook::want(bool up) {
    if (wanted_ == up) {
        return;
    }
    wanted_ = up;
    failures_ = 0;
    retry_.cancel();
    go_on();
}

bool AnnounceHook::end() {
    retry_.cancel();
    const bool due = run_ && ever_up_ && !told(false);
    run_ = nullptr;
    return due;
}

void AnnounceHook::go_on() {
    if (running_ || !wanted_ || told_ == wanted_) {
        return;
    }
    const bool up = *wanted_;
    ever_up_ = ever_up_ || up;
    if (!run_) {
        told_ = up;
        return;
    }
    running_ = true;
    ++counters_["announce_hook_runs"];
    run_(word(up), [this, up](const Status& status) { on_done(up, status); });
}

void AnnounceHook::on_done(bool up, const Status& status) {
    running_ = false;
    if (status) {
        told_ = up;
        trouble_.clear();
        failures_ = 0;
        log::info("announce", std::string("the announce hook ran with ") + word(up));
    } else {
        // It may have done half of it.
        told_.reset();
        trouble_ = status.error().message;
        ++counters_["announce_hook_failures"];
        log::error("announce", "the announce hook failed, is tried again: " + trouble_);
    }
    if (wanted_ != up) {
        go_on();
    } else if (!status) {
        retry_.after(retry_first * (1U << std::min(failures_++, doublings_max)),
                     [this] { go_on(); });
    }
}

}  // namespace anyswan::edge
