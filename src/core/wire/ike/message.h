// SPDX-License-Identifier: Apache-2.0
// An IKEv2 message (RFC 7296 3.1): fixed header and a chain of payloads.
//
// Two levels. HeaderView reads the 28 header bytes in place, for steering a datagram before
// anything is allocated. Message is the whole as a value: parse() checks every length before use,
// emit() is its inverse. The inside of SK and SKF is a payload chain of its own (parse_chain,
// emit_chain); opening it is the work of core/ike/protect.
#pragma once

#include <vector>

#include "base/result.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::wire::ike {

inline constexpr std::size_t header_size = 28;
inline constexpr std::size_t payload_header_size = 4;

/// RFC 7296 3.1.
struct Header {
    IkeSpi initiator_spi;
    IkeSpi responder_spi;
    std::uint8_t major_version = 2;
    std::uint8_t minor_version = 0;
    ExchangeType exchange{};
    bool from_initiator = false;  // I flag: sent by the original initiator
    bool higher_version = false;  // V flag
    bool response = false;        // R flag
    MessageId message_id;
    bool operator==(const Header&) const = default;
};

/// Why bytes are not an IKEv2 message. Names are metric labels.
enum class ParseError : std::uint8_t {
    too_short,           // fewer than 28 bytes
    length_mismatch,     // the header's Length isn't the datagram's
    major_version,       // not 2
    payload_length,      // a payload's length is below 4 or past the end
    trailing_bytes,      // bytes after the last payload
    body_length,         // a field inside a payload runs past its end, or bytes are left over
    proposal_structure,  // Last Substruc, count or numbering inside SA is wrong
    ts_structure,        // selector length doesn't fit its type, or start > end
    fragment_numbers,    // SKF: number 0, total 0, number > total
    too_many_payloads,   // more than max_payloads in one chain
};
[[nodiscard]] const char* name(ParseError error);

inline constexpr std::size_t max_payloads = 128;

template <class T>
using Parsed = Expected<T, ParseError>;

/// Reads the header alone: length >= 28, Length field equal to the datagram. Doesn't judge
/// versions.
struct HeaderView {
    Header header;
    PayloadType first_payload{};
    static Parsed<HeaderView> read(ByteView datagram);
};

struct Message {
    Header header;
    std::vector<Payload> payloads;

    static Parsed<Message> parse(ByteView datagram);
    [[nodiscard]] Bytes emit() const;

    /// The first payload of a kind, or nullptr; borrowed.
    template <class T>
    [[nodiscard]] const T* find() const {
        return find_in<T>(payloads);
    }
    template <class T>
    [[nodiscard]] static const T* find_in(const std::vector<Payload>& chain) {
        for (const Payload& payload : chain) {
            if (const T* body = std::get_if<T>(&payload.body)) {
                return body;
            }
        }
        return nullptr;
    }
    bool operator==(const Message&) const = default;
};

/// The first Notify of `type` in a chain, or nullptr; borrowed.
[[nodiscard]] const Notify* find_notify(const std::vector<Payload>& chain, NotifyType type);

/// Parses a payload chain that begins with a payload of type `first` (the plaintext of SK/SKF).
[[nodiscard]] Parsed<std::vector<Payload>> parse_chain(PayloadType first, ByteView bytes);
/// The inverse; `first_type` of the chain tells the Next Payload of what precedes it.
[[nodiscard]] Bytes emit_chain(const std::vector<Payload>& payloads);
[[nodiscard]] PayloadType first_type(const std::vector<Payload>& payloads);
/// Header bytes with `next` and the total `length` filled in.
[[nodiscard]] Bytes emit_header(const Header& header, PayloadType next, std::uint32_t length);

}  // namespace anyswan::wire::ike
