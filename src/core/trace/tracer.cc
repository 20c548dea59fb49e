// SPDX-License-Identifier: Apache-2.0
#include "core/trace/tracer.h"

#include "core/trace/message_text.h"
#include "core/wire/esp/esp.h"

namespace anyswan::trace {

using wire::ike::Message;

namespace {

constexpr std::uint16_t ike_port = 500;
constexpr std::uint16_t natt_port = 4500;
// IKE SAs whose keys are kept; beyond that all are asked for anew.
constexpr std::size_t sas_max = 4096;

bool on_port(const wire::pcap::UdpDatagram& datagram, std::uint16_t port) {
    return datagram.from.port == port || datagram.to.port == port;
}

std::string line(const std::string& text) {
    return "    " + text + "\n";
}

bool is_protected(const Message& message) {
    return message.find<wire::ike::Encrypted>() != nullptr ||
           message.find<wire::ike::EncryptedFragment>() != nullptr;
}

std::string not_readable(ike::OpenError error) {
    return std::string("not readable with the keys at hand: ") + name(error);
}

/// What opens the messages of the header's sender.
template <class Opener>
ike::MessageProtector& sender_of(Opener& opener, const wire::ike::Header& header) {
    return header.from_initiator ? opener.initiator : opener.responder;
}

std::vector<std::string> inner_lines(const Expected<ike::OpenedChain, ike::OpenError>& opened) {
    if (!opened) {
        return {not_readable(opened.error())};
    }
    std::vector<std::string> lines = payload_lines(opened->payloads);
    if (lines.empty()) {
        lines.emplace_back("no payloads");
    }
    return lines;
}

}  // namespace

std::optional<ByteView> ike_in(const wire::pcap::UdpDatagram& datagram) {
    const ByteView payload = datagram.payload;
    if (on_port(datagram, natt_port)) {
        return wire::esp::classify_natt(payload) == wire::esp::Natt::ike
                   ? std::optional(payload.subspan(wire::esp::non_esp_marker_size))
                   : std::nullopt;
    }
    return on_port(datagram, ike_port) ? std::optional(payload) : std::nullopt;
}

std::string Tracer::describe(const wire::pcap::UdpDatagram& datagram) {
    const std::optional<ByteView> message = ike_in(datagram);
    return message ? describe_ike(datagram.at, datagram.from, datagram.to, *message) : "";
}

std::string Tracer::describe_ike(WallTime at, const Endpoint& from, const Endpoint& to,
                                 ByteView bytes) {
    std::string text = time_text(at) + "  " + from.to_string() + " > " + to.to_string() + "  ";
    const auto message = Message::parse(bytes);
    if (!message) {
        return text + "not IKEv2: " + name(message.error()) + " (" + std::to_string(bytes.size()) +
               " octets)\n";
    }
    const ike::SpiPair spis{message->header.initiator_spi, message->header.responder_spi};
    learn(spis);
    const auto sa = sas_.find(spis);
    text += headline(message->header) + " (" + std::to_string(bytes.size()) + " octets)" +
            (sa == sas_.end() || sa->second.tunnel.empty() ? "" : ", tunnel " + sa->second.tunnel) +
            "\n";
    for (const std::string& payload : payload_lines(message->payloads)) {
        text += line(payload);
    }
    if (!is_protected(*message)) {
        return text;
    }
    if (sa == sas_.end()) {
        return text + line("  no keys for these SPIs: an IKE SA of somebody else, or ended");
    }
    for (const std::string& inner : protected_lines(sa->second, *message, bytes)) {
        text += line("  " + inner);
    }
    return text;
}

void Tracer::learn(ike::SpiPair spis) {
    std::optional<ike::ReadingKeys> found = find_(spis);
    if (!found) {
        return;
    }
    if (sas_.size() >= sas_max && !sas_.contains(spis)) {
        sas_.clear();
    }
    Sa& sa = sas_[spis];
    if (found->tunnel) {
        sa.tunnel = found->tunnel->to_string();
    }
    if (sa.openers.empty() || sa.openers.front().keys != found->keys) {
        const ike::MessageKeys& keys = found->keys;
        Opener opener{keys.clone(),
                      {keys.cipher, keys.sk_ei.reveal(), keys.sk_ai.reveal()},
                      {keys.cipher, keys.sk_er.reveal(), keys.sk_ar.reveal()}};
        sa.openers.insert(sa.openers.begin(), std::move(opener));
    }
}

std::vector<std::string> Tracer::protected_lines(Sa& sa, const Message& message, ByteView bytes) {
    const wire::ike::Header& header = message.header;
    if (message.find<wire::ike::EncryptedFragment>() != nullptr) {
        return fragment_lines(sa, header, bytes);
    }
    auto opened = sender_of(sa.openers.front(), header).open(bytes);
    for (std::size_t older = 1; !opened && older < sa.openers.size(); ++older) {
        opened = sender_of(sa.openers[older], header).open(bytes);
    }
    return inner_lines(opened);
}

std::vector<std::string> Tracer::fragment_lines(Sa& sa, const wire::ike::Header& header,
                                                ByteView bytes) {
    auto part = sender_of(sa.openers.front(), header).open_fragment(bytes);
    for (std::size_t older = 1; !part && older < sa.openers.size(); ++older) {
        part = sender_of(sa.openers[older], header).open_fragment(bytes);
    }
    if (!part) {
        return {not_readable(part.error())};
    }
    auto& [id, reassembly] = sa.parts[header.from_initiator];
    if (id != header.message_id) {
        id = header.message_id;
        reassembly = {};
    }
    const auto whole = reassembly.add(std::move(*part));
    if (!whole) {
        return {};
    }
    if (*whole || whole->error() != ike::OpenError::refused_fragment) {
        reassembly = {};
    }
    return inner_lines(*whole);
}

std::string time_text(WallTime at) {
    using namespace std::chrono;
    const sys_time<nanoseconds> time{nanoseconds(at.unix_ns)};
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss<microseconds> clock(floor<microseconds>(time - day));
    const auto padded = [](auto number, std::size_t width) {
        std::string digits = std::to_string(number);
        return std::string(width - std::min(width, digits.size()), '0') + digits;
    };
    return padded(static_cast<int>(date.year()), 4) + "-" +
           padded(static_cast<unsigned>(date.month()), 2) + "-" +
           padded(static_cast<unsigned>(date.day()), 2) + " " + padded(clock.hours().count(), 2) +
           ":" + padded(clock.minutes().count(), 2) + ":" + padded(clock.seconds().count(), 2) +
           "." + padded(clock.subseconds().count(), 6);
}

}  // namespace anyswan::trace
