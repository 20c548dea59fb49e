// SPDX-License-Identifier: Apache-2.0
// Test support: the other end of a Child SA, which seals with numbers of the test's choice and
// opens what the driver under test sends.
#pragma once

#include <gtest/gtest.h>

#include "core/esp/inbound_sa.h"
#include "core/esp/test_records.h"
#include "dataplane/driver.h"

namespace anyswan::dataplane::testing {

class Peer {
public:
    /// `record` is the driver's.
    explicit Peer(const sa::ChildSaRecord& record)
        : record_(esp::testing::mirror(record)),
          seal_(std::move(esp::Transform::make(record_.outbound_spi, record_.suite,
                                               record_.outbound.encr.reveal(),
                                               record_.outbound.integ.reveal()))
                    .value()),
          open_(std::move(esp::InboundSa::make(record_)).value()) {}

    [[nodiscard]] Bytes seal(std::uint64_t number, ByteView inner) {
        esp::Packet packet = esp::Packet::copy_of(inner);
        Bytes iv(seal_.iv_size());
        if (!iv.empty()) {  // ENCR_NULL has none
            iv.back() = static_cast<std::uint8_t>(++sealed_);
        }
        const bool v6 = inner[0] >> 4U == 6;
        seal_.seal(packet, SequenceNumber(number), iv,
                   v6 ? esp::NextHeader::ipv6 : esp::NextHeader::ipv4);
        return to_bytes(packet.bytes());
    }

    /// The inner packet, or nothing if it doesn't open (a replay included).
    [[nodiscard]] std::optional<Bytes> open(ByteView esp) {
        esp::OuterPacket outer{esp::Packet::copy_of(esp), {}, {}, false, 0};
        esp::Opened opened;
        open_.open({&outer, 1}, {&opened, 1});
        if (opened.drop) {
            return std::nullopt;
        }
        return to_bytes(outer.packet.bytes());
    }

private:
    sa::ChildSaRecord record_;
    esp::Transform seal_;
    esp::InboundSa open_;
    unsigned sealed_ = 0;
};

inline const Endpoint driver_natt{esp::testing::address("192.0.2.1"), 4500};
inline const Endpoint peer_natt{esp::testing::address("192.0.2.2"), 4500};
inline const sa::TunnelId tunnel_id{"acme", "hq"};

/// The record at the usual endpoints, UDP-encapsulated.
inline InstallSa install(const sa::ChildSaRecord& record) {
    return {record.clone(), driver_natt, peer_natt, true};
}

inline GrantSequence grant(EspSpi spi, std::uint64_t first, std::uint64_t last) {
    return {spi, SequenceNumber(first), SequenceNumber(last)};
}

/// A batch of changes; they can't be copied, so no initializer list.
template <class... Changes>
std::vector<Change> batch(Changes&&... changes) {
    std::vector<Change> list;
    (list.emplace_back(std::forward<Changes>(changes)), ...);
    return list;
}

}  // namespace anyswan::dataplane::testing
