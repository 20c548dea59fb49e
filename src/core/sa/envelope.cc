// SPDX-License-Identifier: Apache-2.0
// The seal: XChaCha20-Poly1305 with a random 24-byte nonce, so that edges that never agreed on
// anything but the key may all seal under it.
#include "core/sa/envelope.h"

#include <sodium.h>

#include "core/sa/codec.h"

namespace anyswan::sa {

namespace {

constexpr std::uint32_t format_current = 1;
constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t key_size = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;

/// Everything in clear, as associated data: fixed-width fields and a length before the key, so that
/// no two headers give the same bytes.
Bytes associated_data(const EnvelopeHeader& header) {
    Writer data;
    data.append(as_bytes("anyswan envelope"));
    data.u32(format_current);
    data.u8(static_cast<std::uint8_t>(header.kind));
    data.u32(static_cast<std::uint32_t>(header.key.size()));
    data.append(as_bytes(header.key));
    data.u64(header.version.epoch.value());
    data.u64(header.version.counter);
    data.u32(header.fleet_key_id);
    return std::move(data).take();
}

Bytes seal(const FleetKeys& keys, Random& random, EnvelopeHeader header, ByteView plain) {
    const auto key = keys.keys.find(keys.current);
    check(key != keys.keys.end(), "the current fleet key doesn't exist");
    check(key->second.size() == key_size, "a fleet key is 32 bytes");
    header.fleet_key_id = keys.current;
    EnvelopeParts parts{format_current, std::move(header), random.bytes(nonce_size),
                        Bytes(plain.size() + tag_size)};
    const Bytes data = associated_data(parts.header);
    crypto_aead_xchacha20poly1305_ietf_encrypt(parts.sealed.data(), nullptr, plain.data(),
                                               plain.size(), data.data(), data.size(), nullptr,
                                               parts.nonce.data(), key->second.reveal().data());
    return encode_envelope(parts);
}

Expected<EnvelopeParts, EnvelopeError> read_parts(ByteView envelope) {
    std::optional<EnvelopeParts> parts = decode_envelope(envelope);
    if (!parts || parts->format == 0) {
        return Unexpected{EnvelopeError::not_an_envelope};
    }
    if (parts->format != format_current) {
        return Unexpected{EnvelopeError::unknown_version};
    }
    if (parts->header.kind == RecordKind{} || parts->nonce.size() != nonce_size ||
        parts->sealed.size() < tag_size) {
        return Unexpected{EnvelopeError::not_an_envelope};
    }
    if (parts->header.kind > RecordKind::crl) {
        return Unexpected{EnvelopeError::unknown_version};
    }
    return std::move(*parts);
}

Expected<Secret, EnvelopeError> unseal(const FleetKeys& keys, const EnvelopeParts& parts) {
    const auto key = keys.keys.find(parts.header.fleet_key_id);
    if (key == keys.keys.end()) {
        return Unexpected{EnvelopeError::unknown_key_id};
    }
    check(key->second.size() == key_size, "a fleet key is 32 bytes");
    const Bytes data = associated_data(parts.header);
    Secret plain(parts.sealed.size() - tag_size);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain.writable().data(), nullptr, nullptr, parts.sealed.data(), parts.sealed.size(),
            data.data(), data.size(), parts.nonce.data(), key->second.reveal().data()) != 0) {
        return Unexpected{EnvelopeError::seal_broken};
    }
    return plain;
}

}  // namespace

const char* name(EnvelopeError error) {
    switch (error) {
        case EnvelopeError::not_an_envelope:
            return "not_an_envelope";
        case EnvelopeError::unknown_version:
            return "unknown_version";
        case EnvelopeError::unknown_key_id:
            return "unknown_key_id";
        case EnvelopeError::seal_broken:
            return "seal_broken";
        case EnvelopeError::wrong_kind:
            return "wrong_kind";
        case EnvelopeError::bad_record:
            return "bad_record";
    }
    return "unknown";
}

Bytes seal_record(const FleetKeys& keys, Random& random, const std::string& key, Version version,
                  const Record& record) {
    const Secret plain = encode_record(record);
    return seal(keys, random, {kind_of(record), key, version, 0}, plain.reveal());
}

Expected<OpenedRecord, EnvelopeError> open_record(const FleetKeys& keys, const std::string& key,
                                                  ByteView envelope) {
    Expected<EnvelopeParts, EnvelopeError> parts = read_parts(envelope);
    if (!parts) {
        return Unexpected{parts.error()};
    }
    if (parts->header.kind == RecordKind::bus) {
        return Unexpected{EnvelopeError::wrong_kind};
    }
    // The header's key is bound by the seal; that it is the key we read is ours to compare.
    if (parts->header.key != key) {
        return Unexpected{EnvelopeError::seal_broken};
    }
    const Expected<Secret, EnvelopeError> plain = unseal(keys, *parts);
    if (!plain) {
        return Unexpected{plain.error()};
    }
    std::optional<Record> record = decode_record(parts->header.kind, plain->reveal());
    if (!record) {
        return Unexpected{EnvelopeError::bad_record};
    }
    return OpenedRecord{std::move(parts->header), std::move(*record)};
}

Expected<EnvelopeHeader, EnvelopeError> peek_envelope(ByteView envelope) {
    Expected<EnvelopeParts, EnvelopeError> parts = read_parts(envelope);
    if (!parts) {
        return Unexpected{parts.error()};
    }
    return std::move(parts->header);
}

Bytes seal_message(const FleetKeys& keys, Random& random, const std::string& subject,
                   ByteView plain) {
    return seal(keys, random, {RecordKind::bus, subject, {}, 0}, plain);
}

Expected<Bytes, EnvelopeError> open_message(const FleetKeys& keys, const std::string& subject,
                                            ByteView sealed) {
    const Expected<EnvelopeParts, EnvelopeError> parts = read_parts(sealed);
    if (!parts) {
        return Unexpected{parts.error()};
    }
    if (parts->header.kind != RecordKind::bus) {
        return Unexpected{EnvelopeError::wrong_kind};
    }
    if (parts->header.key != subject) {
        return Unexpected{EnvelopeError::seal_broken};
    }
    const Expected<Secret, EnvelopeError> plain = unseal(keys, *parts);
    if (!plain) {
        return Unexpected{plain.error()};
    }
    return to_bytes(plain->reveal());
}

}  // namespace anyswan::sa
