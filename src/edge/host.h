// SPDX-License-Identifier: Apache-2.0
// What an edge takes from its surroundings. The daemon gives it the machine's (edge/machine), the
// simulation its own: so the simulation runs the whole edge, wiring included.
#pragma once

#include <memory>

#include "base/random.h"
#include "config/config.h"
#include "dataplane/driver.h"
#include "edge/loop.h"
#include "net/command.h"
#include "store/store.h"

namespace anyswan::edge {

/// What the edge knows about the driver it needs.
struct DriverWishes {
    config::DataplaneOptions options;
    std::vector<IpAddress> local_addresses;
    Incarnation incarnation;  // leads all its IVs (N1)
};

class Host {
public:
    virtual ~Host() = default;

    [[nodiscard]] virtual Loop& loop() = 0;
    /// For keys and nonces too.
    [[nodiscard]] virtual Random& random() = 0;
    /// The store calls back on the loop.
    [[nodiscard]] virtual Result<std::unique_ptr<store::Store>> open_store(
        const config::StoreChoice& choice) = 0;
    [[nodiscard]] virtual Result<std::unique_ptr<dataplane::Driver>> make_driver(
        const DriverWishes& wishes, dataplane::DriverSink sink) = 0;
    /// Whether the world may send us what goes to this anycast address.
    [[nodiscard]] virtual Status announce(const IpAddress& address) = 0;
    [[nodiscard]] virtual Status withdraw(const IpAddress& address) = 0;
    /// A program of the operator's, off the loop; `done` is called on it. One at a time.
    virtual void run(net::Command command, std::function<void(Status)> done) = 0;
    /// The same at the end of the daemon, when nothing runs any more: waits for it, and for one
    /// that run() started.
    [[nodiscard]] virtual Status run_and_wait(const net::Command& command) = 0;
};

}  // namespace anyswan::edge
