// SPDX-License-Identifier: Apache-2.0
// The kernel's IPsec as the driver uses it: brings states and policies of tunnels to what they
// should be, retries what may succeed, words what can't. Knows what of ours is there, from a dump
// at the start and from what it did since.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/time.h"
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
    enum class Kind : std::uint8_t {
        add,     // a state that isn't there
        update,  // of a live state, which goes on as it was
        gone,    // the state to be updated isn't there any more
        policy
    };
    Kind kind = Kind::add;
    std::uint32_t number = 0;
    StateId state;    // not for policies
    Policy policy{};  // for policies alone
    std::string why;
    bool again = false;  // it may succeed later
};

/// The way to the kernel. Tests put a scripted kernel behind it.
class Channel {
public:
    Channel() = default;
    virtual ~Channel() = default;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    /// One answer each, as of net::NetlinkSocket::run().
    [[nodiscard]] virtual std::vector<net::NetlinkAnswer> run(std::span<Secret> requests) = 0;
    virtual Status ask(Secret request, const std::function<void(ByteView)>& each) = 0;
    /// Waits, before something is tried again.
    virtual void pause(Duration how_long) = 0;
};
/// Over netlink. `answer_buffer`: bytes of answers that may wait unread.
[[nodiscard]] Result<std::unique_ptr<Channel>> open_channel(
    int answer_buffer = net::netlink_buffer);

class Kernel {
public:
    explicit Kernel(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

    /// Reads what is there; ours is what its number says. Returns the numbers of tunnels.
    Result<std::vector<std::uint32_t>> load();
    [[nodiscard]] const Contents& present(std::uint32_t number) const;

    /// Plans the steps from what is there to `wanted`.
    [[nodiscard]] Job plan(std::uint32_t number, Contents wanted) const;
    /// Adds and changes. Then routes may lead packets there.
    std::vector<Refusal> strengthen(std::span<Job> jobs);
    /// Removes. Before it, routes must not lead packets there any more. Returns the tunnels of
    /// which something couldn't be removed now.
    [[nodiscard]] std::vector<std::uint32_t> weaken(std::span<Job> jobs);

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
    /// Replaces a live state's numbers and window; false: refused.
    bool set_replay(const StateId& id, const Replay& replay);
    void set_reports(const StateId& id, const ReportRule& rule);
    /// The kernel ended the state by itself.
    void forget(std::uint32_t number, const StateId& id);

    /// "netlink_requests", "netlink_retries"; "netlink_errors" and, by kind, "netlink_enobufs",
    /// "netlink_full", "netlink_eexist", "netlink_esrch", "netlink_unsupported", "netlink_refused".
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

private:
    enum class Kind : std::uint8_t { add, change };
    [[nodiscard]] std::vector<net::NetlinkAnswer> run(std::vector<Secret>& requests, Kind kind);
    void count(int error, Kind kind);
    void add_states(std::span<Job> jobs, std::vector<Refusal>& refusals);
    void put_policies(std::span<Job> jobs, std::vector<Refusal>& refusals);
    [[nodiscard]] net::NetlinkAnswer add_again(const State& state);
    [[nodiscard]] std::optional<State> read(const StateId& id, const IpAddress& source);

    std::unique_ptr<Channel> channel_;
    std::unordered_map<std::uint32_t, Contents> present_;
    std::map<std::string, std::uint64_t> counts_;
};

/// The operator's sentence for a refused state.
[[nodiscard]] std::string refusal_text(const State& state, const net::NetlinkAnswer& answer);

}  // namespace anyswan::dataplane::xfrm
