// SPDX-License-Identifier: Apache-2.0
#include "core/esp/outbound_sa.h"

#include <array>

namespace anyswan::esp {

SequenceAllocator::Rule sequence_rule(const sa::ChildSaRecord& record) {
    const bool free = record.sender_rule == sa::SenderRule::spread ||
                      record.suite.sn == crypto::SnId::unspecified_32;
    return free ? SequenceAllocator::Rule::free_running : SequenceAllocator::Rule::granted;
}

Result<OutboundSa> OutboundSa::make(const sa::ChildSaRecord& record) {
    auto transform = Transform::make(record.outbound_spi, record.suite,
                                     record.outbound.encr.reveal(), record.outbound.integ.reveal());
    if (!transform) {
        return Unexpected<Error>{transform.error()};
    }
    return OutboundSa(record, std::move(*transform));
}

OutboundSa::OutboundSa(const sa::ChildSaRecord& record, Transform transform)
    : transform_(std::move(transform)),
      sequence_(record.suite.sn, sequence_rule(record)),
      local_ts_(record.local_ts),
      remote_ts_(record.remote_ts) {}

std::size_t OutboundSa::seal(std::span<Packet> packets, IvAllocator& ivs, Random& random) {
    std::size_t sealed = 0;
    for (Packet& packet : packets) {
        const auto number = sequence_.take();
        if (!number) {
            break;
        }
        std::array<std::uint8_t, iv_size_max> iv_space{};
        const MutableBytes iv = MutableBytes(iv_space).first(transform_.iv_size());
        write_iv(iv, ivs, random);
        const bool v6 = packet.bytes()[0] >> 4U == 6;
        transform_.seal(packet, *number, iv, v6 ? NextHeader::ipv6 : NextHeader::ipv4);
        ++sealed;
    }
    return sealed;
}

void OutboundSa::write_iv(MutableBytes iv, IvAllocator& ivs, Random& random) const {
    if (transform_.is_aead()) {
        store_u64(iv, ivs.take());
    } else {
        random.fill(iv);  // RFC 3602 2.2: "the IV MUST be randomly generated"
    }
}

}  // namespace anyswan::esp
