// SPDX-License-Identifier: Apache-2.0
// A message as raw as it can be written: every octet of header, payloads, Encrypted payload and
// fragments is the author's. Opened from a true message with the keys of its IKE SA, altered, and
// closed again with an ICV that is right, so that what is wrong is the one thing under test.
#pragma once

#include "core/crypto/crypto.h"
#include "core/ike/keys.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike::test {

struct RawPayload {
    wire::ike::PayloadType type{};
    std::uint8_t flags = 0;  // 0x80: critical
    Bytes body;
    /// Payload Length, if it isn't the truth.
    std::optional<std::uint16_t> length = {};
};

/// Part of the plaintext as one Encrypted Fragment (RFC 7383 2.5).
struct RawFragment {
    std::uint16_t number = 1;
    std::uint16_t total = 1;
    std::size_t from = 0;
    std::size_t to = SIZE_MAX;
};

/// How the payloads are protected.
struct Wrapping {
    bool protect = true;
    std::vector<RawPayload> before;  // in clear, before SK
    std::vector<RawPayload> after;   // in clear, behind SK
    std::optional<Bytes> body;       // instead of IV, ciphertext and ICV
    std::optional<std::uint16_t> sk_length;
    Bytes padding;
    std::optional<std::uint8_t> pad_length;
    bool damage_icv = false;
    bool damage_text = false;
    /// Sealed with the keys of the other direction.
    bool keys_of_receiver = false;
    std::vector<RawFragment> fragments;
    /// Added to the Length of the header.
    std::int32_t length_plus = 0;
};

struct Draft {
    Bytes header;  // 28 octets; Next Payload and Length are filled in
    std::vector<RawPayload> payloads;
    /// Next Payload of the last one, if it announces more than there is.
    wire::ike::PayloadType behind{};
    Wrapping wrapping;
    /// Written over the header last: offset, octets.
    std::vector<std::pair<std::size_t, Bytes>> patches;

    [[nodiscard]] RawPayload* find(wire::ike::PayloadType type);
};

/// The keys of one IKE SA: closes and opens in both directions.
class Sealer {
public:
    explicit Sealer(MessageKeys keys) : keys_(std::move(keys)) {}
    /// A true datagram in one piece, protected or not; nothing if it doesn't open with these keys.
    [[nodiscard]] std::optional<Draft> open(ByteView datagram) const;
    /// One datagram, or one per fragment.
    [[nodiscard]] std::vector<Bytes> close(const Draft& draft);
    /// What is inside of an answer; nothing if it isn't protected with these keys.
    [[nodiscard]] std::optional<std::vector<wire::ike::Payload>> read(ByteView datagram) const;

private:
    struct Text {
        Bytes prefix;  // associated data
        Bytes plain;
        Bytes padding;
        std::uint8_t pad_length = 0;
    };
    [[nodiscard]] Bytes seal(const Text& text, bool from_initiator, const Wrapping& wrapping);
    [[nodiscard]] Bytes close_one(const Draft& draft, ByteView plain, const RawFragment* fragment);
    [[nodiscard]] std::unique_ptr<crypto::Cipher> cipher(bool of_initiator) const;

    MessageKeys keys_;
    std::uint64_t next_iv_ = 0xfe00000000;
};

/// A chain of payloads by its generic headers alone (RFC 7296 3.2).
[[nodiscard]] std::vector<RawPayload> read_raw(wire::ike::PayloadType first, ByteView bytes);
[[nodiscard]] Bytes write_raw(const std::vector<RawPayload>& payloads,
                              wire::ike::PayloadType behind = {});

}  // namespace anyswan::ike::test
