// SPDX-License-Identifier: Apache-2.0
// Tunnels, SAs, routes and sequence grants as the edge gave them, and what the kernel should have
// because of them. Pure.
//
// A tunnel has a number, which is its reqid and (with an xfrm interface) its if_id. An SA has an
// inbound state from the start, an outbound one while it may use sequence numbers. The outbound
// policies name the SPI of the best SA that may be sent on, so a rekey switches by replacing a
// policy, which is atomic.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "base/time.h"
#include "dataplane/driver.h"
#include "dataplane/xfrm/contents.h"
#include "dataplane/xfrm/translate.h"

namespace anyswan::dataplane::xfrm {

/// How tunnels and routing domains are told apart in this kernel.
enum class Mode : std::uint8_t {
    interface,  // one xfrm interface; routes carry the tunnel's if_id
    policies    // no such interface: policies pick the tunnel by selector, domains by mark
};

struct ModelOptions {
    Mode mode = Mode::interface;
    /// In mode `policies`: packets of any mark may enter (the host's own; a single domain).
    bool unmarked = false;
    /// Sequence numbers that one counted packet can use: more than 1 if the kernel segments late.
    std::uint32_t numbers_per_packet = 1;
};

/// Sequence numbers that the outbound state may use. The kernel's count of packets, from the
/// state's start, stands for them.
struct OutboundNumbers {
    std::uint64_t start = 0;      // the number before the state's first
    std::uint64_t last = 0;       // the highest that may be used
    std::uint64_t soft_left = 0;  // so many before the last it asks for more
    bool endless = false;         // the peer doesn't check: no limit
};

struct Tunnel;

struct Sa {
    sa::ChildSaRecord record;
    Tunnel* tunnel = nullptr;
    Endpoint local;
    Endpoint remote;
    Endpoint first_remote;  // as the inbound state has it
    bool udp_encapsulation = false;
    bool behind_nat = false;  // as in InstallSa
    SendOn send_on{};         // likewise
    Algorithms in_algorithms, out_algorithms;
    std::vector<Selector> out_selectors, in_selectors;
    std::uint64_t age_s = 0;  // of the kernel's own limit; 0: none
    std::optional<OutboundNumbers> numbers;
    std::optional<Replay> inbound_replay;  // what an earlier inbound state of it has seen
    bool waits = false;                    // others go first until a packet came in
    std::optional<Instant> waits_until;    // if it replaces none: or until then
    std::optional<Instant> draining_until;
    bool refused = false;  // the kernel didn't take it: it has no states
    bool mute = false;     // nor what sending on it needs, but it receives

    [[nodiscard]] StateId inbound_id() const { return {local.address, record.inbound_spi}; }
    [[nodiscard]] StateId outbound_id() const { return {remote.address, record.outbound_spi}; }
    [[nodiscard]] bool may_send() const { return numbers && !draining_until && !refused && !mute; }
};

struct Domain {
    std::string account;
    std::uint32_t table = 0;  // routing table, and the mark of packets that came out of tunnels
    std::map<IpPrefix, std::set<Tunnel*>> prefixes;
};

struct Tunnel {
    sa::TunnelId id;
    Domain* domain = nullptr;
    std::uint32_t number = 0;
    std::vector<Sa*> best_first;
    std::set<IpPrefix> prefixes;
};

class Model {
public:
    explicit Model(const ModelOptions& options) : options_(options) {}

    Domain& add_domain(const std::string& account);
    void remove_domain(const std::string& account);
    [[nodiscard]] Domain* find_domain(const std::string& account) const;

    /// The tunnel, made if it is new; its domain is there (checked).
    Tunnel& tunnel(const sa::TunnelId& id);
    [[nodiscard]] Tunnel* find_tunnel(const sa::TunnelId& id) const;
    [[nodiscard]] Tunnel* find_number(std::uint32_t number) const;
    /// Forgets it if it has neither SAs nor routes.
    void release(Tunnel& tunnel);

    /// Null in the result: it was installed before. Fails with the reason to tell the operator.
    Result<Sa*> install(const InstallSa& change, WallTime now);
    void remove(EspSpi spi);
    [[nodiscard]] Sa* find(EspSpi spi) const;
    [[nodiscard]] Sa* find_outbound(const StateId& id) const;
    [[nodiscard]] std::vector<Sa*> of_ike_sa(IkeSpi spi) const;
    /// Moves the SA in the outbound index, too.
    void move(Sa& sa, const Endpoint& local, const Endpoint& remote, bool udp_encapsulation);
    [[nodiscard]] std::size_t size() const { return sas_.size(); }

    /// The SAs to send on, best first.
    [[nodiscard]] std::vector<Sa*> senders(const Tunnel& tunnel) const;
    /// Which tunnel carries packets for a prefix now; null: none can.
    [[nodiscard]] Tunnel* carrier(const Domain& domain, const IpPrefix& prefix) const;
    [[nodiscard]] Contents wanted(const Tunnel& tunnel) const;
    [[nodiscard]] State inbound_state(const Sa& sa) const;
    [[nodiscard]] State outbound_state(const Sa& sa) const;

    [[nodiscard]] const std::map<std::string, std::unique_ptr<Domain>>& domains() const {
        return domains_;
    }
    [[nodiscard]] const std::map<sa::TunnelId, std::unique_ptr<Tunnel>>& tunnels() const {
        return tunnels_;
    }
    [[nodiscard]] const ModelOptions& options() const { return options_; }

private:
    /// What the states of both directions have in common.
    [[nodiscard]] State common_state(const Sa& sa) const;
    void add_policies(const Sa& sa, std::uint32_t rank, bool sender, Contents& contents) const;

    ModelOptions options_;
    std::map<std::string, std::unique_ptr<Domain>> domains_;
    std::set<std::uint32_t> tables_;
    std::map<sa::TunnelId, std::unique_ptr<Tunnel>> tunnels_;
    std::unordered_map<std::uint32_t, Tunnel*> by_number_;
    std::unordered_map<EspSpi, std::unique_ptr<Sa>> sas_;
    std::map<StateId, Sa*> by_outbound_;
    std::unordered_map<IkeSpi, std::vector<Sa*>> by_ike_spi_;
};

}  // namespace anyswan::dataplane::xfrm
