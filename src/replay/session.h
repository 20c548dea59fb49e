// SPDX-License-Identifier: Apache-2.0
// What a replay knows at some point of a capture: the IKE SAs with their keys, what was last said
// on each, and the ESP keys. The steps (ike.cc, keys.cc, auth.cc, esp.cc) take one event each,
// check it against this and against our own code, and add what it brings.
#pragma once

#include <optional>

#include "core/ike/int_auth.h"
#include "core/ike/protect.h"
#include "replay/event.h"
#include "replay/report.h"

namespace anyswan::replay {

/// The shared key of every capture (tests/data/captures/README.md).
inline constexpr std::string_view capture_psk = "ikev2 test vector psk 0123456789";

/// A message as it was once it was readable: from IKE_AUTH on, the chain inside SK.
struct Readable {
    wire::ike::Header header;
    ike::OpenedChain chain;
};

/// The last request and response of one kind.
struct Exchange {
    std::optional<Readable> request;
    std::optional<Readable> response;
};

/// The IKE_SA_INIT messages of one initiator SPI, as bytes (AUTH covers them) and as values.
struct Init {
    Bytes request;
    Bytes response;
    Exchange exchange;
};

struct IkeSa {
    ike::SpiPair spis;
    crypto::IkeSuite suite;
    ike::IkeKeys keys;
    Bytes ni, nr;
    ike::IntAuth int_auth;
    /// The exchange that made or makes an SA: IKE_AUTH or CREATE_CHILD_SA.
    Exchange negotiation;
    /// What each side said last: [0] the original responder, [1] the original initiator.
    std::array<std::optional<Readable>, 2> last_from;
    /// Fragments that wait, by response flag and message ID, one map per sender as above.
    std::array<std::map<std::pair<bool, std::uint32_t>, ike::Reassembly>, 2> fragments;
    /// The chain that the last complete set of fragments gave.
    std::optional<Readable> assembled;

    /// Protects what the original initiator (true) or responder sends.
    [[nodiscard]] ike::MessageProtector protector(bool from_initiator) const;
};

struct ChildDirection {
    crypto::CipherSuite suite;
    Bytes encr;
    Bytes integ;
    std::string dir;  // "i->r": from the initiator of the exchange that made the Child SA
};

class Session {
public:
    explicit Session(Report& report) : report_(report) {}

    void step(const Event& event);

private:
    // ike.cc
    void ike(const Event& event);
    void sa_init(const Event& event, Readable readable, ByteView datagram);
    void fragment(const Event& event);
    void retransmit(const Event& event);
    void open_whole(const Event& event, IkeSa& sa, const wire::ike::Message& message,
                    ByteView datagram);
    void remember(IkeSa& sa, Readable readable);
    bool check_datagram(const Event& event, const wire::ike::Message& message, ByteView datagram);
    void check_chain(const Event& event, const ike::OpenedChain& chain);
    // keys.cc
    void derive_ike(const Event& event);
    [[nodiscard]] std::optional<Secret> seed_of(const Event& event, const IkeSa* old_sa);
    void check_origin(const Event& event, const IkeSa* old_sa);
    void check_negotiated(const Event& event, const Exchange& exchange);
    void mix_ppk(IkeSa& sa);
    void derive_child(const Event& event);
    void install(const Event& event, const ike::ChildKeyPair& keys);
    [[nodiscard]] IkeSa* rekeyed_by(const Event& event);
    // auth.cc
    void auth(const Event& event);
    void int_auth(const Event& event);
    // esp.cc
    void esp(const Event& event);

    [[nodiscard]] IkeSa* find(std::uint64_t initiator_spi);

    Report& report_;
    std::map<std::uint64_t, Init> inits_;               // by initiator SPI
    std::map<std::uint64_t, IkeSa> sas_;                // by initiator SPI
    IkeSa* current_ = nullptr;                          // the one that spoke last
    std::map<std::uint64_t, ChildDirection> children_;  // by SPI
    std::vector<Bytes> seen_;                           // every datagram so far
    struct Ppk {
        Bytes ppk, d, pi, pr;
    };
    std::optional<Ppk> ppk_;  // waits for the keys it is mixed into
};

// Helpers of several steps.
[[nodiscard]] crypto::CipherSuite cipher_of(const Event& event);
[[nodiscard]] Bytes nonce_of(const std::optional<Readable>& readable);

}  // namespace anyswan::replay
