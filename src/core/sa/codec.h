// SPDX-License-Identifier: Apache-2.0
// Records and envelopes to protobuf bytes and back (schema: records.proto). The step between the
// plain values of records.h and the seal of envelope.h; protobuf is known to the codec's .cc files
// alone.
//
// Decoding trusts nothing: sizes, ranges, counts and enum values are checked, so that whatever
// comes out of decode_record() is a record the rest of the program can use without asking again.
#pragma once

#include "core/sa/envelope.h"

namespace anyswan::sa {

[[nodiscard]] RecordKind kind_of(const Record& record);
/// The record in clear: key material (N7), so the bytes live in a Secret. Tombstones go without
/// their keys, whatever the record holds.
[[nodiscard]] Secret encode_record(const Record& record);
/// Nothing: not a valid record of this kind.
[[nodiscard]] std::optional<Record> decode_record(RecordKind kind, ByteView bytes);

/// The parts of an envelope as they travel.
struct EnvelopeParts {
    std::uint32_t format = 0;
    EnvelopeHeader header;
    Bytes nonce;
    Bytes sealed;
};
[[nodiscard]] Bytes encode_envelope(const EnvelopeParts& parts);
/// Nothing: not an envelope. Judges neither format nor kind nor sizes.
[[nodiscard]] std::optional<EnvelopeParts> decode_envelope(ByteView bytes);

/// The largest envelope that is read: a store carries no larger value (NATS: 1 MB a message).
inline constexpr std::size_t envelope_size_max = std::size_t{1} << 20U;

}  // namespace anyswan::sa
