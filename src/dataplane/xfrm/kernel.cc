// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/kernel.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/spi.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr int tries_max = 6;

/// Trouble that passes: memory, a full queue, an answer that got lost.
bool passes(int error) {
    return error == ENOBUFS || error == ENOMEM || error == EAGAIN || error == EINTR ||
           error == ETIMEDOUT;
}

bool is_full(int error) {
    return error == ENOSPC || error == E2BIG || error == EMFILE || error == EDQUOT;
}

/// An algorithm, or all of ESP. What the cryptography of the kernel says depends on how far it got.
bool lacks(int error) {
    return error == ENOSYS || error == ENOENT || error == EINVAL || error == EPROTONOSUPPORT ||
           error == EAFNOSUPPORT || error == EOPNOTSUPP || error == ELIBBAD;
}

/// Who has the SPI may give it back, a table may get room, a module may be loaded.
bool may_succeed_later(int error) {
    return passes(error) || is_full(error) || lacks(error) || error == EEXIST;
}

std::string names_of(const Algorithms& algorithms) {
    if (algorithms.aead) {
        return algorithms.aead->name;
    }
    return (algorithms.cipher ? algorithms.cipher->name : "") +
           (algorithms.integrity ? " with " + algorithms.integrity->name : "");
}

std::string words_of(const net::NetlinkAnswer& answer) {
    return net::errno_text(answer.error) + (answer.why.empty() ? "" : " (" + answer.why + ")");
}

}  // namespace

std::string refusal_text(const State& state, const net::NetlinkAnswer& answer) {
    const std::string what = "the kernel took no state for SPI " + hex(state.id.spi) + " to " +
                             state.id.destination.to_string() + ": " + words_of(answer);
    if (passes(answer.error)) {
        return what + "; the kernel is short of memory for SAs, it is tried again";
    }
    if (is_full(answer.error)) {
        return what + "; a table of the kernel is full, it is tried again";
    }
    if (lacks(answer.error)) {
        return what + "; it lacks ESP or " + names_of(state.algorithms) +
               " (anyswan doctor names the modules), it is tried again";
    }
    switch (answer.error) {
        case EEXIST:
            return what +
                   "; another IKE daemon, or another peer at the same address, has that "
                   "SPI, it is tried again";
        case EPERM:
            return what + "; the daemon needs CAP_NET_ADMIN";
        default:
            return what;
    }
}

namespace {

class NetlinkChannel final : public Channel {
public:
    NetlinkChannel(net::NetlinkSocket requests, net::NetlinkSocket questions)
        : requests_(std::move(requests)), questions_(std::move(questions)) {}
    std::vector<net::NetlinkAnswer> run(std::span<Secret> requests) override {
        return requests_.run(requests);
    }
    Status ask(Secret request, const std::function<void(ByteView)>& each) override {
        return questions_.ask(std::move(request), each);
    }
    void pause(Duration how_long) override { std::this_thread::sleep_for(how_long); }

private:
    net::NetlinkSocket requests_;
    net::NetlinkSocket questions_;
};

}  // namespace

Result<std::unique_ptr<Channel>> open_channel(int answer_buffer) {
    auto requests = net::NetlinkSocket::open(NETLINK_XFRM, {}, answer_buffer);
    auto questions = net::NetlinkSocket::open(NETLINK_XFRM);
    if (!requests || !questions) {
        const Error& error = !requests ? requests.error() : questions.error();
        return fail("the kernel's IPsec can't be reached: " + error.message +
                    "; load the module xfrm_user, or use dataplane.type = \"userspace\"");
    }
    return std::unique_ptr<Channel>(
        std::make_unique<NetlinkChannel>(std::move(*requests), std::move(*questions)));
}

Result<std::vector<std::uint32_t>> Kernel::load() {
    present_.clear();
    const auto take = [this](ByteView message) {
        auto decoded = decode(message);
        if (!decoded) {
            return;
        }
        if (auto* state = std::get_if<State>(&*decoded); state != nullptr && is_own(state->reqid)) {
            Contents& contents = present_[state->reqid];
            contents.states.emplace(StateId(state->id), std::move(*state));
        } else if (auto* policy = std::get_if<Policy>(&*decoded);
                   policy != nullptr && is_own(policy->required.reqid)) {
            present_[policy->required.reqid].policies.emplace(policy->id, *policy);
        }
    };
    Status asked = channel_->ask(encode_dump_states(), take);
    if (asked) {
        asked = channel_->ask(encode_dump_policies(), take);
    }
    if (!asked) {
        return fail("read the kernel's SAs: " + asked.error().message);
    }
    std::vector<std::uint32_t> numbers;
    for (const auto& [number, contents] : present_) {
        numbers.push_back(number);
    }
    return numbers;
}

const Contents& Kernel::present(std::uint32_t number) const {
    static const Contents nothing;
    const auto found = present_.find(number);
    return found == present_.end() ? nothing : found->second;
}

