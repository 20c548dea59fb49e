// SPDX-License-Identifier: Apache-2.0
// `anyswan trace`: IKE exchanges as text, from a capture or live.
#pragma once

#include "cli/commands.h"

namespace anyswan::cli {

struct TraceOptions {
    /// A pcap or pcapng file, "-" for standard input; "" for what passes through the daemon now.
    std::string capture;
    /// Keys as Wireshark keeps them; "" to ask the daemon.
    std::string keys;
    /// Only messages from and to this address; "" for all.
    std::string peer;
    /// Live: ends after so many messages; 0: never.
    std::size_t count = 0;
};

int trace(const Common& common, const TraceOptions& options);

}  // namespace anyswan::cli
