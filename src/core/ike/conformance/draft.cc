// SPDX-License-Identifier: Apache-2.0
#include "core/ike/conformance/draft.h"

#include "core/ike/protect.h"

namespace anyswan::ike::test {

using wire::ike::PayloadType;

namespace {

constexpr std::size_t next_payload_at = 16;
constexpr std::size_t length_at = 24;

PayloadType first_of(const std::vector<RawPayload>& payloads, PayloadType behind) {
    return payloads.empty() ? behind : payloads.front().type;
}

/// The Length of the header.
std::uint32_t announced(const Wrapping& wrapping, std::size_t size) {
    return static_cast<std::uint32_t>(size) + static_cast<std::uint32_t>(wrapping.length_plus);
}

MessageProtector protector(const MessageKeys& keys, bool of_initiator) {
    return {keys.cipher, (of_initiator ? keys.sk_ei : keys.sk_er).reveal(),
            (of_initiator ? keys.sk_ai : keys.sk_ar).reveal()};
}

}  // namespace

RawPayload* Draft::find(PayloadType type) {
    for (RawPayload& payload : payloads) {
        if (payload.type == type) {
            return &payload;
        }
    }
    return nullptr;
}

std::vector<RawPayload> read_raw(PayloadType first, ByteView bytes) {
    std::vector<RawPayload> payloads;
    PayloadType type = first;
    while (type != PayloadType::no_next_payload) {
        check(bytes.size() >= wire::ike::payload_header_size, "a true chain of payloads");
        const std::size_t length = load_u16(bytes.subspan(2));
        check(length >= wire::ike::payload_header_size && length <= bytes.size(), "likewise");
        payloads.push_back({type, bytes[1], to_bytes(bytes.first(length).subspan(4)), {}});
        type = static_cast<PayloadType>(bytes[0]);
        bytes = bytes.subspan(length);
    }
    return payloads;
}

Bytes write_raw(const std::vector<RawPayload>& payloads, PayloadType behind) {
    Writer out;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        const RawPayload& payload = payloads[i];
        const bool last = i + 1 == payloads.size();
        out.u8(static_cast<std::uint8_t>(last ? behind : payloads[i + 1].type));
        out.u8(payload.flags);
        out.u16(payload.length.value_or(
            static_cast<std::uint16_t>(wire::ike::payload_header_size + payload.body.size())));
        out.append(payload.body);
    }
    return std::move(out).take();
}

std::unique_ptr<crypto::Cipher> Sealer::cipher(bool of_initiator) const {
    auto made =
        crypto::Cipher::make(keys_.cipher, (of_initiator ? keys_.sk_ei : keys_.sk_er).reveal(),
                             (of_initiator ? keys_.sk_ai : keys_.sk_ar).reveal());
    check(made.has_value(), "a negotiated cipher can be made");
    return std::move(*made);
}

std::optional<Draft> Sealer::open(ByteView datagram) const {
    const auto view = wire::ike::HeaderView::read(datagram);
    if (!view || view->first_payload == PayloadType::encrypted_fragment) {
        return std::nullopt;
    }
    Draft draft;
    draft.header = to_bytes(datagram.first(wire::ike::header_size));
    if (view->first_payload != PayloadType::encrypted) {
        draft.wrapping.protect = false;
        draft.payloads = read_raw(view->first_payload, datagram.subspan(wire::ike::header_size));
        return draft;
    }
    auto opened = protector(keys_, view->header.from_initiator).open(datagram);
    if (!opened) {
        return std::nullopt;
    }
    draft.payloads = read_raw(opened->first, opened->plain);
    return draft;
}

std::optional<std::vector<wire::ike::Payload>> Sealer::read(ByteView datagram) const {
    const auto view = wire::ike::HeaderView::read(datagram);
    if (!view) {
        return std::nullopt;
    }
    auto opened = protector(keys_, view->header.from_initiator).open(datagram);
    return opened ? std::optional(std::move(opened->payloads)) : std::nullopt;
}