Job Kernel::plan(std::uint32_t number, Contents wanted) const {
    Job job;
    job.number = number;
    job.wanted = std::move(wanted);
    job.steps = diff(present(number), job.wanted);
    return job;
}

void Kernel::count(int error, Kind kind) {
    if (error == 0) {
        return;
    }
    ++counts_["netlink_errors"];
    if (error == EEXIST) {
        ++counts_["netlink_eexist"];
    } else if (error == ESRCH || (error == ENOENT && kind == Kind::change)) {
        ++counts_["netlink_esrch"];
    } else if (passes(error)) {
        ++counts_["netlink_enobufs"];
    } else if (is_full(error)) {
        ++counts_["netlink_full"];
    } else {
        ++counts_[lacks(error) && kind == Kind::add ? "netlink_unsupported" : "netlink_refused"];
    }
}

/// Runs all; what may pass is tried again, a little later each time.
std::vector<net::NetlinkAnswer> Kernel::run(std::vector<Secret>& requests, Kind kind) {
    std::vector<net::NetlinkAnswer> answers = channel_->run(requests);
    counts_["netlink_requests"] += requests.size();
    for (int again = 1; again < tries_max; ++again) {
        std::vector<std::size_t> indices;
        std::vector<Secret> retries;
        for (std::size_t i = 0; i < answers.size(); ++i) {
            if (passes(answers[i].error)) {
                indices.push_back(i);
                retries.push_back(requests[i].clone());
            }
        }
        if (retries.empty()) {
            break;
        }
        counts_["netlink_retries"] += retries.size();
        channel_->pause(std::chrono::milliseconds(1 << again));
        const auto second = channel_->run(retries);
        for (std::size_t i = 0; i < second.size(); ++i) {
            answers[indices[i]] = second[i];
        }
    }
    for (const net::NetlinkAnswer& answer : answers) {
        count(answer.error, kind);
    }
    return answers;
}

/// The id is taken. By ourselves (a request whose answer was lost, a leftover): go on with it, or
/// replace it.
net::NetlinkAnswer Kernel::add_again(const State& state) {
    const std::optional<State> there = read(state.id, state.source);
    if (!there || !is_own(there->reqid) ||
        (there->reqid != state.reqid && present(there->reqid).states.contains(state.id))) {
        return {EEXIST, ""};
    }
    std::vector<Secret> requests;
    if (!same_instance(*there, state)) {
        ++counts_["netlink_replaced"];
        requests.push_back(encode_delete(there->id, there->source, there->mark));
        requests.push_back(encode_add(state));
    } else if (there->replay.sent < state.replay.sent) {
        // Forward only (N1); the numbers between may be another sender's (N2).
        Replay replay = there->replay;
        replay.sent = state.replay.sent;
        requests.push_back(encode_set_replay(state.id, replay));
        requests.push_back(encode_update(state));
    }
    return requests.empty() ? net::NetlinkAnswer{} : run(requests, Kind::add).back();
}

void Kernel::add_states(std::span<Job> jobs, std::vector<Refusal>& refusals) {
    struct Item {
        Job* job;
        const State* state;
        bool update;
    };
    std::vector<Item> items;
    std::vector<Secret> requests;
    for (Job& job : jobs) {
        for (const State* state : job.steps.add) {
            items.push_back({&job, state, false});
            requests.push_back(encode_add(*state));
        }
        for (const State* state : job.steps.update) {
            items.push_back({&job, state, true});
            requests.push_back(encode_update(*state));
        }
    }
    std::vector<net::NetlinkAnswer> answers = run(requests, Kind::add);
    for (std::size_t i = 0; i < items.size(); ++i) {
        const State& state = *items[i].state;
        Contents& present = present_[items[i].job->number];
        if (answers[i].error == EEXIST) {
            answers[i] = add_again(state);
        }
        if (answers[i].error == 0) {
            present.states.insert_or_assign(StateId(state.id), clone(state));
            continue;
        }
        const bool gone = items[i].update && answers[i].error == ESRCH;
        if (gone) {
            present.states.erase(state.id);
        }
        refusals.push_back({gone              ? Refusal::Kind::gone
                            : items[i].update ? Refusal::Kind::update
                                              : Refusal::Kind::add,
                            items[i].job->number,
                            state.id,
                            {},
                            refusal_text(state, answers[i]),
                            may_succeed_later(answers[i].error)});
    }
}

void Kernel::put_policies(std::span<Job> jobs, std::vector<Refusal>& refusals) {
    std::vector<std::pair<Job*, const Policy*>> items;
    std::vector<Secret> requests;
    for (Job& job : jobs) {
        for (const Policy* policy : job.steps.policies) {
            items.emplace_back(&job, policy);
            requests.push_back(encode_put(*policy));
        }
    }
    const std::vector<net::NetlinkAnswer> answers = run(requests, Kind::add);
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto& [job, policy] = items[i];
        if (answers[i].error == 0) {
            present_[job->number].policies.insert_or_assign(policy->id, *policy);
        } else {
            refusals.push_back(
                {Refusal::Kind::policy,
                 job->number,
                 {},
                 *policy,
                 "the kernel took no policy " + policy->id.selector.source.to_string() + " to " +
                     policy->id.selector.destination.to_string() + ": " + words_of(answers[i]) +
                     (may_succeed_later(answers[i].error) ? ", it is tried again" : ""),
                 may_succeed_later(answers[i].error)});
        }
    }
}

