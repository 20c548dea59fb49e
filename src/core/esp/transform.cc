// SPDX-License-Identifier: Apache-2.0
#include "core/esp/transform.h"

#include <algorithm>

#include "core/wire/esp/esp.h"

namespace anyswan::esp {

namespace {

using wire::esp::header_size;
using wire::esp::trailer_size;

// The longest padding is one block less a byte.
static_assert(packet_headroom >= header_size + iv_size_max);
static_assert(packet_tailroom >= 15 + trailer_size + 32, "padding, trailer and longest ICV");

/// What is authenticated ahead of the IV and behind the ciphertext. With extended sequence numbers
/// the high half is authenticated without travelling: an AEAD has it in the middle (RFC 4106 5),
/// an HMAC at the end (RFC 4303 2.2.1).
class Authenticated {
public:
    Authenticated(EspSpi spi, SequenceNumber number, bool esn, bool aead) {
        const auto high = static_cast<std::uint32_t>(number.value() >> 32U);
        const auto low = static_cast<std::uint32_t>(number.value());
        const MutableBytes aad(aad_);
        store_u32(aad, spi.value());
        if (esn && aead) {
            store_u32(aad.subspan(4), high);
            store_u32(aad.subspan(8), low);
            aad_size_ = 12;
        } else {
            store_u32(aad.subspan(4), low);
        }
        if (esn && !aead) {
            store_u32(trailer_, high);
            trailer_used_ = 4;
        }
    }
    [[nodiscard]] ByteView aad() const { return ByteView(aad_).first(aad_size_); }
    [[nodiscard]] ByteView trailer() const { return ByteView(trailer_).first(trailer_used_); }

private:
    std::array<std::uint8_t, 12> aad_{};
    std::array<std::uint8_t, 4> trailer_{};
    std::size_t aad_size_ = 8;
    std::size_t trailer_used_ = 0;
};

void append_trailer(Packet& packet, std::size_t block, NextHeader next_header) {
    // RFC 4303 2.4: pad to the cipher's block and so that the ICV starts on a 4-byte boundary.
    const std::size_t unit = std::max<std::size_t>(4, block);
    const std::size_t unpadded = packet.size() + trailer_size;
    const std::size_t padding = (unit - unpadded % unit) % unit;
    const MutableBytes tail = packet.append(padding + trailer_size);
    for (std::size_t i = 0; i < padding; ++i) {
        tail[i] = static_cast<std::uint8_t>(i + 1);
    }
    tail[padding] = static_cast<std::uint8_t>(padding);
    tail[padding + 1] = static_cast<std::uint8_t>(next_header);
}

}  // namespace

Result<Transform> Transform::make(EspSpi spi, const crypto::EspSuite& suite, ByteView encr_key,
                                  ByteView integ_key) {
    if (!crypto::supported(suite.cipher)) {
        return fail("this build has no cipher " + crypto::to_string(suite.cipher));
    }
    if (encr_key.size() != crypto::encr_key_size(suite.cipher) ||
        integ_key.size() != crypto::integ_key_size(suite.cipher)) {
        return fail("the SA's keys have the wrong length for " + crypto::to_string(suite.cipher));
    }
    auto cipher = crypto::Cipher::make(suite.cipher, encr_key, integ_key);
    if (!cipher) {
        return fail("cipher " + crypto::to_string(suite.cipher) +
                    " could not be set up: " + crypto::name(cipher.error()));
    }
    Transform transform;
    transform.spi_ = spi;
    transform.aead_ = crypto::is_aead(suite.cipher.encr);
    transform.esn_ = suite.esn();
    transform.iv_size_ = crypto::iv_size(suite.cipher);
    transform.icv_size_ = crypto::icv_size(suite.cipher);
    transform.block_ = crypto::block_size(suite.cipher);
    transform.cipher_ = std::move(*cipher);
    check(transform.iv_size_ <= iv_size_max, "IV longer than the headroom");
    return transform;
}

void Transform::seal(Packet& packet, SequenceNumber number, ByteView iv, NextHeader next_header) {
    check(iv.size() == iv_size_, "IV size");
    append_trailer(packet, block_, next_header);
    const std::size_t text_size = packet.size();
    std::ranges::copy(iv, packet.prepend(iv_size_).begin());
    wire::esp::write_header(packet.prepend(header_size),
                            {spi_, static_cast<std::uint32_t>(number.value())});
    packet.append(icv_size_);

    const MutableBytes bytes = packet.bytes();
    const Authenticated extra(spi_, number, esn_, aead_);
    cipher_->seal(bytes.subspan(header_size, iv_size_), extra.aad(), extra.trailer(),
                  bytes.subspan(header_size + iv_size_, text_size), bytes.last(icv_size_));
}

bool Transform::good_length(std::size_t size) const {
    const std::size_t around = header_size + iv_size_ + icv_size_;
    return size >= around + trailer_size && (size - around) % block_ == 0;
}

bool Transform::decrypt(Packet& packet, SequenceNumber number) {
    check(good_length(packet.size()), "ESP packet length");
    const MutableBytes bytes = packet.bytes();
    const std::size_t text_size = bytes.size() - header_size - iv_size_ - icv_size_;
    const Authenticated extra(spi_, number, esn_, aead_);
    if (!cipher_->open(bytes.subspan(header_size, iv_size_), extra.aad(), extra.trailer(),
                       bytes.subspan(header_size + iv_size_, text_size), bytes.last(icv_size_))) {
        return false;
    }
    packet.trim_front(header_size + iv_size_);
    packet.resize(text_size);
    return true;
}

Expected<NextHeader, DropReason> remove_trailer(Packet& packet) {
    const ByteView bytes = packet.bytes();
    check(bytes.size() >= trailer_size, "payload without a trailer");
    const std::size_t padding = bytes[bytes.size() - 2];
    const auto next_header = static_cast<NextHeader>(bytes.back());
    if (padding + trailer_size > bytes.size()) {
        return Unexpected{DropReason::esp_bad_padding};
    }
    const std::size_t payload_size = bytes.size() - trailer_size - padding;
    for (std::size_t i = 0; i < padding; ++i) {
        // RFC 4303 2.4: "the receiver SHOULD inspect the Padding field."
        if (bytes[payload_size + i] != i + 1) {
            return Unexpected{DropReason::esp_bad_padding};
        }
    }
    packet.resize(payload_size);
    return next_header;
}

}  // namespace anyswan::esp
