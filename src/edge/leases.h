// SPDX-License-Identifier: Apache-2.0
// SequenceLeases of this edge (invariant N2): claims the right to send on an
// outbound SA, reserves numbers ahead of their use, and tells the former sender.
#pragma once

#include <functional>
#include <map>

#include "core/sa/envelope.h"
#include "core/sa/sequence_lease.h"
#include "dataplane/driver.h"
#include "edge/bus_messages.h"
#include "store/store.h"

namespace anyswan::edge {

class Leases {
public:
    struct Parts {
        store::Store& store;
        const sa::FleetKeys& keys;
        Random& random;
        /// Sends a bus message; lossy.
        std::function<void(const std::string& subject, const BusBody&)> tell;
        EdgeId edge;
        Incarnation incarnation;
    };
    explicit Leases(Parts parts) : parts_(std::move(parts)) {}

    using Grant = std::function<void(dataplane::GrantSequence)>;
    /// Numbers are wanted; `grant` runs when they are reserved. One request per SA at a time.
    void want(const dataplane::NeedSequence& need, crypto::SnId sn, Grant grant);
    /// Another edge says that it is the sender now. True if we were.
    bool taken_by_other(const LeaseTaken& lease);
    /// The SA has ended. Its claim stays in the store: an edge that hears of the end late, after
    /// however long, must not find a clean sheet and start over (N2).
    void forget(EspSpi spi) { states_.erase(spi); }
    [[nodiscard]] bool held(EspSpi spi) const;
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    struct State {
        Revision revision;
        std::optional<sa::SequenceLeaseRecord> claim;  // as last read or written
        bool known = false;  // the two above are the store's present state, as far as we know
        bool busy = false;
        bool held = false;
    };
    struct Want {
        dataplane::NeedSequence need;
        crypto::SnId sn{};
        Grant grant;
        int tries = 0;
    };

    void read(Want want);
    void reserve(Want want);
    void on_swap(Want want, const sa::LeaseGrant& next,
                 const store::StoreResult<store::Swap>& answer);
    void done(EspSpi spi);

    Parts parts_;
    std::map<EspSpi, State> states_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
