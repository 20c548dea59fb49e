// SPDX-License-Identifier: Apache-2.0
// Any bytes as a payload chain, the first byte as its first type; with the texts that go to logs.
#include "core/wire/ike/message.h"
#include "targets.h"

int anyswan::fuzz::fuzz_chain(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    using namespace anyswan::wire::ike;
    if (size == 0) {
        return 0;
    }
    const auto chain = parse_chain(PayloadType(data[0]), ByteView(data + 1, size - 1));
    if (chain) {
        const auto again = parse_chain(first_type(*chain), emit_chain(*chain));
        check(again && *again == *chain, "parse(emit(x)) == x");
        if (const auto* id = Message::find_in<IdInitiator>(*chain)) {
            for (const char c : id->to_string()) {
                check(c > 0x20 && c < 0x7f, "identities print as harmless text");
            }
        }
        if (const auto* ts = Message::find_in<TsInitiator>(*chain)) {
            for (const TrafficSelector& selector : ts->selectors) {
                check(!selector.to_string().empty(), "selectors print");
            }
        }
    }
    return 0;
}
