// SPDX-License-Identifier: Apache-2.0
#include "core/trace/tracer.h"

#include "core/trace/message_text.h"
#include "core/wire/esp/esp.h"

namespace anyswan::trace {

using wire::ike::Message;

namespace {

constexpr std::uint16_t ike_port = 500;
constexpr std::uint16_t natt_port = 4500;
// IKE SAs whose protectors are kept; beyond that all are made anew, which costs time alone.
constexpr std::size_t openers_max = 4096;

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

std::vector<std::string> inner_lines(const Expected<ike::OpenedChain, ike::OpenError>& opened) {
    if (!opened) {
        return {std::string("not readable: ") + name(opened.error())};
    }
    std::vector<std::string> lines = payload_lines(opened->payloads);
    if (lines.empty()) {
        lines.emplace_back("no payloads");
    }
    return lines;
}

}  // namespace

std::string Tracer::describe(const wire::pcap::UdpDatagram& datagram) {
    if (on_port(datagram, natt_port) || !on_port(datagram, ike_port)) {
        if (!on_port(datagram, natt_port) ||
            wire::esp::classify_natt(datagram.payload) != wire::esp::Natt::ike) {
            return "";
        }
        return describe_ike(datagram.at, datagram.from, datagram.to,
                            ByteView(datagram.payload).subspan(wire::esp::non_esp_marker_size));
    }
    return describe_ike(datagram.at, datagram.from, datagram.to, datagram.payload);
}

std::string Tracer::describe_ike(WallTime at, const Endpoint& from, const Endpoint& to,
                                 ByteView bytes) {
    std::string text = time_text(at) + "  " + from.to_string() + " > " + to.to_string() + "  ";
    const auto message = Message::parse(bytes);
    if (!message) {
        return text + "not IKEv2: " + name(message.error()) + " (" + std::to_string(bytes.size()) +
               " octets)\n";
    }
    text += headline(message->header) + " (" + std::to_string(bytes.size()) + " octets)\n";
    for (const std::string& payload : payload_lines(message->payloads)) {
        text += line(payload);
    }
    if (is_protected(*message)) {
        for (const std::string& inner : protected_lines(*message, bytes)) {
            text += line("  " + inner);
        }
    }
    return text;
}

Tracer::Opener* Tracer::opener_of(ike::SpiPair spis) {
    const Id id{spis.initiator, spis.responder};
    if (const auto known = openers_.find(id); known != openers_.end()) {
        return &known->second;
    }
    const std::optional<Keys> keys = find_(spis);
    if (!keys) {
        return nullptr;
    }
    if (openers_.size() >= openers_max) {
        openers_.clear();
    }
    Opener opener{{keys->cipher, keys->sk_ei.reveal(), keys->sk_ai.reveal()},
                  {keys->cipher, keys->sk_er.reveal(), keys->sk_ar.reveal()},
                  {}};
    return &openers_.emplace(id, std::move(opener)).first->second;
}

std::vector<std::string> Tracer::protected_lines(const Message& message, ByteView bytes) {
    const wire::ike::Header& header = message.header;
    Opener* opener = opener_of({header.initiator_spi, header.responder_spi});
    if (opener == nullptr) {
        return {"no keys for these SPIs: an IKE SA of another edge, or ended"};
    }
    ike::MessageProtector& sender = header.from_initiator ? opener->initiator : opener->responder;
    const auto* fragment = message.find<wire::ike::EncryptedFragment>();
    if (fragment == nullptr) {
        return inner_lines(sender.open(bytes));
    }
    auto part = sender.open_fragment(bytes);
    if (!part) {
        return {std::string("not readable: ") + name(part.error())};
    }
    auto& [id, reassembly] = opener->parts[header.from_initiator];
    if (id != header.message_id) {
        id = header.message_id;
        reassembly = {};
    }
    const auto whole = reassembly.add(std::move(*part));
    if (!whole) {
        return {};
    }
    reassembly = {};
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
