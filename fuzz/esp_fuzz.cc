// SPDX-License-Identifier: Apache-2.0
// Any bytes on the NAT traversal port, as an ESP packet of an SA, and as what an authentic peer may
// have encrypted. The first byte chooses the suite.
#include <array>

#include "core/esp/inbound_sa.h"
#include "core/wire/esp/esp.h"
#include "targets.h"

namespace {

using namespace anyswan;

constexpr EspSpi spi{0x1000};

sa::ChildSaRecord record_of(std::uint8_t choice) {
    constexpr std::array suites{"aes128gcm16", "aes256-sha256-esn", "chacha20poly1305-esn",
                                "aes128-sha1"};
    sa::ChildSaRecord record;
    record.inbound_spi = spi;
    record.outbound_spi = EspSpi(0x1001);
    record.suite = *crypto::parse_esp_suite(suites[choice % suites.size()]);
    record.inbound = {Secret(crypto::encr_key_size(record.suite.cipher)),
                      Secret(crypto::integ_key_size(record.suite.cipher))};
    record.outbound = record.inbound.clone();
    for (const char* any : {"0.0.0.0/0", "::/0"}) {
        const IpPrefix prefix = *IpPrefix::parse(any);
        record.local_ts.push_back({.first = prefix.first(), .last = prefix.last()});
    }
    record.remote_ts = record.local_ts;
    return record;
}

void open(esp::InboundSa& inbound, ByteView packet, std::uint8_t traffic_class) {
    esp::OuterPacket outer{esp::Packet::copy_of(packet), {}, {}, false, traffic_class};
    esp::Opened opened;
    inbound.open({&outer, 1}, {&opened, 1});
    if (!opened.drop) {
        const auto view = wire::ip::parse_ip(outer.packet.bytes());
        check(view && view->total_size == outer.packet.size(), "what comes out is one IP packet");
    }
}

/// `text`, trailer included, encrypted and authenticated as it is.
Bytes seal_text(const sa::ChildSaRecord& record, std::uint32_t number, ByteView text) {
    const crypto::CipherSuite& suite = record.suite.cipher;
    auto cipher =
        crypto::Cipher::make(suite, record.inbound.encr.reveal(), record.inbound.integ.reveal());
    const std::size_t iv_size = crypto::iv_size(suite);
    const std::size_t icv_size = crypto::icv_size(suite);
    Writer packet;
    packet.u32(spi.value());
    packet.u32(number);
    packet.append(Bytes(iv_size));
    packet.append(text);
    packet.append(Bytes(icv_size));
    Bytes bytes = std::move(packet).take();
    Writer aad;
    aad.u32(spi.value());
    if (record.suite.esn() && crypto::is_aead(suite.encr)) {
        aad.u32(0);
    }
    aad.u32(number);
    const Bytes trailer(record.suite.esn() && !crypto::is_aead(suite.encr) ? 4 : 0);
    const MutableBytes all(bytes);
    (*cipher)->seal(all.subspan(8, iv_size), aad.view(), trailer,
                    all.subspan(8 + iv_size, text.size()), all.last(icv_size));
    return bytes;
}

}  // namespace

int anyswan::fuzz::fuzz_esp(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 4096) {
        return 0;
    }
    const ByteView bytes(data + 1, size - 1);
    const auto kind = wire::esp::classify_natt(bytes);
    const sa::ChildSaRecord record = record_of(data[0]);
    auto inbound = esp::InboundSa::make(record);
    if (kind == wire::esp::Natt::esp) {
        open(*inbound, bytes, data[0]);
    }
    if (bytes.size() >= 2 && bytes.size() % crypto::block_size(record.suite.cipher) == 0) {
        open(*inbound, seal_text(record, 1, bytes), data[0]);
    }
    return 0;
}
