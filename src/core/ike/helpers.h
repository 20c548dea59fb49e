// SPDX-License-Identifier: Apache-2.0
// The words of the engine's tests: two engines wired back to back through a scripted network, so
// that a scenario reads as prose. Every datagram that crosses the network is held against two
// invariants: no key and IV twice (N1), no message ID with two contents (N4).
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "core/ike/engine.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike::test {

inline Endpoint at(std::string_view address, std::uint16_t port) {
    return {*IpAddress::parse(address), port};
}
inline IpPrefix net(std::string_view text) {
    return *IpPrefix::parse(text);
}
inline crypto::IkeSuite ike_suite(std::string_view text) {
    return *crypto::parse_ike_suite(text);
}
inline crypto::EspSuite esp_suite(std::string_view text) {
    return *crypto::parse_esp_suite(text);
}

/// Tunnel acme/hq as the fleet has it: customer at 198.51.100.7, anycast address 192.0.2.1.
sa::TunnelRecord fleet_tunnel();
/// The same tunnel from the customer's side.
sa::TunnelRecord customer_tunnel();

class Directory final : public TunnelDirectory {
public:
    std::vector<const sa::TunnelRecord*> by_address(const IpAddress& remote) const override;
    const sa::TunnelRecord* by_id(const sa::TunnelId& id) const override;
    std::vector<sa::TunnelRecord> tunnels;
};

class CountingSpis final : public SpiSource {
public:
    explicit CountingSpis(std::uint32_t first) : next_(first) {}
    std::optional<EspSpi> allocate() override;
    bool dry = false;

private:
    std::uint32_t next_;
};

/// Seeded randomness whose nonces can be steered, so that a test decides which of several is the
/// lowest. As initiator of CREATE_CHILD_SA an engine draws a seed of 32 bytes and takes its nonce
/// from there; as responder it draws the 32 bytes of the nonce at once. The next such draw is
/// repeated until the nonce begins with the wanted two bits. Nothing else draws 32 bytes before it.
class SteeredRandom final : public Random {
public:
    explicit SteeredRandom(std::uint64_t seed) : random_(seed) {}
    /// `rank` 0 to 3: the nonce of the next request of ours, or of our next response.
    void steer_request(std::uint8_t rank) { wanted_.push_back({true, rank}); }
    void steer_response(std::uint8_t rank) { wanted_.push_back({false, rank}); }
    void fill(MutableBytes out) override;

private:
    struct Wanted {
        bool request = false;
        std::uint8_t rank = 0;
    };
    SeededRandom random_;
    std::deque<Wanted> wanted_;
};

/// One engine with what a host would keep: the records it wrote, what it reported.
class Side {
public:
    Side(std::string name, std::uint16_t edge_id, std::uint64_t seed);

    Outputs step(Now now, Input input);
    /// A fresh engine in its place, as after a restart; records and tunnels stay.
    void restart(std::uint16_t edge_id, std::uint64_t seed);

    [[nodiscard]] const sa::IkeSaRecord* ike_sa() const;      // the newest that isn't ended
    [[nodiscard]] const sa::ChildSaRecord* child_sa() const;  // likewise
    [[nodiscard]] std::size_t live_children() const;
    /// Of an established IKE SA, rather one that isn't being rekeyed; 0 if there is none.
    [[nodiscard]] IkeSpi spi() const;
    /// The IKE SAs that are neither ended, ending nor rekeyed.
    [[nodiscard]] std::vector<IkeSaSummary> established() const;
    [[nodiscard]] int count(EventKind kind) const;
    [[nodiscard]] int count(DropReason reason) const;
    /// The text of the last event of a kind, "" if there was none.
    [[nodiscard]] std::string text(EventKind kind) const;
    [[nodiscard]] std::string state() const;  // of the only IKE SA, "none", "several"
    /// How the facts it wrote differ from what its engine has, "" if they don't.
    [[nodiscard]] std::string facts_differ() const;

    std::string name;
    EngineConfig config;
    std::unique_ptr<SteeredRandom> random;
    CountingSpis spis;
    Directory directory;
    std::unique_ptr<Engine> engine;

