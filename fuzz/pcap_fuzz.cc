// SPDX-License-Identifier: Apache-2.0
// Any bytes as a packet capture, and each datagram in it as an operator would read it.
#include "base/check.h"
#include "core/trace/tracer.h"
#include "core/wire/pcap/pcap.h"
#include "targets.h"

int anyswan::fuzz::fuzz_pcap(const std::uint8_t* data, std::size_t size) {
    using namespace anyswan;
    const auto capture = wire::pcap::read_capture(ByteView(data, size));
    if (!capture) {
        check(!capture.error().message.empty(), "a refusal has words");
        return 0;
    }
    trace::Tracer tracer([](ike::SpiPair) { return std::nullopt; });
    std::size_t total = 0;
    for (const wire::pcap::UdpDatagram& datagram : capture->datagrams) {
        total += datagram.payload.size();
        for (const char c : tracer.describe(datagram)) {
            check(c == '\n' || (c >= 0x20 && c < 0x7f), "text is printable");
        }
    }
    check(total <= size, "datagrams lie in the file");
    return 0;
}
