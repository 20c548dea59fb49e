// SPDX-License-Identifier: Apache-2.0
// Any text as the tunnels of an operator: a file, or the body of an API request. What is refused
// says why, and what is taken can be stored.
#include "base/check.h"
#include "config/config.h"
#include "core/sa/codec.h"
#include "targets.h"

int anyswan::fuzz::fuzz_config(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    auto tunnels = config::parse_tunnels(to_string(ByteView(data, size)), "request");
    if (!tunnels) {
        check(!tunnels.error().message.empty(), "a refusal has words");
        return 0;
    }
    for (sa::TunnelRecord& tunnel : *tunnels) {
        const sa::Record record(std::move(tunnel));
        const Secret bytes = sa::encode_record(record);
        const auto read = sa::decode_record(sa::kind_of(record), bytes.reveal());
        check(read && *read == record, "a configured tunnel survives the store");
    }
    return 0;
}
