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

/// What opens the messages of this IKE SA, if it is known.
using FindKeys = std::function<std::optional<ike::ReadingKeys>(ike::SpiPair)>;

class Tracer {
public:
    /// `find` is asked at each protected message: keys come with IKE_SA_INIT, IKE_INTERMEDIATE
    /// brings others. Those of before are kept.
    explicit Tracer(FindKeys find) : find_(std::move(find)) {}

    /// Asks for the keys of these SPIs now: whoever traces live does so before each step of the IKE
    /// SA, which may replace them.
    void learn(ike::SpiPair spis);

    /// The lines of one UDP datagram, each with a newline; "" if there is no IKE in it.
    [[nodiscard]] std::string describe(const wire::pcap::UdpDatagram& datagram);
    /// The same for IKE alone, without the non-ESP marker.
    [[nodiscard]] std::string describe_ike(WallTime at, const Endpoint& from, const Endpoint& to,
                                           ByteView message);

private:
    struct Opener {
        ike::MessageKeys keys;
        ike::MessageProtector initiator;
        ike::MessageProtector responder;
    };
    /// One IKE SA.
    struct Sa {
        std::string tunnel;
        std::vector<Opener> openers;  // the newest first
        /// Fragments of the message under way, by direction (from the initiator or not).
        std::map<bool, std::pair<MessageId, ike::Reassembly>> parts;
    };

    [[nodiscard]] std::vector<std::string> protected_lines(Sa& sa,
                                                           const wire::ike::Message& message,
                                                           ByteView bytes);
    [[nodiscard]] std::vector<std::string> fragment_lines(Sa& sa, const wire::ike::Header& header,
                                                          ByteView bytes);

    FindKeys find_;
    std::map<ike::SpiPair, Sa> sas_;
};

/// The IKE message in a datagram of port 500 or 4500 (either side's), without the non-ESP marker;
/// nothing for ESP and what is neither. Borrowed.
[[nodiscard]] std::optional<ByteView> ike_in(const wire::pcap::UdpDatagram& datagram);

/// "2026-11-23 09:40:39.123456", UTC.
[[nodiscard]] std::string time_text(WallTime at);

/// Keys as Wireshark keeps them in its file ikev2_decryption_table, a line per IKE SA; strongSwan's
/// save-keys plugin writes the same. The error names the line.
using KeyTable = std::map<ike::SpiPair, ike::MessageKeys>;
[[nodiscard]] Result<KeyTable> read_key_table(std::string_view text);

}  // namespace anyswan::trace
