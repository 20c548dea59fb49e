// SPDX-License-Identifier: Apache-2.0
// A capture from anywhere in the fleet, as text: with the keys of the IKE SAs that run here, and of
// those whose claims are in the store, whichever edge owns them. The keys don't leave the process.
#pragma once

#include <functional>

#include "core/sa/envelope.h"
#include "core/trace/tracer.h"
#include "store/store.h"

namespace anyswan::edge {

struct CaptureTraceParts {
    store::Store& store;
    const sa::FleetKeys& keys;
    /// IKE SAs of this edge.
    trace::FindKeys find;
};
/// `done` gets a text per datagram, "" for what isn't IKE.
void trace_capture(const CaptureTraceParts& parts, std::vector<wire::pcap::UdpDatagram> datagrams,
                   std::function<void(std::vector<std::string>)> done);

}  // namespace anyswan::edge
