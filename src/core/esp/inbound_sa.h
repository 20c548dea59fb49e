// SPDX-License-Identifier: Apache-2.0
// The receiving half of a Child SA: from ESP packets to inner packets (RFC 4303 3.4, RFC 4301 5.2).
#pragma once

#include <optional>
#include <span>

#include "core/esp/replay_window.h"
#include "core/esp/selectors.h"
#include "core/esp/transform.h"
#include "core/sa/records.h"
#include "core/wire/ip/ip_view.h"

namespace anyswan::esp {

/// What became of one packet.
struct Opened {
    /// Set: the packet is to be dropped for this reason; its bytes are undefined.
    std::optional<DropReason> drop;
    /// Authentic, whatever came after: it counts as sign of life of the peer.
    bool authentic = false;
    /// Authentic, and with the highest number so far: the peer is where this came from (RFC 7296
    /// 2.23).
    bool newest = false;
    wire::ip::IpView inner;
};

class InboundSa {
public:
    static Result<InboundSa> make(const sa::ChildSaRecord& record);

    /// Opens packets of this SA in place, in order; `results` has their number (checked). What is
    /// not dropped is an inner packet within the selectors, TFC padding cut off, ECN combined.
    void open(std::span<OuterPacket> packets, std::span<Opened> results);

    /// What edges elsewhere received.
    void lift(const FleetMark& mark) { window_.lift(mark); }
    [[nodiscard]] SequenceNumber highest() const { return window_.highest(); }

private:
    InboundSa(const sa::ChildSaRecord& record, Transform transform);
    [[nodiscard]] SequenceNumber number_of(ByteView packet) const;
    [[nodiscard]] Opened open_one(OuterPacket& outer);
    [[nodiscard]] std::optional<DropReason> authenticate(Packet& packet, Opened& result);
    [[nodiscard]] std::optional<DropReason> unwrap(OuterPacket& outer, Opened& result) const;

    Transform transform_;
    ReplayWindow window_;
    bool esn_;
    std::vector<TrafficSelector> local_ts_;
    std::vector<TrafficSelector> remote_ts_;
};

}  // namespace anyswan::esp
