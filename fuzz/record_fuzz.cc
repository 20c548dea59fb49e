// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a store hands out: as an envelope, and as the record inside one (the first byte
// tells its kind). What decodes is a record that the rest of the program can use.
#include "base/check.h"
#include "core/sa/codec.h"
#include "core/sa/envelope.h"
#include "targets.h"

int anyswan::fuzz::fuzz_record(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    if (size == 0) {
        return 0;
    }
    const ByteView bytes(data + 1, size - 1);
    (void)sa::peek_envelope(bytes);
    const auto envelope = sa::decode_envelope(bytes);
    if (envelope) {
        const auto again = sa::decode_envelope(sa::encode_envelope(*envelope));
        check(again && again->header == envelope->header && again->sealed == envelope->sealed,
              "an envelope that decodes, encodes");
    }
    static const sa::FleetKeys keys = [] {
        sa::FleetKeys made{1, {}};
        made.keys.emplace(1, Secret(Bytes(32, 7)));
        return made;
    }();
    check(!sa::open_record(keys, "any", bytes), "nobody makes a seal by chance");
    const auto kind = static_cast<sa::RecordKind>(1 + data[0] % 7);
    const auto record = sa::decode_record(kind, bytes);
    if (record) {
        check(sa::kind_of(*record) == kind, "of the kind asked for");
        const Secret encoded = sa::encode_record(*record);
        const auto again = sa::decode_record(kind, encoded.reveal());
        check(again && sa::encode_record(*again) == encoded, "a record that decodes, encodes");
    }
    return 0;
}
