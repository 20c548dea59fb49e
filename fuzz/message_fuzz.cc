// SPDX-License-Identifier: Apache-2.0
// Any bytes as a datagram: what parses, survives the wire.
#include "core/wire/ike/message.h"
#include "targets.h"

int anyswan::fuzz::fuzz_message(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    const auto message = wire::ike::Message::parse(ByteView(data, size));
    if (message) {
        const Bytes datagram = message->emit();
        const auto again = wire::ike::Message::parse(datagram);
        check(again && *again == *message, "parse(emit(x)) == x");
        check(datagram.size() == size, "nothing is lost");
    }
    return 0;
}
