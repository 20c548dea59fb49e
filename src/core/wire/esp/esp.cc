// SPDX-License-Identifier: Apache-2.0
#include "core/wire/esp/esp.h"

#include "base/check.h"

namespace anyswan::wire::esp {

namespace {
constexpr std::uint8_t keepalive_byte = 0xff;
}

std::optional<Header> read_header(ByteView packet) {
    if (packet.size() < header_size) {
        return std::nullopt;
    }
    return Header{EspSpi(load_u32(packet)), load_u32(packet.subspan(4))};
}

void write_header(MutableBytes at, const Header& header) {
    check(at.size() >= header_size, "no room for an ESP header");
    store_u32(at, header.spi.value());
    store_u32(at.subspan(4), header.sequence_low);
}

Bytes ike_in_udp(ByteView message, bool natt) {
    if (message.empty()) {
        return {keepalive_byte};
    }
    // RFC 3948 2.2: behind four zero bytes where ESP lives on the same port.
    Bytes bytes(natt ? non_esp_marker_size : 0);
    bytes.insert(bytes.end(), message.begin(), message.end());
    return bytes;
}

Natt classify_natt(ByteView datagram) {
    if (datagram.size() == 1 && datagram[0] == keepalive_byte) {
        return Natt::keepalive;
    }
    if (datagram.size() < non_esp_marker_size) {
        return Natt::runt;
    }
    if (load_u32(datagram) == 0) {
        return Natt::ike;
    }
    return datagram.size() < header_size ? Natt::runt : Natt::esp;
}

}  // namespace anyswan::wire::esp
