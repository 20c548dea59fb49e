// SPDX-License-Identifier: Apache-2.0
// The kernel's IPsec as the driver uses it: brings states and policies of tunnels to what they
// should be, retries what may succeed, words what can't. Knows what of ours is there, from a dump
// at the start and from what it did since.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "dataplane/xfrm/contents.h"
#include "net/netlink_socket.h"

namespace anyswan::dataplane::xfrm {

/// One tunnel's work: where it should be, and how to get there.
struct Job {
    std::uint32_t number = 0;  // the tunnel's
    Contents wanted;
    Steps steps;
};

/// What the kernel refused.
struct Refusal {
    std::uint32_t number = 0;
    std::optional<StateId> state;  // or a policy
    std::string why;
    bool gone = false;   // a live state wasn't there any more
    bool again = false;  // it may succeed later
};

class Kernel {
public:
    static Result<Kernel> open(int answer_buffer = net::netlink_buffer);

    /// Reads what is there; ours is what its number says. Returns the numbers of tunnels.
    Result<std::vector<std::uint32_t>> load();
    [[nodiscard]] const Contents& present(std::uint32_t number) const;

    /// Plans the steps from what is there to `wanted`.
    [[nodiscard]] Job plan(std::uint32_t number, Contents wanted) const;
    /// Adds and changes. Then routes may lead packets there.
    std::vector<Refusal> strengthen(std::span<Job> jobs);
    /// Removes. Before it, routes must not lead packets there any more.
    void weaken(std::span<Job> jobs);

    /// Sequence numbers and use of a state; nothing if it isn't there.
    [[nodiscard]] std::optional<UseReport> use(const StateId& id);
    /// Whether the state is there with its keys: the kernel puts a stand-in into the place of one
    /// that a packet wanted in vain.
    [[nodiscard]] bool alive(const StateId& id, const IpAddress& source);
    /// N2: lets the outbound state use at most `packets` more packets' worth of numbers, and
    /// returns what it had used before. After that many, it ends.
    [[nodiscard]] std::optional<UseReport> fence(std::uint32_t number, const StateId& id,
                                                 std::uint64_t packets);
    /// Sets the last used number of an outbound state, forward; returns its use just before.
    [[nodiscard]] std::optional<UseReport> skip_to(const StateId& id, SequenceNumber sent);
    void set_reports(const StateId& id, const ReportRule& rule);
    /// The kernel ended the state by itself.
    void forget(std::uint32_t number, const StateId& id);

    /// "netlink_requests", "netlink_retries", "netlink_eexist", ...
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

private:
    explicit Kernel(net::NetlinkSocket requests, net::NetlinkSocket questions);
    [[nodiscard]] std::vector<net::NetlinkAnswer> run(std::vector<Secret>& requests);
    void add_states(std::span<Job> jobs, std::vector<Refusal>& refusals);
    void put_policies(std::span<Job> jobs, std::vector<Refusal>& refusals);
    [[nodiscard]] net::NetlinkAnswer add_again(const State& state);
    [[nodiscard]] std::optional<State> read(const StateId& id, const IpAddress& source);

    net::NetlinkSocket requests_;
    net::NetlinkSocket questions_;
    std::unordered_map<std::uint32_t, Contents> present_;
    std::map<std::string, std::uint64_t> counts_;
};

/// The operator's sentence for a refused state.
[[nodiscard]] std::string refusal_text(const State& state, const net::NetlinkAnswer& answer);

}  // namespace anyswan::dataplane::xfrm
