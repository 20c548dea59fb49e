// SPDX-License-Identifier: Apache-2.0
// From a record to the bytes in the store and back.
//
// A record is encoded (protobuf), sealed (XChaCha20-Poly1305 under a fleet key) and put into an
// Envelope whose clear part is just what merging needs: kind, key, version and fleet key id. All of
// it is associated data of the seal, so a record can't be moved to another key nor rolled back
// unseen.
#pragma once

#include <functional>

#include "base/random.h"
#include "base/result.h"
#include "core/sa/records.h"

namespace anyswan::sa {

enum class RecordKind : std::uint8_t {
    tunnel = 1,
    child_sa = 2,
    endpoint = 3,
    edge = 4,
    ike_sa = 5,
    holder = 6,
    sequence_lease = 7,
    bus = 8,
    address_book = 9,
    crl = 10,
};

/// Why bytes from the store were not accepted. Names are metric labels.
enum class EnvelopeError : std::uint8_t {
    not_an_envelope,
    unknown_version,  // written by a release this one can't read
    unknown_key_id,   // sealed under a fleet key we don't have
    seal_broken,      // wrong key, or the record was moved, rolled back or altered
    wrong_kind,
    bad_record,  // opened, but the inside is not a valid record
};
[[nodiscard]] const char* name(EnvelopeError error);

/// The fleet's sealing keys by id: one seals, all open. Rotation: add the new id everywhere, then
/// make it current, then drop the old one when nothing is sealed under it.
struct FleetKeys {
    std::uint32_t current = 0;
    std::map<std::uint32_t, Secret> keys;  // 32 bytes each
};

/// The clear part.
struct EnvelopeHeader {
    RecordKind kind{};
    std::string key;
    Version version;
    std::uint32_t fleet_key_id = 0;
    bool operator==(const EnvelopeHeader&) const = default;
};

struct OpenedRecord {
    EnvelopeHeader header;
    Record record;
};

/// Encodes and seals. `record`'s alternative gives the kind. The current key must exist (checked).
[[nodiscard]] Bytes seal_record(const FleetKeys& keys, Random& random, const std::string& key,
                                Version version, const Record& record);
/// Opens, checks that the envelope was sealed for `key`, decodes.
[[nodiscard]] Expected<OpenedRecord, EnvelopeError> open_record(const FleetKeys& keys,
                                                                const std::string& key,
                                                                ByteView envelope);
/// The clear part alone, unauthenticated: enough to drop what is older than what one has.
[[nodiscard]] Expected<EnvelopeHeader, EnvelopeError> peek_envelope(ByteView envelope);

// Bus messages are opaque bytes sealed the same way, bound to their subject.
[[nodiscard]] Bytes seal_message(const FleetKeys& keys, Random& random, const std::string& subject,
                                 ByteView plain);
[[nodiscard]] Expected<Bytes, EnvelopeError> open_message(const FleetKeys& keys,
                                                          const std::string& subject,
                                                          ByteView sealed);

}  // namespace anyswan::sa
