// SPDX-License-Identifier: Apache-2.0
// ESP packets of a capture (RFC 4303): opened with the derived keys, compared, and sealed again to
// the same bytes. The Child SAs of the captures use 32-bit sequence numbers.
#include "replay/session.h"

namespace anyswan::replay {

namespace {

constexpr std::size_t esp_header_size = 8;  // SPI, sequence number

}  // namespace

void Session::esp(const Event& event) {
    const Bytes packet = event.hex("packet");
    if (!report_.require(packet.size() >= esp_header_size &&
                             load_u32(packet) == event.hex_number("spi") &&
                             load_u32(ByteView(packet).subspan(4)) == event.number("seq"),
                         "SPI or sequence number differ")) {
        return;
    }
    const auto child = children_.find(load_u32(packet));
    if (!report_.require(child != children_.end() && child->second.dir == event.text("dir"),
                         "no Child SA with this SPI in this direction")) {
        return;
    }
    const crypto::CipherSuite& suite = child->second.suite;
    auto cipher = crypto::Cipher::make(suite, child->second.encr, child->second.integ);
    const std::size_t iv_size = crypto::iv_size(suite);
    const std::size_t icv_size = crypto::icv_size(suite);
    const std::size_t outside = esp_header_size + iv_size + icv_size;
    if (!report_.require(cipher.has_value() && packet.size() > outside &&
                             (packet.size() - outside) % crypto::block_size(suite) == 0,
                         "not a packet of this cipher")) {
        return;
    }
    Bytes work = packet;
    const MutableBytes all(work);
    const ByteView aad = all.first(esp_header_size);
    const ByteView iv = all.subspan(esp_header_size, iv_size);
    const MutableBytes text = all.subspan(esp_header_size + iv_size, packet.size() - outside);
    const MutableBytes icv = all.last(icv_size);
    if (!report_.expect("ESP packets opened", (*cipher)->open(iv, aad, {}, text, icv),
                        "wrong ICV")) {
        return;
    }
    report_.expect("ESP plaintexts", equal(text, event.hex("plain")), "other bytes");
    std::fill(icv.begin(), icv.end(), std::uint8_t{0});
    (*cipher)->seal(iv, aad, {}, text, icv);
    report_.expect("ESP packets sealed again", equal(work, packet), "other bytes than the wire's");
}

}  // namespace anyswan::replay
