// SPDX-License-Identifier: Apache-2.0
// The protected channel of one IKE SA: its keys, both directions' protectors, the IV counter and
// the collection of fragments. Exists from IKE_SA_INIT on, when SK_* are known.
//
// N1: an AEAD IV is `epoch (32 bits) || counter (32 bits)`. A takeover raises the epoch, so a
// successor may start at any counter; within an epoch the counter never goes back. Retransmissions
// are the same bytes and take no IV. The two directions have different keys.
//
// Epoch 0 belongs to no owner: it is for the empty INFORMATIONAL response, under the IV
// `0 || message ID`. All owners make the same bytes of it, so it needs no counter that the store
// would have to know (see window.h), and a liveness check answered twice, by two edges, has one
// answer (N4).
#pragma once

#include <optional>

#include "core/ike/keys.h"
#include "core/ike/limits.h"
#include "core/ike/protect.h"

namespace anyswan::ike {

/// IP fragmentation of IKE messages (RFC 7383): only towards peers that said they support it.
enum class Fragmentation : std::uint8_t { unsupported, supported };

class Channel {
public:
    struct Setup {
        crypto::IkeSuite suite;
        IkeKeys keys;
        bool we_initiated = false;
        Epoch epoch;
        std::uint64_t next_iv = 0;
    };
    explicit Channel(Setup setup);

    /// Protects one message; several datagrams if it must be fragmented.
    [[nodiscard]] std::vector<Bytes> seal(const wire::ike::Header& header,
                                          const std::vector<wire::ike::Payload>& payloads,
                                          Fragmentation fragmentation, Random& random);
    /// Opens a datagram of the peer. Nothing: an authentic fragment, more are needed.
    using Opened = Expected<std::optional<OpenedChain>, OpenError>;
    [[nodiscard]] Opened open(const wire::ike::HeaderView& view, ByteView datagram);
    /// Whether a datagram of the peer is authentic, without collecting anything; the fragment
    /// number (1 for a whole message) if so.
    [[nodiscard]] Expected<std::uint16_t, OpenError> verify(const wire::ike::HeaderView& view,
                                                            ByteView datagram);
    /// Reads a message of our own back (a request from a claim).
    [[nodiscard]] std::optional<OpenedChain> read_own(const std::vector<Bytes>& datagrams) const;

    /// RFC 8784: the keys that Child SAs and AUTH follow from, after a PPK was mixed in. Those that
    /// protect messages stay.
    void use_ppk(const sa::Ppk& ppk);

    [[nodiscard]] const crypto::IkeSuite& suite() const { return setup_.suite; }
    [[nodiscard]] const IkeKeys& keys() const { return setup_.keys; }
    [[nodiscard]] Epoch epoch() const { return setup_.epoch; }
    [[nodiscard]] std::uint64_t next_iv() const { return setup_.next_iv; }

private:
    /// Fragments of one message, in either direction of the exchange.
    struct Parts {
        MessageId id;
        Reassembly reassembly;
    };
    Setup setup_;
    MessageProtector ours_;
    MessageProtector peers_;
    Parts request_parts_;
    Parts response_parts_;
};

}  // namespace anyswan::ike