    std::map<IkeSpi, sa::IkeSaRecord> ike_sas;
    std::map<EspSpi, sa::ChildSaRecord> children;
    std::map<IkeSpi, sa::EndpointRecord> endpoints;
    std::vector<EngineEvent> events;
    std::vector<Dropped> drops;
    std::vector<AddressesWanted> addresses_wanted;
    std::vector<std::string> crls_wanted;
    /// Writes and datagrams of every action, in order, for the tests of publish-before-respond.
    std::vector<Action> actions;
    std::vector<IkeSpi> written_order;

private:
    void keep(const Action& action);
};

/// What the network does to the n-th datagram (from 0) that is given to it.
enum class Fault { none, drop, duplicate, delay_one };

class World {
public:
    explicit World(std::uint64_t seed = 1);
    ~World();

    /// customer: Initiate acme/hq, then everything that follows without waiting.
    void initiate(std::uint16_t port = 500);
    /// The same from the fleet's side.
    void initiate_from_fleet();
    /// The customer is at `local` from now on (port 4500), and knows it; nothing is handed over
    /// yet.
    void move_customer(std::string_view local, std::string_view remote = "192.0.2.1");
    /// Hands over what is on the wire, and what that causes, until nothing is left.
    void deliver();
    /// Time passes; timers of both sides fire when due.
    void wait(Duration time);
    /// The same, but what is sent meanwhile stays on the wire.
    void pass(Duration time);
    /// Until both sides have one established IKE SA, or the time is up.
    void settle(Duration at_most = 120s);
    void tell(Side& side, Input input);
    // One side wants something of its newest SAs; nothing is handed over yet.
    void create_child(Side& side);
    void rekey_child(Side& side);
    void delete_child(Side& side);
    void rekey_ike(Side& side);
    void delete_ike(Side& side);
    void probe(Side& side);
    /// Hands over (or loses) what this side has on the wire now, and nothing that this causes.
    /// Returns how many datagrams that were.
    std::size_t deliver_from(Side& side);
    std::size_t lose_from(Side& side);
    struct Carried {
        Side* from;
        Datagram datagram;  // as sent
    };
    /// Takes what this side has on the wire off it, to be put back later.
    std::deque<Carried> take_from(const Side& side);
    void put_back(const std::deque<Carried>& carried);
    void arrive(const Carried& carried);
    /// The fleet's edge dies; edge `edge_id` wins all its claims, as the store has them, and goes
    /// on.
    void take_over(Side& side, std::uint16_t edge_id);
    /// Puts a datagram on the wire to `to`.
    void inject(Side& to, Datagram datagram);

    /// Both sides have one established IKE SA and one Child SA, with keys that fit.
    [[nodiscard]] bool up() const;
    /// What the two sides don't agree on, "" if nothing: both have the same IKE SAs, the same Child
    /// SAs under each with keys that fit; and each side's facts are what its engine has.
    [[nodiscard]] std::string disagreement() const;
    [[nodiscard]] Now clock() const;
    [[nodiscard]] Side& other(const Side& side);

    Side customer;
    Side fleet;
    std::map<int, Fault> faults;
    /// The customer is behind this address; ports are shifted by `nat_port_shift`.
    std::optional<IpAddress> nat;
    std::uint16_t nat_port_shift = 30000;
    /// Where the customer's packets arrive (inside the NAT, if there is one); what is sent to
    /// another address of it is lost.
    IpAddress customer_address;
    bool cut = false;  // nothing arrives

    std::vector<Carried> trace;  // every datagram ever sent
    bool check_invariants = true;

private:
    bool pass_until_due(Instant end);
    void send(Side& from, const Datagram& datagram);
    void check_datagram(ByteView datagram);
    [[nodiscard]] Datagram translated(const Side& from, Datagram datagram) const;

    Instant instant_{1h};
    std::deque<Carried> wire_;
    std::optional<Carried> delayed_;
    int carried_count_ = 0;
    std::uint64_t takeovers_ = 0;
    std::uint64_t seed_;
    std::map<Bytes, Bytes> by_iv_;
    std::map<Bytes, Bytes> by_message_id_;
};

/// The notify type of an unprotected answer, nothing if it is none.
std::optional<wire::ike::NotifyType> refusal(const Datagram& datagram);

}  // namespace anyswan::ike::test
