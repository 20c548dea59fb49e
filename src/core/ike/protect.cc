// SPDX-License-Identifier: Apache-2.0
// Seals and opens SK and SKF payloads. Both are the same construction with another prefix: what
// stands before the IV is authenticated, what stands after it is encrypted.
//
//   RFC 7296 3.14   header | SK head               | IV | payloads, padding, Pad Length | ICV
//   RFC 7383 2.5    header | SKF head | n of total | IV | a part,   padding, Pad Length | ICV
//
// AEAD: the associated data runs "from the first octet of the Fixed IKE Header through the last
// octet of the Payload Header of the Encrypted Payload" (RFC 5282 5.1), for SKF through Total
// Fragments (RFC 7383 2.5). CBC: the ICV is an HMAC over everything before it.
#include "core/ike/protect.h"

#include <algorithm>

namespace anyswan::ike {

using wire::ike::Header;
using wire::ike::Payload;
using wire::ike::PayloadType;

namespace {

constexpr std::size_t fragment_fields_size = 4;
constexpr std::size_t pad_length_size = 1;
constexpr std::size_t max_padding = 255;

std::size_t round_down(std::size_t size, std::size_t block) {
    return size / block * block;
}

/// Header and generic payload header of a message whose only payload has a body of `body_size`.
Writer begin_message(const Header& header, PayloadType type, PayloadType next,
                     std::size_t body_size) {
    const std::size_t payload_size = wire::ike::payload_header_size + body_size;
    check(payload_size <= 0xffff, "a protected payload of more than 64 kB");
    const std::size_t size = wire::ike::header_size + payload_size;
    Writer out(size);
    out.append(wire::ike::emit_header(header, type, static_cast<std::uint32_t>(size)));
    out.u8(static_cast<std::uint8_t>(next));
    out.u8(0);
    out.u16(static_cast<std::uint16_t>(payload_size));
    return out;
}

bool is_protected(const Payload& payload) {
    return payload.type() == PayloadType::encrypted ||
           payload.type() == PayloadType::encrypted_fragment;
}

/// What the head of an SKF message would be, had it come whole: "the Next Payload field" that
/// announces SKF announces SK, and the fragment's own fields are left out.
Bytes whole_head(ByteView aad_of_fragment) {
    Bytes head = to_bytes(aad_of_fragment.first(aad_of_fragment.size() - fragment_fields_size));
    constexpr std::size_t next_payload_of_header = 16;
    std::size_t announces = next_payload_of_header;
    std::size_t payload = wire::ike::header_size;
    while (payload + wire::ike::payload_header_size < head.size()) {
        announces = payload;
        payload += load_u16(ByteView(head).subspan(payload + 2));
    }
    head[announces] = static_cast<std::uint8_t>(PayloadType::encrypted);
    return head;
}

Expected<OpenedChain, OpenError> read_chain(PayloadType first, Bytes plain, Bytes padding,
                                            Bytes head) {
    auto payloads = wire::ike::parse_chain(first, plain);
    // Protection inside protection has no meaning in any RFC.
    if (!payloads || (!payloads->empty() && is_protected(payloads->back()))) {
        return Unexpected{OpenError::bad_inner_chain};
    }
    return OpenedChain{first, std::move(plain), std::move(*payloads), std::move(padding),
                       std::move(head)};
}

/// The payload of kind T that ends `datagram`.
template <class T>
Expected<T, OpenError> last_payload(ByteView datagram) {
    auto message = wire::ike::Message::parse(datagram);
    if (!message) {
        return Unexpected{OpenError::bad_outer_chain};
    }
    T* last = message->payloads.empty() ? nullptr : std::get_if<T>(&message->payloads.back().body);
    if (last == nullptr) {
        return Unexpected{OpenError::no_encrypted_payload};
    }
    return std::move(*last);
}

}  // namespace

const char* name(OpenError error) {
    switch (error) {
        case OpenError::no_encrypted_payload:
            return "no_encrypted_payload";
        case OpenError::bad_outer_chain:
            return "bad_outer_chain";
        case OpenError::too_short:
            return "too_short";
        case OpenError::bad_icv:
            return "bad_icv";
        case OpenError::bad_padding:
            return "bad_padding";
        case OpenError::bad_inner_chain:
            return "bad_inner_chain";
        case OpenError::refused_fragment:
            return "refused_fragment";
    }
    return "unknown";
}

Bytes int_auth_octets(const OpenedChain& chain) {
    Bytes octets = concat({chain.head, chain.plain});
    // RFC 9242 3.3.2: "the Length field in the IKE Header ... is set to the sum of the lengths of
    // IntAuth_[i/r]*A and IntAuth_[i/r]*P, and the Payload Length field in the Encrypted payload
    // header ... is set to the length of IntAuth_[i/r]*P plus the size of the Encrypted payload
    // header (four octets)."
    constexpr std::size_t length_at = 24;
    check(chain.head.size() >= wire::ike::header_size + wire::ike::payload_header_size,
          "IntAuth of a message that was not opened");
    const MutableBytes all(octets);
    store_u32(all.subspan(length_at), static_cast<std::uint32_t>(octets.size()));
    store_u16(all.subspan(chain.head.size() - 2),
              static_cast<std::uint16_t>(wire::ike::payload_header_size + chain.plain.size()));
    return octets;
}

MessageProtector::MessageProtector(const crypto::CipherSuite& suite, ByteView sk_e, ByteView sk_a)
    : suite_(suite) {
    auto cipher = crypto::Cipher::make(suite, sk_e, sk_a);
    check(cipher.has_value(), "a negotiated cipher can be made");
    cipher_ = std::move(*cipher);
}

/// N1: an AEAD's IV is the caller's counter. CBC's is random: "Senders MUST select a new
/// unpredictable IV for every message" (RFC 7296 3.14).
Bytes MessageProtector::make_iv(std::uint64_t iv_counter, Random& random) const {
    if (!crypto::is_aead(suite_.encr)) {
        return random.bytes(crypto::iv_size(suite_));
    }
    Writer iv;
    iv.u64(iv_counter);
    return std::move(iv).take();
}

Bytes MessageProtector::padding_for(std::size_t plain_size) const {
    const std::size_t block = crypto::block_size(suite_);
    return Bytes((block - (plain_size + pad_length_size) % block) % block);
}

Bytes MessageProtector::seal_body(Writer prefix, ByteView plain, ByteView iv, ByteView padding) {
    check(padding.size() <= max_padding, "more padding than Pad Length can say");
    Bytes datagram = std::move(prefix).take();
    const std::size_t aad_size = datagram.size();
    const std::size_t text_size = plain.size() + padding.size() + pad_length_size;
    datagram.insert(datagram.end(), iv.begin(), iv.end());
    datagram.insert(datagram.end(), plain.begin(), plain.end());
    datagram.insert(datagram.end(), padding.begin(), padding.end());
    datagram.push_back(static_cast<std::uint8_t>(padding.size()));
    datagram.resize(datagram.size() + crypto::icv_size(suite_));

    const MutableBytes all(datagram);
    const MutableBytes text = all.subspan(aad_size + iv.size(), text_size);
    cipher_->seal(iv, all.first(aad_size), {}, text, all.last(crypto::icv_size(suite_)));
    return datagram;
}

Bytes MessageProtector::seal_with_iv(const Header& header, PayloadType first, ByteView plain,
                                     ByteView iv, ByteView padding) {
    const std::size_t body_size =
        iv.size() + plain.size() + padding.size() + pad_length_size + crypto::icv_size(suite_);
    return seal_body(begin_message(header, PayloadType::encrypted, first, body_size), plain, iv,
                     padding);
}

Bytes MessageProtector::seal_fragment_with_iv(const Header& header, const OpenedFragment& fragment,
                                              ByteView iv) {
    check(fragment.number > 0 && fragment.number <= fragment.total, "fragments count from 1");
    const std::size_t body_size = fragment_fields_size + iv.size() + fragment.plain.size() +
                                  fragment.padding.size() + pad_length_size +
                                  crypto::icv_size(suite_);
    Writer prefix =
        begin_message(header, PayloadType::encrypted_fragment, fragment.first, body_size);
    prefix.u16(fragment.number);
    prefix.u16(fragment.total);
    return seal_body(std::move(prefix), fragment.plain, iv, fragment.padding);
}

Bytes MessageProtector::seal(const Header& header, const std::vector<Payload>& payloads,
                             std::uint64_t iv_counter, Random& random) {
    const Bytes plain = wire::ike::emit_chain(payloads);
    return seal_with_iv(header, wire::ike::first_type(payloads), plain, make_iv(iv_counter, random),
                        padding_for(plain.size()));
}

std::vector<Bytes> MessageProtector::seal_fragments(const Header& header,
                                                    const std::vector<Payload>& payloads,
                                                    std::size_t fragment_size,
                                                    std::uint64_t iv_counter, Random& random) {
    const Bytes plain = wire::ike::emit_chain(payloads);
    const PayloadType first = wire::ike::first_type(payloads);
    const std::size_t outside = wire::ike::header_size + wire::ike::payload_header_size +
                                crypto::iv_size(suite_) + crypto::icv_size(suite_);
    const Bytes padding = padding_for(plain.size());
    if (outside + plain.size() + padding.size() + pad_length_size <= fragment_size) {
        return {seal_with_iv(header, first, plain, make_iv(iv_counter, random), padding)};
    }
    const std::size_t block = crypto::block_size(suite_);
    check(fragment_size >= outside + fragment_fields_size + std::max<std::size_t>(block, 2),
          "a fragment size that leaves no room for a payload");
    const std::size_t part_size =
        round_down(fragment_size - outside - fragment_fields_size, block) - pad_length_size;
    const std::size_t total = (plain.size() + part_size - 1) / part_size;
    check(total <= max_fragments, "a message of more than max_fragments");

    std::vector<Bytes> datagrams;
    for (std::size_t i = 0; i < total; ++i) {
        const ByteView rest = ByteView(plain).subspan(i * part_size);
        OpenedFragment fragment;
        // RFC 7383 2.5: in all fragments but the first "this field MUST be set to zero".
        fragment.first = i == 0 ? first : PayloadType::no_next_payload;
        fragment.number = static_cast<std::uint16_t>(i + 1);
        fragment.total = static_cast<std::uint16_t>(total);
        fragment.plain = to_bytes(rest.first(std::min(part_size, rest.size())));
        fragment.padding = padding_for(fragment.plain.size());
        datagrams.push_back(
            seal_fragment_with_iv(header, fragment, make_iv(iv_counter + i, random)));
    }
    return datagrams;
}

/// Length before cryptography, cryptography before content.
Expected<MessageProtector::Plain, OpenError> MessageProtector::open_body(ByteView aad, Bytes body) {
    const std::size_t iv_size = crypto::iv_size(suite_);
    const std::size_t icv_size = crypto::icv_size(suite_);
    const std::size_t block = crypto::block_size(suite_);
    if (body.size() < iv_size + icv_size + std::max(block, pad_length_size) ||
        (body.size() - iv_size - icv_size) % block != 0) {
        return Unexpected{OpenError::too_short};
    }
    const MutableBytes all(body);
    const MutableBytes text = all.subspan(iv_size, all.size() - iv_size - icv_size);
    if (!cipher_->open(all.first(iv_size), aad, {}, text, all.last(icv_size))) {
        return Unexpected{OpenError::bad_icv};
    }
    // RFC 7296 3.14: "Padding MAY contain any value chosen by the sender"; "the recipient MUST
    // accept any length that results in proper alignment".
    const std::size_t pad_length = text.back();
    if (pad_length + pad_length_size > text.size()) {
        return Unexpected{OpenError::bad_padding};
    }
    const std::size_t plain_size = text.size() - pad_length - pad_length_size;
    return Plain{to_bytes(text.first(plain_size)), to_bytes(text.subspan(plain_size, pad_length))};
}

Expected<OpenedChain, OpenError> MessageProtector::open(ByteView datagram) {
    auto sk = last_payload<wire::ike::Encrypted>(datagram);
    if (!sk) {
        return Unexpected{sk.error()};
    }
    const ByteView aad = datagram.first(datagram.size() - sk->body.size());
    auto plain = open_body(aad, std::move(sk->body));
    if (!plain) {
        return Unexpected{plain.error()};
    }
    return read_chain(sk->first_inner, std::move(plain->text), std::move(plain->padding),
                      to_bytes(aad));
}

Expected<OpenedFragment, OpenError> MessageProtector::open_fragment(ByteView datagram) {
    auto skf = last_payload<wire::ike::EncryptedFragment>(datagram);
    if (!skf) {
        return Unexpected{skf.error()};
    }
    const ByteView aad = datagram.first(datagram.size() - skf->body.size());
    auto plain = open_body(aad, std::move(skf->body));
    if (!plain) {
        return Unexpected{plain.error()};
    }
    return OpenedFragment{
        skf->first_inner,          skf->number,    skf->total, std::move(plain->text),
        std::move(plain->padding), whole_head(aad)};
}

std::optional<Expected<OpenedChain, OpenError>> Reassembly::add(OpenedFragment fragment) {
    check(fragment.number > 0 && fragment.number <= fragment.total, "fragments count from 1");
    // RFC 7383 2.6: where Total Fragments "is greater than ... in those fragments that are in the
    // reassembling queue, the receiver MUST discard all received fragments and start the reassembly
    // process over"; a smaller one is of a fragmentation that the peer has given up.
    if (fragment.total > max_fragments || fragment.total < total_) {
        return Unexpected{OpenError::refused_fragment};
    }
    if (fragment.total > total_) {
        *this = Reassembly();
        total_ = fragment.total;
    }
    if (parts_.contains(fragment.number)) {
        return std::nullopt;
    }
    if (bytes_ + fragment.plain.size() > max_reassembled_size) {
        return Unexpected{OpenError::refused_fragment};
    }
    if (fragment.number == 1) {
        first_ = fragment.first;
        head_ = std::move(fragment.head);
    }
    bytes_ += fragment.plain.size();
    parts_.emplace(fragment.number, std::move(fragment.plain));
    if (parts_.size() < total_) {
        return std::nullopt;
    }
    Writer plain(bytes_);
    for (const auto& [number, part] : parts_) {
        plain.append(part);
    }
    const PayloadType first = first_;
    Bytes head = std::move(head_);
    *this = Reassembly();
    return read_chain(first, std::move(plain).take(), {}, std::move(head));
}

}  // namespace anyswan::ike
