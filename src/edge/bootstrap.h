// SPDX-License-Identifier: Apache-2.0
// What an edge must hold before it may serve: its number, an incarnation that no start ever had,
// and a block of SPIs. All are create-only claims, so that two edges can never hold the same
// (invariant N1 rests on the incarnation). Retries for as long as the store is away.
#pragma once

#include <functional>

#include "core/sa/envelope.h"
#include "edge/loop.h"
#include "store/store.h"

namespace anyswan::edge {

class Bootstrap {
public:
    struct Parts {
        Loop& loop;
        store::Store& store;
        const sa::FleetKeys& keys;
        Random& random;
        std::string edge;
        EdgeId id;
    };
    explicit Bootstrap(Parts parts);

    struct Held {
        Incarnation incarnation;
        std::uint32_t spi_block = 0;
    };
    /// `done` runs once: with what is held, or with the reason why this edge may not run.
    void run(std::function<void(Result<Held>)> done);
    /// One more SPI block; `done` gets its number. Retries until it has one.
    void claim_spi_block(std::function<void(std::uint32_t)> done);
    [[nodiscard]] Incarnation incarnation() const { return held_.incarnation; }

private:
    void claim_edge_id();
    void check_edge_id();
    void claim_incarnation();
    void retry(const std::string& what, const store::StoreError& error,
               std::function<void()> again);
    [[nodiscard]] Bytes holder(const std::string& key);

    Parts parts_;
    Timer timer_;
    Timer block_timer_;
    Held held_;
    std::function<void(Result<Held>)> done_;
};

}  // namespace anyswan::edge
