// SPDX-License-Identifier: Apache-2.0
#include "edge/facts.h"

#include <algorithm>

#include "edge/log.h"

namespace anyswan::edge {

Facts::Facts(store::Store& store, const sa::FleetKeys& keys, Random& random, FactHandlers handlers)
    : store_(store), keys_(keys), random_(random), handlers_(std::move(handlers)) {}

void Facts::start() {
    store::FactSink sink;
    sink.on_fact = [this](const store::FactEvent& event) { on_event(event); };
    sink.on_snapshot_complete = [this](Revision revision) {
        applied_ = std::max(applied_, revision);
        in_step_ = true;
        handlers_.on_in_step();
    };
    sink.on_store_reset = [this](const std::string& reason) { on_reset(reason); };
    store_.watch_facts(Revision{}, std::move(sink));
}

sa::Version Facts::next_version(const std::string& key, Epoch epoch) const {
    sa::Version newest;
    if (const sa::Fact* held = table_.find(key)) {
        newest = held->header.version;
    }
    if (const auto own = own_.find(key); own != own_.end()) {
        newest = std::max(newest, own->second.version);
    }
    return {std::max(newest.epoch, epoch), newest.counter + 1};
}

void Facts::put(const std::string& key, Epoch epoch, const sa::Record& record, Done done,
                Patience patience) {
    const sa::Version version = next_version(key, epoch);
    const Bytes envelope = sa::seal_record(keys_, random_, key, version, record);
    Own& own = own_[key];
    own.version = version;
    own.envelope = envelope;
    own.durable = false;
    write(key, envelope, std::move(done), patience);
}

void Facts::write(const std::string& key, const Bytes& envelope, Done done, Patience patience) {
    outbox_.erase(key);
    store_.put_fact(key, envelope,
                    [this, key, envelope, patience,
                     done = std::move(done)](const store::StoreResult<Revision>& answer) {
                        if (!answer) {
                            put_off(key, envelope, answer.error().message, done, patience);
                            return;
                        }
                        on_durable(key, envelope);
                        done(Written::durable);
                    });
}

void Facts::on_durable(const std::string& key, const Bytes& envelope) {
    const auto own = own_.find(key);
    if (own != own_.end() && own->second.envelope == envelope) {
        own->second.durable = true;
        for (const Done& done : std::exchange(own->second.waiting, {})) {
            done(Written::durable);
        }
    }
}

void Facts::put_off(const std::string& key, const Bytes& envelope, const std::string& why,
                    Done done, Patience patience) {
    ++counters_["facts_deferred"];
    log::warn("store", "write of " + key + " is put off: " + why);
    const auto own = own_.find(key);
    if (own == own_.end() || own->second.envelope == envelope) {
        outbox_[key] = envelope;
    }
    // The store's fast path is gone too: this edge must not wait for its own record.
    offer(key, envelope);
    if (patience == Patience::until_deferred || own == own_.end()) {
        done(Written::deferred);
    } else if (own->second.durable) {
        done(Written::durable);  // a newer version is
    } else {
        own->second.waiting.push_back(std::move(done));
    }
}

void Facts::write_late(const std::string& key, const Bytes& envelope) {
    ++late_;
    write(
        key, envelope, [this](Written) { --late_; }, Patience::until_deferred);
}

std::optional<Bytes> Facts::own(const std::string& key) const {
    const auto found = own_.find(key);
    return found == own_.end() ? std::nullopt : std::optional(found->second.envelope);
}

std::size_t Facts::unwritten() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(own_, [](const auto& entry) { return !entry.second.durable; }));
}

void Facts::offer(const std::string& key, const Bytes& envelope) {
    on_event({key, envelope, Revision{}, store::FactPath::fast});
}

void Facts::on_event(const store::FactEvent& event) {
    const bool watched = event.path == store::FactPath::watch;
    if (watched) {
        applied_ = std::max(applied_, event.revision);
    }
    if (event.value.empty()) {
        (void)table_.remove(event.key);
        return;
    }
    const auto header = sa::peek_envelope(event.value);
    if (!header || header->key != event.key) {
        ++counters_["facts_bad_envelope"];
        return;
    }
    // Most facts come twice, by the watch and the fast path: the second is not opened again.
    const auto source = watched ? sa::FactSource::store : sa::FactSource::fast;
    if (table_.sift(*header, event.value, source) != sa::FactVerdict::newer) {
        return;
    }
    auto opened = sa::open_record(keys_, event.key, event.value);
    if (!opened) {
        ++counters_[std::string("facts_") + sa::name(opened.error())];
        log::warn("store", "record " + event.key + " refused: " + sa::name(opened.error()));
        return;
    }
    const bool ended = sa::has_ended(opened->record);
    if (table_.apply(opened->header, event.value, ended, source) == sa::FactVerdict::newer) {
        ++counters_[watched ? "facts_applied_watch" : "facts_applied_fast_path"];
        handlers_.on_record(opened->header, opened->record);
    }
}

void Facts::flush() {
    std::map<std::string, Bytes> waiting;
    waiting.swap(outbox_);
    for (const auto& [key, envelope] : waiting) {
        write_late(key, envelope);
    }
}

void Facts::on_reset(const std::string& reason) {
    log::warn("store", "the store is not the one it was (" + reason +
                           "): writing again what this edge wrote");
    in_step_ = false;
    repair_wanted_ = true;
    applied_ = Revision{};
    table_.on_store_reset();
    for (auto& [key, own] : own_) {
        own.durable = false;
        write_late(key, own.envelope);
    }
    if (handlers_.on_reset) {
        handlers_.on_reset();
    }
}

void Facts::rescue(std::size_t edges) {
    std::map<std::string, Missed> missed;
    for (const sa::Fact* fact : table_.not_in_store()) {
        const std::string& key = fact->header.key;
        const auto before = missed_.find(key);
        const bool again =
            before != missed_.end() && before->second.version == fact->header.version;
        const unsigned times = again ? before->second.times + 1 : 1;
        if (times > 3 || (times > 1 && random_.below(std::max<std::size_t>(edges, 1)) == 0)) {
            ++counters_["facts_rescued"];
            write_late(key, Bytes(fact->envelope));
        } else {
            missed.emplace(key, Missed{fact->header.version, times});
        }
    }
    missed_ = std::move(missed);
}

void Facts::repair() {
    repair_wanted_ = false;
    for (const sa::Fact* fact : table_.not_in_store()) {
        ++counters_["facts_repaired"];
        write_late(fact->header.key, Bytes(fact->envelope));
    }
}

}  // namespace anyswan::edge
