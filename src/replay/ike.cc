// SPDX-License-Identifier: Apache-2.0
// IKE datagrams of a capture: parsed, opened, compared, and made again to the same bytes.
#include <algorithm>

#include "replay/session.h"

namespace anyswan::replay {

using wire::ike::ExchangeType;
using wire::ike::Message;
using wire::ike::Notify;
using wire::ike::Payload;
using wire::ike::PayloadType;

namespace {

/// As the captures name payloads: inside SK, notifies come with their number.
std::string label(const Payload& payload, bool notify_numbers) {
    const auto* notify = std::get_if<Notify>(&payload.body);
    if (notify == nullptr || !notify_numbers) {
        return name(payload.type());
    }
    return "N(" + std::to_string(static_cast<unsigned>(notify->type)) + ")";
}

std::vector<std::string> labels(const std::vector<Payload>& payloads, bool notify_numbers) {
    std::vector<std::string> all;
    for (const Payload& payload : payloads) {
        all.push_back(label(payload, notify_numbers));
    }
    return all;
}

/// The IV of an SK or SKF message: it begins `prefix` bytes into the datagram.
ByteView iv_of(ByteView datagram, std::size_t prefix, const crypto::CipherSuite& suite) {
    return datagram.subspan(prefix, crypto::iv_size(suite));
}

/// The cookie that the responder demanded of the request before, if it did.
const Notify* asked_cookie(const Exchange& exchange) {
    return exchange.request && exchange.response
               ? wire::ike::find_notify(exchange.response->chain.payloads,
                                        wire::ike::NotifyType::cookie)
               : nullptr;
}

constexpr std::size_t sk_prefix = wire::ike::header_size + wire::ike::payload_header_size;
constexpr std::size_t skf_prefix = sk_prefix + 4;

}  // namespace

bool Session::check_datagram(const Event& event, const Message& message, ByteView datagram) {
    const wire::ike::Header& header = message.header;
    report_.require(
        name(header.exchange) == event.text("exchange") && header.response == event.flag("resp") &&
            header.message_id.value() == event.number("mid") &&
            (!event.has("from_initiator") || header.from_initiator == event.flag("from_initiator")),
        "exchange, direction or message ID differ");
    seen_.push_back(to_bytes(datagram));
    return report_.expect("datagrams re-emitted", equal(message.emit(), datagram),
                          "other bytes than the wire's");
}

void Session::check_chain(const Event& event, const ike::OpenedChain& chain) {
    report_.expect("plaintexts",
                   equal(chain.plain, event.hex("plain")) &&
                       static_cast<std::uint64_t>(chain.first) == event.number("first_payload"),
                   "decrypted payloads differ");
    report_.expect("inner chains re-emitted",
                   equal(wire::ike::emit_chain(chain.payloads), chain.plain) &&
                       labels(chain.payloads, true) == event.texts("payloads"),
                   "other payloads than the capture's");
}

void Session::remember(IkeSa& sa, Readable readable) {
    const ExchangeType exchange = readable.header.exchange;
    if ((exchange == ExchangeType::ike_auth || exchange == ExchangeType::create_child_sa) &&
        Message::find_in<wire::ike::SecurityAssociation>(readable.chain.payloads) != nullptr) {
        (readable.header.response ? sa.negotiation.response : sa.negotiation.request) = readable;
    }
    sa.last_from.at(readable.header.from_initiator ? 1 : 0) = std::move(readable);
    current_ = &sa;
}

void Session::ike(const Event& event) {
    if (!event.has("wire")) {
        // It came in fragments, which have been put together.
        if (current_ == nullptr || !current_->assembled) {
            report_.require(false, "no complete set of fragments");
            return;
        }
        Readable whole = std::move(*current_->assembled);
        current_->assembled.reset();
        report_.require(name(whole.header.exchange) == event.text("exchange") &&
                            whole.header.response == event.flag("resp") &&
                            whole.header.from_initiator == event.flag("from_initiator") &&
                            whole.header.message_id.value() == event.number("mid"),
                        "another message than the fragments'");
        check_chain(event, whole.chain);
        remember(*current_, std::move(whole));
        return;
    }
    const Bytes datagram = event.hex("wire");
    auto message = Message::parse(datagram);
    if (!report_.require(message.has_value(), "not an IKE message")) {
        return;
    }
    check_datagram(event, *message, datagram);
    const std::uint64_t spi = message->header.initiator_spi.value();
    if (message->header.exchange == ExchangeType::ike_sa_init) {
        sa_init(event, {message->header, {{}, {}, std::move(message->payloads), {}}}, datagram);
        return;
    }
    IkeSa* sa = find(spi);
    if (report_.require(sa != nullptr, "no IKE SA with this SPI")) {
        open_whole(event, *sa, *message, datagram);
    }
}

void Session::sa_init(const Event& event, Readable readable, ByteView datagram) {
    const std::vector<Payload>& payloads = readable.chain.payloads;
    report_.expect("payload lists", labels(payloads, false) == event.texts("payloads"),
                   "other payloads than the capture's");
    Init& init = inits_[readable.header.initiator_spi.value()];
    if (readable.header.response) {
        report_.require(!init.request.empty(), "an answer to nothing");
        init.response = to_bytes(datagram);
        init.exchange.response = std::move(readable);
        // RFC 7296 2.6: the answer with a cookie is stateless, HDR(A,0).
        report_.require(asked_cookie(init.exchange) == nullptr ||
                            init.exchange.response->header.responder_spi == IkeSpi(0),
                        "a responder SPI beside a cookie");
        return;
    }
    if (const Notify* cookie = asked_cookie(init.exchange)) {
        // RFC 7296 2.6: the initiator retries with COOKIE "as the first payload and all other
        // payloads unchanged".
        std::vector<Payload> expected = init.exchange.request->chain.payloads;
        expected.insert(expected.begin(), Payload{*cookie, false});
        report_.expect("cookie retries", payloads == expected, "other payloads than before");
    }
    init.request = to_bytes(datagram);
    init.exchange.request = std::move(readable);
}

void Session::open_whole(const Event& event, IkeSa& sa, const Message& message, ByteView datagram) {
    auto protector = sa.protector(message.header.from_initiator);
    auto opened = protector.open(datagram);
    if (!report_.expect("messages opened", opened.has_value(),
                        opened ? "" : ike::name(opened.error()))) {
        return;
    }
    check_chain(event, *opened);
    const Bytes again =
        protector.seal_with_iv(message.header, opened->first, opened->plain,
                               iv_of(datagram, sk_prefix, sa.suite.cipher), opened->padding);
    report_.expect("messages sealed again", equal(again, datagram), "other bytes than the wire's");
    remember(sa, {message.header, std::move(*opened)});
}

void Session::fragment(const Event& event) {
    const Bytes datagram = event.hex("wire");
    const auto message = Message::parse(datagram);
    if (!report_.require(message.has_value(), "not an IKE message")) {
        return;
    }
    check_datagram(event, *message, datagram);
    IkeSa* sa = find(message->header.initiator_spi.value());
    if (!report_.require(sa != nullptr, "no IKE SA with this SPI")) {
        return;
    }
    const bool from_initiator = message->header.from_initiator;
    auto protector = sa->protector(from_initiator);
    auto opened = protector.open_fragment(datagram);
    if (!report_.expect("fragments opened",
                        opened.has_value() && opened->number == event.number("n") &&
                            opened->total == event.number("total"),
                        opened ? "fragment numbers differ" : ike::name(opened.error()))) {
        return;
    }
    const Bytes again = protector.seal_fragment_with_iv(
        message->header, *opened, iv_of(datagram, skf_prefix, sa->suite.cipher));
    report_.expect("fragments sealed again", equal(again, datagram), "other bytes than the wire's");
    const std::pair key(message->header.response, message->header.message_id.value());
    auto whole = sa->fragments.at(from_initiator ? 1 : 0)[key].add(std::move(*opened));
    if (whole && report_.expect("messages put together", whole->has_value(),
                                *whole ? "" : ike::name(whole->error()))) {
        sa->assembled = Readable{message->header, std::move(**whole)};
        current_ = sa;
    }
}

void Session::retransmit(const Event& event) {
    if (!event.has("wire")) {
        report_.skip("a retransmission of which the capture keeps no bytes");
        return;
    }
    const Bytes datagram = event.hex("wire");
    report_.expect("retransmissions",
                   std::find(seen_.begin(), seen_.end(), datagram) != seen_.end(),
                   "bytes that were never sent before");
}

}  // namespace anyswan::replay
