// SPDX-License-Identifier: Apache-2.0
// Any bytes as a protected datagram, and as what an authentic peer may put inside one: plaintext of
// any form, with any padding.
#include "fixed_keys.h"
#include "targets.h"

int anyswan::fuzz::fuzz_open(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    if (size < 2) {
        return 0;
    }
    auto protector = fuzz::fixed_protector(data[0]);
    const ByteView bytes(data + 1, size - 1);
    (void)protector.open(bytes);
    (void)protector.open_fragment(bytes);

    // The same bytes once more, sealed: the first is the type inside, the last the Pad Length.
    const bool cbc = data[0] % 2 == 1;
    if (bytes.size() > 60000 || (cbc && bytes.size() % 16 != 1) || bytes.size() < 2) {
        return 0;
    }
    const std::size_t pad_length = std::min<std::size_t>(bytes.back(), bytes.size() - 2);
    const ByteView plain = bytes.subspan(1, bytes.size() - 2 - pad_length);
    const wire::ike::PayloadType first{bytes[0]};
    const Bytes sealed = protector.seal_with_iv({}, first, plain, Bytes(cbc ? 16 : 8),
                                                bytes.subspan(1 + plain.size(), pad_length));
    const auto opened = protector.open(sealed);
    check(opened ? equal(opened->plain, plain) : opened.error() == ike::OpenError::bad_inner_chain,
          "what was sealed opens");
    return 0;
}
