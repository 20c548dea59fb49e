// SPDX-License-Identifier: Apache-2.0
// Turns a stream of datagrams seen on the wire into text, opening what is protected with the keys
// that it is given. It watches: no SA's state depends on it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/ike/keys.h"
#include "core/ike/protect.h"
#include "core/wire/pcap/pcap.h"

namespace anyswan::trace {

/// What opens the messages of one IKE SA.
struct Keys {
    crypto::CipherSuite cipher;
    Secret sk_ei, sk_er, sk_ai, sk_ar;  // sk_a* empty with an AEAD
};

class Tracer {
public:
    /// Asked once per IKE SA, and again while it knows nothing: keys exist only after IKE_SA_INIT.
    using FindKeys = std::function<std::optional<Keys>(ike::SpiPair)>;
    explicit Tracer(FindKeys find) : find_(std::move(find)) {}

    /// The lines of one UDP datagram, each with a newline; "" for ESP and what is neither. IKE is
    /// looked for on ports 500 and 4500 of either side.
    [[nodiscard]] std::string describe(const wire::pcap::UdpDatagram& datagram);
    /// The same for IKE alone, without the non-ESP marker.
    [[nodiscard]] std::string describe_ike(WallTime at, const Endpoint& from, const Endpoint& to,
                                           ByteView message);

private:
    struct Opener {
        ike::MessageProtector initiator;
        ike::MessageProtector responder;
        /// Fragments of the message under way, by direction (from the initiator or not).
        std::map<bool, std::pair<MessageId, ike::Reassembly>> parts;
    };
    using Id = std::pair<IkeSpi, IkeSpi>;

    Opener* opener_of(ike::SpiPair spis);
    std::vector<std::string> protected_lines(const wire::ike::Message& message, ByteView bytes);

    FindKeys find_;
    std::map<Id, Opener> openers_;
};

/// "2026-11-23 09:40:39.123456", UTC.
[[nodiscard]] std::string time_text(WallTime at);

/// Keys as Wireshark keeps them in its file ikev2_decryption_table, a line per IKE SA; strongSwan's
/// save-keys plugin writes the same. The error names the line.
[[nodiscard]] Result<std::map<std::pair<IkeSpi, IkeSpi>, Keys>> read_key_table(
    std::string_view text);

}  // namespace anyswan::trace