Bytes Sealer::seal(const Text& text, bool from_initiator, const Wrapping& wrapping) {
    const crypto::CipherSuite& suite = keys_.cipher;
    Bytes iv(crypto::iv_size(suite), 0xfe);
    store_u64(MutableBytes(iv).last(8), next_iv_++);
    Bytes all = concat({text.prefix, iv, text.plain, text.padding, Bytes{text.pad_length},
                        Bytes(crypto::icv_size(suite))});
    const MutableBytes whole(all);
    const std::size_t begin = text.prefix.size() + iv.size();
    const std::size_t size = text.plain.size() + text.padding.size() + 1;
    cipher(from_initiator != wrapping.keys_of_receiver)
        ->seal(iv, whole.first(text.prefix.size()), {}, whole.subspan(begin, size),
               whole.last(crypto::icv_size(suite)));
    if (wrapping.damage_icv) {
        all.back() ^= 1;
    }
    if (wrapping.damage_text) {
        all[begin] ^= 1;
    }
    return all;
}

Bytes Sealer::close_one(const Draft& draft, ByteView plain, const RawFragment* fragment) {
    const Wrapping& wrapping = draft.wrapping;
    const crypto::CipherSuite& suite = keys_.cipher;
    const PayloadType skf = PayloadType::encrypted_fragment;
    const PayloadType type = fragment != nullptr ? skf : PayloadType::encrypted;
    Text text;
    text.plain = to_bytes(plain);
    text.padding = wrapping.padding;
    const std::size_t block = crypto::block_size(suite);
    const std::size_t used = (plain.size() + text.padding.size() + 1) % block;
    text.padding.resize(text.padding.size() + (block - used) % block);
    text.pad_length = wrapping.pad_length.value_or(static_cast<std::uint8_t>(text.padding.size()));
    Writer fields;
    if (fragment != nullptr) {
        fields.u16(fragment->number);
        fields.u16(fragment->total);
    }
    const std::size_t body_size = wrapping.body
                                      ? wrapping.body->size()
                                      : crypto::iv_size(suite) + plain.size() +
                                            text.padding.size() + 1 + crypto::icv_size(suite);
    const PayloadType inner = fragment != nullptr && fragment->number != 1
                                  ? PayloadType::no_next_payload
                                  : first_of(draft.payloads, PayloadType::no_next_payload);
    const std::uint16_t sk_size =
        static_cast<std::uint16_t>(wire::ike::payload_header_size + fields.size() + body_size);
    Writer sk;
    sk.u8(static_cast<std::uint8_t>(inner));
    sk.u8(0);
    sk.u16(wrapping.sk_length.value_or(sk_size));
    sk.append(fields.view());
    const Bytes before = write_raw(wrapping.before, type);
    const Bytes after = write_raw(wrapping.after);
    Bytes header = draft.header;
    const MutableBytes at(header);
    at[next_payload_at] = static_cast<std::uint8_t>(first_of(wrapping.before, type));
    store_u32(at.subspan(length_at),
              announced(wrapping, header.size() + before.size() + sk_size + after.size()));
    for (const auto& [offset, octets] : draft.patches) {
        std::copy(octets.begin(), octets.end(), at.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    text.prefix = concat({header, before, sk.view()});
    const bool from_initiator = (header[19] & 0x08U) != 0;
    Bytes sealed = wrapping.body ? concat({text.prefix, *wrapping.body})
                                 : seal(text, from_initiator, wrapping);
    return concat({sealed, after});
}

std::vector<Bytes> Sealer::close(const Draft& draft) {
    const Bytes plain = write_raw(draft.payloads, draft.behind);
    if (!draft.wrapping.protect) {
        Bytes all = concat({draft.header, plain});
        const MutableBytes at(all);
        at[next_payload_at] =
            static_cast<std::uint8_t>(first_of(draft.payloads, PayloadType::no_next_payload));
        store_u32(at.subspan(length_at), announced(draft.wrapping, all.size()));
        for (const auto& [offset, octets] : draft.patches) {
            std::copy(octets.begin(), octets.end(),
                      at.begin() + static_cast<std::ptrdiff_t>(offset));
        }
        return {all};
    }
    if (draft.wrapping.fragments.empty()) {
        return {close_one(draft, plain, nullptr)};
    }
    std::vector<Bytes> datagrams;
    for (const RawFragment& fragment : draft.wrapping.fragments) {
        const std::size_t from = std::min(fragment.from, plain.size());
        const std::size_t to = std::clamp(fragment.to, from, plain.size());
        datagrams.push_back(close_one(draft, ByteView(plain).subspan(from, to - from), &fragment));
    }
    return datagrams;
}

}  // namespace anyswan::ike::test
