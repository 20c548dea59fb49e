// SPDX-License-Identifier: Apache-2.0
// The Encrypted payload (RFC 7296 3.14) and Encrypted Fragments (RFC 7383): a message's payload
// chain to protected datagrams and back. One MessageProtector holds the keys of one direction of
// one IKE SA.
#pragma once

#include <map>
#include <memory>

#include "base/random.h"
#include "core/crypto/crypto.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike {

/// Why a protected message was not accepted.
enum class OpenError : std::uint8_t {
    no_encrypted_payload,  // doesn't end with the payload asked for (SK or SKF)
    bad_outer_chain,       // SK or SKF isn't the last payload, or its own fields make no sense
    too_short,             // less than IV and ICV, or not a multiple of the block
    bad_icv,
    bad_padding,       // Pad Length longer than the plaintext
    bad_inner_chain,   // authentic, but not a payload chain (or one with SK in it): INVALID_SYNTAX
    refused_fragment,  // authentic, but of no use to Reassembly
};
[[nodiscard]] const char* name(OpenError error);

/// Fragments that one message may have, sent or received. At the smallest MTU of IPv4 they carry 35
/// kB, of IPv6 80 kB.
inline constexpr std::uint16_t max_fragments = 64;
/// Plaintext that Reassembly holds for one message: what an SK payload could carry at most.
inline constexpr std::size_t max_reassembled_size = 65535;

/// A decrypted payload chain. `plain` is the chain's bytes, for captures and IntAuth; so are
/// `padding`, without the Pad Length octet (empty for a reassembled message), and `head`: the
/// message from the IKE header to the SK payload's generic header, as received (for a reassembled
/// message that of its first fragment, made one of SK; the lengths in it don't count).
struct OpenedChain {
    wire::ike::PayloadType first{};
    Bytes plain;
    std::vector<wire::ike::Payload> payloads;
    Bytes padding{};
    Bytes head{};
};

/// IntAuth_A | IntAuth_P of a message (RFC 9242 3.3.2): what AUTH covers of an IKE_INTERMEDIATE
/// message, the same whether it came whole or in fragments.
[[nodiscard]] Bytes int_auth_octets(const OpenedChain& chain);

/// One decrypted fragment of a message.
struct OpenedFragment {
    wire::ike::PayloadType first{};  // meaningful in fragment 1
    std::uint16_t number = 1;
    std::uint16_t total = 1;
    Bytes plain;
    Bytes padding{};
    Bytes head{};  // as in OpenedChain
};

class MessageProtector {
public:
    MessageProtector(const crypto::CipherSuite& suite, ByteView sk_e, ByteView sk_a);

    /// Header + SK{payloads}. AEAD ciphers: `iv_counter` is written as the 8-byte IV and must never
    /// repeat under this key (N1: `epoch || counter`); CBC takes its IV from `random`.
    [[nodiscard]] Bytes seal(const wire::ike::Header& header,
                             const std::vector<wire::ike::Payload>& payloads,
                             std::uint64_t iv_counter, Random& random);
    /// The same as SKF fragments of at most `fragment_size` bytes of IKE message each (RFC
    /// 7383 2.5.1); one plain SK message where it fits. Uses iv_counter, iv_counter + 1, ...: one
    /// per datagram. More than max_fragments is our bug (checked).
    [[nodiscard]] std::vector<Bytes> seal_fragments(const wire::ike::Header& header,
                                                    const std::vector<wire::ike::Payload>& payloads,
                                                    std::size_t fragment_size,
                                                    std::uint64_t iv_counter, Random& random);
    /// As `seal`, with a given IV and padding: byte-identical re-emission of captures. `plain`,
    /// `padding` and the Pad Length octet fill whole blocks (checked).
    [[nodiscard]] Bytes seal_with_iv(const wire::ike::Header& header, wire::ike::PayloadType first,
                                     ByteView plain, ByteView iv, ByteView padding);
    /// The same for one fragment.
    [[nodiscard]] Bytes seal_fragment_with_iv(const wire::ike::Header& header,
                                              const OpenedFragment& fragment, ByteView iv);

    /// Opens the SK payload that ends `datagram`.
    [[nodiscard]] Expected<OpenedChain, OpenError> open(ByteView datagram);
    /// Opens the SKF payload that ends `datagram`.
    [[nodiscard]] Expected<OpenedFragment, OpenError> open_fragment(ByteView datagram);

private:
    struct Plain {
        Bytes text;
        Bytes padding;
    };
    [[nodiscard]] Bytes make_iv(std::uint64_t iv_counter, Random& random) const;
    [[nodiscard]] Bytes padding_for(std::size_t plain_size) const;
    [[nodiscard]] Bytes seal_body(Writer prefix, ByteView plain, ByteView iv, ByteView padding);
    [[nodiscard]] Expected<Plain, OpenError> open_body(ByteView aad, Bytes body);

    crypto::CipherSuite suite_;
    std::unique_ptr<crypto::Cipher> cipher_;
};

/// Collects the fragments of one message (RFC 7383 2.6): a higher total replaces a lower one,
/// duplicates are ignored; a lower total, and what goes beyond max_fragments or
/// max_reassembled_size, is refused.
class Reassembly {
public:
    /// Takes an authentic fragment of this message (`number` in 1..`total`, checked). The whole
    /// chain once the last missing one came; nothing before. refused_fragment: what came before
    /// stays.
    [[nodiscard]] std::optional<Expected<OpenedChain, OpenError>> add(OpenedFragment fragment);
    [[nodiscard]] bool empty() const { return parts_.empty(); }

private:
    std::uint16_t total_ = 0;
    wire::ike::PayloadType first_{};
    Bytes head_;
    std::map<std::uint16_t, Bytes> parts_;
    std::size_t bytes_ = 0;
};

}  // namespace anyswan::ike
