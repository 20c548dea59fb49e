// SPDX-License-Identifier: Apache-2.0
// Any sequence of authentic fragments: bounded, and a message only once all parts of a set came.
// Input: per fragment its number, total and first type in a byte each, the length of its plaintext
// in two, the plaintext.
#include "core/ike/protect.h"
#include "targets.h"

int anyswan::fuzz::fuzz_reassembly(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    Reader in(ByteView(data, size));
    ike::Reassembly reassembly;
    while (in.remaining() >= 5) {
        ike::OpenedFragment fragment;
        fragment.number = std::max<std::uint16_t>(*in.u8(), 1);
        fragment.total = std::max<std::uint16_t>(*in.u8(), fragment.number);
        fragment.first = wire::ike::PayloadType(*in.u8());
        const std::size_t length = *in.u16();
        fragment.plain = to_bytes(*in.take(std::min(length, in.remaining())));
        const auto whole = reassembly.add(std::move(fragment));
        if (whole && !*whole && whole->error() == ike::OpenError::refused_fragment) {
            continue;
        }
        if (whole) {
            check(reassembly.empty(), "a finished set leaves nothing behind");
            check(!*whole || (*whole)->plain.size() <= ike::max_reassembled_size, "bounded");
        }
    }
    return 0;
}
