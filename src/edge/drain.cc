// SPDX-License-Identifier: Apache-2.0
#include "edge/drain.h"

#include <algorithm>

#include "edge/log.h"

namespace anyswan::edge {

namespace {

constexpr Duration look_interval = 100ms;
// By then peers' traffic shows where it goes now.
constexpr Duration routes_settle = 500ms;

std::string count_text(std::size_t count, const char* one, const char* many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : "; ") + text;
    }
    return all;
}

}  // namespace

const char* name(DrainState state) {
    switch (state) {
        case DrainState::serving:
            return "serving";
        case DrainState::draining:
            return "draining";
        case DrainState::drained:
            return "drained";
    }
    return "unknown";
}

std::vector<EdgeId> Drain::others() const {
    std::vector<EdgeId> all;
    for (const FleetMember& member : parts_.fleet.members(parts_.loop.now().instant)) {
        if (member.alive && member.last.in_step && !member.last.draining &&
            member.last.id != parts_.self) {
            all.push_back(member.last.id);
        }
    }
    return all;
}

std::optional<EdgeId> Drain::heir() {
    const std::vector<EdgeId> all =
        state_ == DrainState::serving ? std::vector<EdgeId>{} : others();
    return all.empty() ? std::nullopt : std::optional(all[next_heir_++ % all.size()]);
}

Status Drain::begin(Duration timeout) {
    const Instant now = parts_.loop.now().instant;
    if (state_ == DrainState::serving && others().empty()) {
        return fail(
            "no other edge is alive, in step and staying, so nobody could take over; start one "
            "(`anyswan fleet status` shows when it is in step), or just stop this one: its tunnels "
            "go on when it is back");
    }
    deadline_ = now + timeout;
    if (state_ != DrainState::serving) {
        return {};
    }
    ++counters_["drains_begun"];
    given_up_.clear();
    withdrawn_.reset();
    seen_.clear();
    last_ike_ = now;
    waits_for_ = {"routers are being told"};
    become(DrainState::draining);
    parts_.withdraw();
    timer_.every(look_interval, [this] { look(); });
    return {};
}

void Drain::cancel() {
    if (state_ == DrainState::serving) {
        return;
    }
    timer_.cancel();
    waits_for_.clear();
    become(DrainState::serving);
    parts_.ownership.keep_all();
    parts_.announce();
}

void Drain::become(DrainState state) {
    state_ = state;
    log::info("drain", std::string("this edge is ") + name(state));
    if (parts_.on_state) {
        parts_.on_state(state);
    }
}

void Drain::look() {
    const Instant now = parts_.loop.now().instant;
    waits_for_.clear();
    if (auto why = parts_.not_withdrawn()) {
        waits_for_.push_back(std::move(*why));
        withdrawn_.reset();
    } else if (!withdrawn_) {
        withdrawn_ = now;
    }
    if (others().empty()) {
        waits_for_.emplace_back("no other edge is alive, in step and staying");
    } else if (withdrawn_ && now - *withdrawn_ >= routes_settle) {
        hand_over();
    }
    wait_for_quiet(now);
    if (const std::size_t count = parts_.unwritten(); count > 0) {
        waits_for_.push_back(count_text(count, "record is", "records are") +
                             " not in the store yet; is the store there?");
    }
    if (state_ == DrainState::drained) {
        return;
    }
    if (waits_for_.empty()) {
        ++counters_["drains_done"];
        become(DrainState::drained);
    } else if (now >= deadline_) {
        ++counters_["drains_given_up"];
        const std::string why = joined(waits_for_);
        log::error("drain", "given up, this edge serves again: " + why);
        cancel();
        given_up_ = why;
    }
}

// From peers, and inner packets for them.
void Drain::wait_for_quiet(Instant now) {
    if (!withdrawn_) {
        return;
    }
    if (now - std::max(*withdrawn_, parts_.last_traffic()) < quiet_time) {
        waits_for_.emplace_back("packets still passed in the last 2 s");
    }
    if (now - last_ike_ < quiet_time) {
        waits_for_.emplace_back("IKE datagrams still came in the last 2 s");
    }
}

void Drain::on_marks(const Marks& marks) {
    if (state_ == DrainState::serving || marks.from == parts_.self) {
        return;
    }
    for (const MarkRow& row : marks.rows) {
        seen_[row.inbound_spi] = marks.from;
    }
}

std::map<IkeSpi, Drain::Chain> Drain::chains() const {
    std::map<IkeSpi, Chain> all;
    for (const ike::IkeSaSummary& sa : parts_.ike.list()) {
        Chain& chain = all[sa.origin == IkeSpi{} ? sa.our_spi : sa.origin];
        chain.spis.push_back(sa.our_spi);
        chain.busy =
            chain.busy || parts_.ike.acting(sa.our_spi) || parts_.claims.in_exchange(sa.our_spi);
        chain.given = chain.given || parts_.ownership.is_given(sa.our_spi);
        for (const ike::ChildSummary& child : sa.children) {
            if (const auto seen = seen_.find(child.inbound_spi); seen != seen_.end()) {
                chain.seen = seen->second;
            }
        }
    }
    return all;
}

void Drain::hand_over() {
    parts_.ownership.give_up_late();
    const bool patient = parts_.loop.now().instant - *withdrawn_ < exchange_patience;
    std::size_t busy = 0;
    std::size_t unwritten = 0;
    std::size_t open = 0;
    for (const auto& [origin, chain] : chains()) {
        const bool settled = std::ranges::all_of(
            chain.spis, [this](IkeSpi spi) { return parts_.claims.settled(spi); });
        if (chain.given) {
            ++open;
        } else if (chain.busy && patient) {
            ++busy;
        } else if (!settled) {
            ++unwritten;
        } else {
            ++open;
            if (parts_.ownership.giving() < given_at_once) {
                give(chain);
            }
        }
    }
    if (busy > 0) {
        waits_for_.push_back(count_text(busy, "IKE SA is", "IKE SAs are") + " in an exchange");
    }
    if (unwritten > 0) {
        waits_for_.push_back(count_text(unwritten, "IKE SA is", "IKE SAs are") +
                             " half-open, or not in the store yet");
    }
    if (open > 0) {
        waits_for_.push_back(count_text(open, "IKE SA is", "IKE SAs are") +
                             " to be taken by another edge");
    }
}

void Drain::give(const Chain& chain) {
    const std::vector<EdgeId> all = others();
    const bool there = chain.seen && std::ranges::find(all, *chain.seen) != all.end();
    parts_.ownership.give(chain.spis, there ? *chain.seen : all[next_heir_++ % all.size()]);
}

}  // namespace anyswan::edge
