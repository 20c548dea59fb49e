// SPDX-License-Identifier: Apache-2.0
#include "core/sa/codec_values.h"
#include "records.pb.h"

namespace anyswan::sa {

Bytes encode_envelope(const EnvelopeParts& parts) {
    v1::Envelope message;
    message.set_format(parts.format);
    message.set_kind(static_cast<std::uint32_t>(parts.header.kind));
    message.set_key(parts.header.key);
    message.set_epoch(parts.header.version.epoch.value());
    message.set_counter(parts.header.version.counter);
    message.set_fleet_key_id(parts.header.fleet_key_id);
    put_bytes(parts.nonce, *message.mutable_nonce());
    put_bytes(parts.sealed, *message.mutable_sealed());
    Bytes bytes(message.ByteSizeLong());
    check(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())),
          "an envelope that can't be encoded");
    return bytes;
}

std::optional<EnvelopeParts> decode_envelope(ByteView bytes) {
    v1::Envelope message;
    EnvelopeParts parts;
    if (bytes.size() > envelope_size_max ||
        !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        !get_narrow(message.kind(), parts.header.kind)) {
        return std::nullopt;
    }
    parts.format = message.format();
    parts.header.key = message.key();
    parts.header.version = Version{Epoch(message.epoch()), message.counter()};
    parts.header.fleet_key_id = message.fleet_key_id();
    parts.nonce = to_bytes(bytes_of(message.nonce()));
    parts.sealed = to_bytes(bytes_of(message.sealed()));
    return parts;
}

}  // namespace anyswan::sa