std::vector<Refusal> Kernel::strengthen(std::span<Job> jobs) {
    std::vector<Refusal> refusals;
    std::vector<Secret> requests;
    for (const Job& job : jobs) {
        for (const RemoveState& one : job.steps.replace) {
            requests.push_back(encode_delete(one.id, one.source, one.mark));
            present_[job.number].states.erase(one.id);
        }
    }
    (void)run(requests, Kind::change);
    add_states(jobs, refusals);
    put_policies(jobs, refusals);
    return refusals;
}

std::vector<std::uint32_t> Kernel::weaken(std::span<Job> jobs) {
    std::vector<Secret> requests;
    std::vector<std::function<void()>> removed;
    std::vector<std::uint32_t> numbers;
    for (const Job& job : jobs) {
        for (const PolicyId& id : job.steps.remove_policies) {
            requests.push_back(encode_delete(id));
            numbers.push_back(job.number);
            removed.emplace_back([&, id] { present_[job.number].policies.erase(id); });
        }
    }
    for (const Job& job : jobs) {
        for (const RemoveState& one : job.steps.remove_states) {
            requests.push_back(encode_delete(one.id, one.source, one.mark));
            numbers.push_back(job.number);
            removed.emplace_back([&, id = one.id] { present_[job.number].states.erase(id); });
        }
    }
    const std::vector<net::NetlinkAnswer> answers = run(requests, Kind::change);
    std::vector<std::uint32_t> stayed;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (passes(answers[i].error)) {
            stayed.push_back(numbers[i]);
        } else {
            // Or it ended by itself meanwhile: ESRCH, ENOENT. Counted, nothing to do.
            removed[i]();
        }
    }
    for (const Job& job : jobs) {
        if (present(job.number).empty()) {
            present_.erase(job.number);
        }
    }
    return stayed;
}

std::optional<UseReport> Kernel::use(const StateId& id) {
    std::optional<UseReport> report;
    (void)channel_->ask(encode_get_replay(id), [&](ByteView message) {
        auto decoded = decode(message);
        if (auto* found = decoded ? std::get_if<UseReport>(&*decoded) : nullptr) {
            report = std::move(*found);
        }
    });
    return report;
}

std::optional<State> Kernel::read(const StateId& id, const IpAddress& source) {
    std::optional<State> state;
    (void)channel_->ask(encode_get(id, source), [&](ByteView message) {
        auto decoded = decode(message);
        if (auto* found = decoded ? std::get_if<State>(&*decoded) : nullptr) {
            state = std::move(*found);
        }
    });
    return state;
}

bool Kernel::alive(const StateId& id, const IpAddress& source) {
    const auto state = read(id, source);
    return state && (state->algorithms.aead || state->algorithms.cipher);
}

std::optional<UseReport> Kernel::fence(std::uint32_t number, const StateId& id,
                                       std::uint64_t packets) {
    const auto before = use(id);
    const auto found = present_.find(number);
    if (!before || found == present_.end() || !found->second.states.contains(id)) {
        return std::nullopt;
    }
    State& state = found->second.states.at(id);
    state.limits.hard_packets = std::min(state.limits.hard_packets, before->packets + packets);
    state.limits.soft_packets = Limits::none;
    std::vector<Secret> requests;
    requests.push_back(encode_update(state));
    return run(requests, Kind::change).front().error == 0 ? before : std::nullopt;
}

std::optional<UseReport> Kernel::skip_to(const StateId& id, SequenceNumber sent) {
    auto before = use(id);
    if (!before || before->replay.sent > sent) {
        return std::nullopt;
    }
    Replay replay = before->replay;
    replay.sent = sent;
    std::vector<Secret> requests;
    requests.push_back(encode_set_replay(id, replay));
    return run(requests, Kind::change).front().error == 0 ? before : std::nullopt;
}

bool Kernel::set_replay(const StateId& id, const Replay& replay) {
    std::vector<Secret> requests;
    requests.push_back(encode_set_replay(id, replay));
    return run(requests, Kind::change).front().error == 0;
}

void Kernel::set_reports(const StateId& id, const ReportRule& rule) {
    std::vector<Secret> requests;
    requests.push_back(encode_set_reports(id, rule));
    (void)run(requests, Kind::change);
}

void Kernel::forget(std::uint32_t number, const StateId& id) {
    if (const auto found = present_.find(number); found != present_.end()) {
        found->second.states.erase(id);
    }
}

}  // namespace anyswan::dataplane::xfrm
