// SPDX-License-Identifier: Apache-2.0
// Which Child SAs other edges could not apply, and why, as they say: for `anyswan sa list`. Pure.
#pragma once

#include <map>
#include <vector>

#include "edge/bus_messages.h"

namespace anyswan::edge {

/// What an edge said counts for so long: it says it again every second.
inline constexpr Duration trouble_timeout = 10s;
/// SAs in one report; the first ones stand for the others.
inline constexpr std::size_t troubles_max = 512;

struct TroubleElsewhere {
    std::string edge;
    std::string why;
    bool operator==(const TroubleElsewhere&) const = default;
};

class Troubles {
public:
    void on_report(Instant now, SaTroubles report);
    /// By edge's name.
    [[nodiscard]] std::vector<TroubleElsewhere> of(Instant now, EspSpi spi) const;

private:
    struct Report {
        Instant heard;
        std::map<EspSpi, std::string> rows;
    };
    std::map<std::string, Report> by_edge_;
};

}  // namespace anyswan::edge
