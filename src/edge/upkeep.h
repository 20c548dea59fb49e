// SPDX-License-Identifier: Apache-2.0
// What the owner of IKE SAs does about them as time passes: asks silent peers whether they live,
// rekeys SAs before their lifetime is over, ends those whose is. Pure.
//
// Lifetimes of the configuration are hard limits. An SA is rekeyed at 80 to 90 % of the first limit
// that it comes near: where in between depends on its SPI, so that the SAs of a fleet don't rekey
// in step, nor both ends of one SA at once. Bytes and packets are counted fleet-wide: every edge
// tells every other once a second what each SA carried, so a new owner knows the sums too.
#pragma once

#include <functional>
#include <map>

#include "core/ike/engine.h"
#include "edge/bus_messages.h"

namespace anyswan::edge {

class Upkeep {
public:
    /// An edge, this one too, tells what a Child SA carried.
    void on_traffic(Instant now, const TrafficRow& row);
    /// Drops what is kept about Child SAs that no longer exist; looks once a minute.
    void forget_unless(const std::function<bool(EspSpi)>& exists);

    /// To be asked about once a second, with the IKE SAs that this edge owns: what the engine is to
    /// do.
    [[nodiscard]] std::vector<ike::Input> decide(Now now, const std::vector<ike::IkeSaSummary>& sas,
                                                 const ike::TunnelDirectory& tunnels);

private:
    /// Sums over all edges.
    struct Carried {
        Instant heard;
        std::uint64_t bytes_in = 0, packets_in = 0, bytes_out = 0, packets_out = 0;
        bool numbers_low = false;
    };
    /// What we have done about an IKE SA lately.
    struct Watched {
        Instant since;
        Instant probed;
        std::optional<Instant> rekeyed;      // tried to
        std::map<EspSpi, Instant> children;  // likewise
    };
    enum class Due : std::uint8_t { nothing, rekey, end };

    void look_after(Now now, const ike::IkeSaSummary& sa, const sa::TunnelRecord& tunnel,
                    std::vector<ike::Input>& decisions);
    void look_after_children(Now now, const ike::IkeSaSummary& sa, const sa::TunnelRecord& tunnel,
                             Watched& watched, std::vector<ike::Input>& decisions) const;
    [[nodiscard]] Due due(const ike::ChildSummary& child, const sa::TunnelRecord& tunnel,
                          WallTime now) const;
    [[nodiscard]] Instant last_heard(const ike::IkeSaSummary& sa, const Watched& watched) const;

    std::map<EspSpi, Carried> carried_;
    std::map<IkeSpi, Watched> watched_;
    unsigned calls_ = 0;
};

}  // namespace anyswan::edge
