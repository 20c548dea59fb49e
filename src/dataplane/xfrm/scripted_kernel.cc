// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/scripted_kernel.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace anyswan::dataplane::xfrm::testing {

namespace {

bool equal(const Secret& a, const Secret& b) {
    return std::ranges::equal(a.reveal(), b.reveal());
}

std::uint16_t type_of(const Secret& message) {
    nlmsghdr header{};
    std::memcpy(&header, message.reveal().data(), sizeof header);
    return header.nlmsg_type;
}

/// decode() knows what the kernel sends: updates come from it as what they update.
std::optional<FromKernel> decode_as(const Secret& message, std::uint16_t type) {
    Bytes bytes = to_bytes(message.reveal());
    std::memcpy(bytes.data() + offsetof(nlmsghdr, nlmsg_type), &type, sizeof type);
    return decode(bytes);
}

class ScriptedChannel final : public Channel {
public:
    explicit ScriptedChannel(Script& script) : script_(script) {}

    std::vector<net::NetlinkAnswer> run(std::span<Secret> requests) override {
        std::vector<net::NetlinkAnswer> answers;
        for (const Secret& request : requests) {
            script_.requests.push_back(type_of(request));
            answers.push_back(answer(request));
        }
        return answers;
    }

    Status ask(Secret request, const std::function<void(ByteView)>& each) override {
        const bool dump_states = equal(request, encode_dump_states());
        const bool dump_policies = equal(request, encode_dump_policies());
        bool found = dump_states || dump_policies;
        for (const auto& [id, state] : script_.states) {
            if (dump_states || equal(request, encode_get(id, state.source))) {
                each(encode_add(state).reveal());
                found = true;
            } else if (equal(request, encode_get_replay(id))) {
                each(encode_set_replay(id, state.replay).reveal());
                found = true;
            }
        }
        for (const auto& [id, policy] : script_.policies) {
            if (dump_policies) {
                Bytes bytes = to_bytes(encode_put(policy).reveal());
                const std::uint16_t type = XFRM_MSG_NEWPOLICY;
                std::memcpy(bytes.data() + offsetof(nlmsghdr, nlmsg_type), &type, sizeof type);
                each(bytes);
            }
        }
        return found ? Status{} : fail("No such process");
    }

    void pause(Duration how_long) override { script_.pauses.push_back(how_long); }

private:
    net::NetlinkAnswer answer(const Secret& request) {
        const std::uint16_t type = type_of(request);
        for (Fault& fault : script_.faults) {
            const bool fits = fault.type == type && fault.times > 0 &&
                              (!fault.spi || fault.spi == spi_of(request));
            if (fits) {
                --fault.times;
                if (fault.done) {
                    (void)execute(request, type);
                }
                return {fault.error, fault.why};
            }
        }
        return {execute(request, type), ""};
    }

    static std::optional<EspSpi> spi_of(const Secret& request) {
        const auto decoded = decode_as(request, XFRM_MSG_NEWSA);
        const auto* state = decoded ? std::get_if<State>(&*decoded) : nullptr;
        return state == nullptr ? std::nullopt : std::optional(state->id.spi);
    }

    int execute(const Secret& request, std::uint16_t type) {
        switch (type) {
            case XFRM_MSG_NEWSA:
                return put_state(std::get<State>(*decode_as(request, type)), false);
            case XFRM_MSG_UPDSA:
                return put_state(std::get<State>(*decode_as(request, XFRM_MSG_NEWSA)), true);
            case XFRM_MSG_UPDPOLICY: {
                auto policy = std::get<Policy>(*decode_as(request, XFRM_MSG_NEWPOLICY));
                script_.policies.insert_or_assign(policy.id, policy);
                return 0;
            }
            case XFRM_MSG_NEWAE:
                return set_replay(std::get<UseReport>(*decode_as(request, type)));
            case XFRM_MSG_DELSA:
                return std::erase_if(
                           script_.states,
                           [&](const auto& entry) {
                               return equal(request, encode_delete(entry.first, entry.second.source,
                                                                   entry.second.mark));
                           }) > 0
                           ? 0
                           : ESRCH;
            case XFRM_MSG_DELPOLICY:
                return std::erase_if(script_.policies,
                                     [&](const auto& entry) {
                                         return equal(request, encode_delete(entry.first));
                                     }) > 0
                           ? 0
                           : ENOENT;
            default:
                return EINVAL;
        }
    }

    int put_state(State state, bool update) {
        const auto found = script_.states.find(state.id);
        if ((found != script_.states.end()) != update) {
            return update ? ESRCH : EEXIST;
        }
        if (update) {
            found->second.limits = state.limits;
        } else {
            const StateId id = state.id;
            script_.states.emplace(id, std::move(state));
        }
        return 0;
    }

    int set_replay(const UseReport& report) {
        const auto found = script_.states.find(report.id);
        if (found == script_.states.end()) {
            return ESRCH;
        }
        if (report.replay.window != 0) {  // else it is about reports alone
            found->second.replay = report.replay;
        }
        return 0;
    }

    Script& script_;
};

}  // namespace

std::size_t Script::count(std::uint16_t type) const {
    return static_cast<std::size_t>(std::ranges::count(requests, type));
}

std::unique_ptr<Channel> make_channel(Script& script) {
    return std::make_unique<ScriptedChannel>(script);
}

}  // namespace anyswan::dataplane::xfrm::testing
