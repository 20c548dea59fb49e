// SPDX-License-Identifier: Apache-2.0
// Facts in and out: the one place where sealed bytes become records and back.
//
// Out: put() gives the record its version, seals it, hands it to the store and remembers it as our
// own. In: what the store's watch and the fast path deliver is merged (core/sa/fact_table), opened
// once and given to the handlers, whoever wrote it: the edge that negotiated an SA hears of it here
// too.
#pragma once

#include <functional>
#include <map>

#include "core/sa/envelope.h"
#include "core/sa/fact_table.h"
#include "store/store.h"

namespace anyswan::edge {

/// What became of a write.
enum class Written : std::uint8_t {
    durable,   // the store has acknowledged it
    deferred,  // the store is away: kept here, applied here, written when it is back
};
/// Whether the caller hears of a write that was deferred, or only when it is durable.
enum class Patience : std::uint8_t { until_deferred, until_durable };

struct FactHandlers {
    std::function<void(const sa::EnvelopeHeader&, const sa::Record&)> on_record;
    /// The snapshot is complete (again, after a reset): this edge knows what the fleet knows.
    std::function<void()> on_in_step;
    /// The store is not the one it was; what this edge wrote is being written again. May be empty.
    std::function<void()> on_reset = {};
};

class Facts {
public:
    /// All borrowed; `handlers` are called on the loop.
    Facts(store::Store& store, const sa::FleetKeys& keys, Random& random, FactHandlers handlers);

    /// Begins to watch, from the beginning.
    void start();
    using Done = std::function<void(Written)>;
    void put(const std::string& key, Epoch epoch, const sa::Record& record, Done done,
             Patience patience = Patience::until_deferred);
    /// The sealed copy of a fact that this edge wrote, for AskSpi; nothing if it wrote none.
    [[nodiscard]] std::optional<Bytes> own(const std::string& key) const;
    /// A fact that came by another way than the store (Tell, the fast path).
    void offer(const std::string& key, const Bytes& envelope);
    /// Writes what was deferred; called when the store's link is up again.
    void flush();
    /// Writes again whatever this edge knows and a store that was reset does not show, whoever
    /// wrote it first: its writer may be gone. Called a while after the snapshot that followed the
    /// reset.
    void repair();

    /// For every other second, while the store is there: writes what came over the bus alone and
    /// the store doesn't show. Who made it died before it was written; an edge that starts now
    /// would never hear of it (N5, N6). Any edge may do it: when it is missed for the second or
    /// third time with a chance of one in `edges`, then in any case.
    void rescue(std::size_t edges);
    /// The store is away: what is missed means nothing.
    void miss_nothing() { missed_.clear(); }

    [[nodiscard]] bool in_step() const { return in_step_; }
    /// Whether repair() is due: the store was reset since it last ran.
    [[nodiscard]] bool repair_wanted() const { return repair_wanted_; }
    [[nodiscard]] Revision applied() const { return applied_; }
    /// Writes that the store should have had before.
    [[nodiscard]] std::size_t deferred() const { return outbox_.size() + late_; }
    /// What this edge wrote and the store has not acknowledged.
    [[nodiscard]] std::size_t unwritten() const;
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    struct Own {
        sa::Version version;
        Bytes envelope;
        bool durable = false;
        std::vector<Done> waiting;  // for it, or a newer version, to be durable
    };

    void on_event(const store::FactEvent& event);
    void on_reset(const std::string& reason);
    void write(const std::string& key, const Bytes& envelope, Done done, Patience patience);
    void write_late(const std::string& key, const Bytes& envelope);
    void on_durable(const std::string& key, const Bytes& envelope);
    void put_off(const std::string& key, const Bytes& envelope, const std::string& why, Done done,
                 Patience patience);
    [[nodiscard]] sa::Version next_version(const std::string& key, Epoch epoch) const;

    store::Store& store_;
    const sa::FleetKeys& keys_;
    Random& random_;
    FactHandlers handlers_;
    sa::FactTable table_;
    /// What this edge wrote, newest version per key. The table learns of it when it comes back.
    std::map<std::string, Own> own_;
    /// Deferred writes: the newest envelope per key.
    std::map<std::string, Bytes> outbox_;
    /// What the store did not show when rescue() looked last.
    struct Missed {
        sa::Version version;
        unsigned times = 0;
    };
    std::map<std::string, Missed> missed_;
    /// Deferred ones that are being written now.
    std::size_t late_ = 0;
    std::map<std::string, std::uint64_t> counters_;
    Revision applied_;
    bool in_step_ = false;
    bool repair_wanted_ = false;
};

}  // namespace anyswan::edge
