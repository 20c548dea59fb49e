// SPDX-License-Identifier: Apache-2.0
// The protected channel of one IKE SA.
#include "core/ike/channel.h"

#include "core/ike/auth/ppk.h"

namespace anyswan::ike {

namespace {

using wire::ike::PayloadType;

ByteView sk_e(const Channel::Setup& setup, bool of_initiator) {
    return of_initiator ? setup.keys.ei.reveal() : setup.keys.er.reveal();
}

ByteView sk_a(const Channel::Setup& setup, bool of_initiator) {
    return of_initiator ? setup.keys.ai.reveal() : setup.keys.ar.reveal();
}

MessageProtector protector(const Channel::Setup& setup, bool of_initiator) {
    return {setup.suite.cipher, sk_e(setup, of_initiator), sk_a(setup, of_initiator)};
}

/// Same header, same (no) content: one message per message ID, whoever writes it.
bool is_empty_answer(const wire::ike::Header& header,
                     const std::vector<wire::ike::Payload>& payloads) {
    return header.response && header.exchange == wire::ike::ExchangeType::informational &&
           payloads.empty();
}

}  // namespace

Channel::Channel(Setup setup)
    : setup_(std::move(setup)),
      ours_(protector(setup_, setup_.we_initiated)),
      peers_(protector(setup_, !setup_.we_initiated)) {
    check(setup_.epoch.value() > 0 && setup_.epoch.value() >> 32 == 0, "N1: epoch in the IV");
}

void Channel::use_ppk(const sa::Ppk& ppk) {
    for (Secret* key : {&setup_.keys.d, &setup_.keys.pi, &setup_.keys.pr}) {
        *key = auth::mixed(setup_.suite.prf, ppk, *key);
    }
}

std::vector<Bytes> Channel::seal(const wire::ike::Header& header,
                                 const std::vector<wire::ike::Payload>& payloads,
                                 Fragmentation fragmentation, Random& random) {
    if (is_empty_answer(header, payloads)) {
        return {ours_.seal(header, payloads, header.message_id.value(), random)};
    }
    const std::uint64_t iv = setup_.epoch.value() << 32 | setup_.next_iv;
    std::vector<Bytes> datagrams;
    if (fragmentation == Fragmentation::supported) {
        datagrams = ours_.seal_fragments(header, payloads, fragment_size, iv, random);
    } else {
        datagrams.push_back(ours_.seal(header, payloads, iv, random));
    }
    setup_.next_iv += datagrams.size();
    check(setup_.next_iv >> 32 == 0, "N1: the IV counter never wraps within an epoch");
    return datagrams;
}

Channel::Opened Channel::open(const wire::ike::HeaderView& view, ByteView datagram) {
    if (view.first_payload != PayloadType::encrypted_fragment) {
        auto whole = peers_.open(datagram);
        if (!whole) {
            return Unexpected{whole.error()};
        }
        return std::optional(std::move(*whole));
    }
    auto fragment = peers_.open_fragment(datagram);
    if (!fragment) {
        return Unexpected{fragment.error()};
    }
    Parts& parts = view.header.response ? response_parts_ : request_parts_;
    if (parts.id != view.header.message_id) {
        parts = {view.header.message_id, {}};
    }
    auto message = parts.reassembly.add(std::move(*fragment));
    if (!message) {
        return std::optional<OpenedChain>();
    }
    if (!*message && message->error() == OpenError::refused_fragment) {
        return Unexpected{OpenError::refused_fragment};
    }
    parts = {};
    if (!*message) {
        return Unexpected{message->error()};
    }
    return std::optional(std::move(**message));
}

Expected<std::uint16_t, OpenError> Channel::verify(const wire::ike::HeaderView& view,
                                                   ByteView datagram) {
    if (view.first_payload == PayloadType::encrypted_fragment) {
        const auto fragment = peers_.open_fragment(datagram);
        if (!fragment) {
            return Unexpected{fragment.error()};
        }
        return fragment->number;
    }
    const auto whole = peers_.open(datagram);
    if (!whole) {
        return Unexpected{whole.error()};
    }
    return std::uint16_t{1};
}

Channel Channel::successor(IkeKeys keys) const {
    return Channel(
        {setup_.suite, std::move(keys), setup_.we_initiated, setup_.epoch, setup_.next_iv});
}

std::optional<OpenedChain> Channel::read_own(const std::vector<Bytes>& datagrams) const {
    MessageProtector own = protector(setup_, setup_.we_initiated);
    Reassembly parts;
    for (const Bytes& datagram : datagrams) {
        const auto view = wire::ike::HeaderView::read(datagram);
        if (!view) {
            return std::nullopt;
        }
        if (view->first_payload == PayloadType::encrypted_fragment) {
            auto fragment = own.open_fragment(datagram);
            if (!fragment) {
                return std::nullopt;
            }
            auto message = parts.add(std::move(*fragment));
            if (message && *message) {
                return std::move(**message);
            }
        } else if (auto whole = own.open(datagram)) {
            return std::move(*whole);
        }
    }
    return std::nullopt;
}

}  // namespace anyswan::ike
