// SPDX-License-Identifier: Apache-2.0
#include "core/sa/fact_table.h"

#include <functional>
#include <tuple>

namespace anyswan::sa {

bool has_ended(const Record& record) {
    return std::visit(
        [](const auto& value) {
            if constexpr (requires { value.ended; }) {
                return value.ended;
            } else {
                return false;
            }
        },
        record);
}

namespace {

/// Whether a key's tombstone is the last word on it: the SPI in the key is never used again.
bool end_is_final(RecordKind kind) {
    return kind == RecordKind::child_sa || kind == RecordKind::endpoint ||
           kind == RecordKind::ike_sa;
}

bool ended_for_good(const Fact& fact) {
    return fact.ended && end_is_final(fact.header.kind);
}

}  // namespace

FactVerdict FactTable::judge_unopened(const Entry& held, const EnvelopeHeader& header,
                                      ByteView envelope) {
    const Fact& fact = held.fact;
    if (held.deleted) {
        return header.version > fact.header.version ? FactVerdict::newer : FactVerdict::stale;
    }
    if (header.version == fact.header.version && equal(envelope, fact.envelope)) {
        return FactVerdict::same;
    }
    // A lower version may be a tombstone, and then wins over an SA that lives.
    const bool may_win =
        header.version >= fact.header.version || (end_is_final(header.kind) && !fact.ended);
    return may_win ? FactVerdict::newer : FactVerdict::stale;
}

FactVerdict FactTable::judge(const Entry& held, const Fact& arrived) {
    const Fact& fact = held.fact;
    if (held.deleted) {
        const bool came_back = ended_for_good(fact) && !arrived.ended;
        return arrived.header.version > fact.header.version && !came_back ? FactVerdict::newer
                                                                          : FactVerdict::stale;
    }
    const auto rank = [](const Fact& of) {
        return std::make_tuple(ended_for_good(of), of.header.version, of.ended,
                               std::cref(of.envelope));
    };
    if (rank(arrived) == rank(fact)) {
        return FactVerdict::same;
    }
    return rank(arrived) > rank(fact) ? FactVerdict::newer : FactVerdict::stale;
}

FactVerdict FactTable::settle(Entry& held, FactVerdict verdict, FactSource source) {
    switch (verdict) {
        case FactVerdict::newer:
            ++events_.newer;
            break;
        case FactVerdict::same:
            ++events_.same;
            held.fact.own = held.fact.own || source == FactSource::own;
            held.fact.in_store = held.fact.in_store || source == FactSource::store;
            break;
        case FactVerdict::stale:
            ++events_.stale;
            // The store's last word on a key is what it holds: after it has shown our version, an
            // older one means that somebody put it over ours.
            held.fact.in_store = held.fact.in_store && source != FactSource::store;
            break;
    }
    return verdict;
}

FactVerdict FactTable::sift(const EnvelopeHeader& header, ByteView envelope, FactSource source) {
    const auto found = entries_.find(header.key);
    if (found == entries_.end()) {
        return FactVerdict::newer;
    }
    const FactVerdict verdict = judge_unopened(found->second, header, envelope);
    // What is to be opened is counted by apply().
    return verdict == FactVerdict::newer ? verdict : settle(found->second, verdict, source);
}

FactVerdict FactTable::apply(EnvelopeHeader header, Bytes envelope, bool ended, FactSource source) {
    Fact arrived{std::move(header), std::move(envelope), ended, source == FactSource::own,
                 source == FactSource::store};
    const auto [found, added] = entries_.try_emplace(arrived.header.key);
    Entry& held = found->second;
    if (!added) {
        const FactVerdict verdict = judge(held, arrived);
        if (verdict != FactVerdict::same && !held.deleted &&
            arrived.header.version == held.fact.header.version) {
            ++events_.conflicts;
        }
        if (verdict != FactVerdict::newer) {
            return settle(held, verdict, source);
        }
    }
    held = Entry{std::move(arrived), false};
    return settle(held, FactVerdict::newer, source);
}

bool FactTable::remove(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.deleted || !found->second.fact.in_store) {
        return false;
    }
    Entry& entry = found->second;
    entry.deleted = true;
    entry.fact.envelope = Bytes();
    entry.fact.own = false;
    return true;
}

void FactTable::forget(const std::string& key) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && (found->second.deleted || found->second.fact.ended)) {
        entries_.erase(found);
    }
}

void FactTable::on_store_reset() {
    for (auto& [key, entry] : entries_) {
        entry.fact.in_store = false;
    }
}

const Fact* FactTable::find(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() || found->second.deleted ? nullptr : &found->second.fact;
}

std::vector<const Fact*> FactTable::own_facts() const {
    std::vector<const Fact*> facts;
    for (const auto& [key, entry] : entries_) {
        if (entry.fact.own) {
            facts.push_back(&entry.fact);
        }
    }
    return facts;
}

std::vector<const Fact*> FactTable::not_in_store() const {
    std::vector<const Fact*> facts;
    for (const auto& [key, entry] : entries_) {
        if (!entry.deleted && !entry.fact.in_store) {
            facts.push_back(&entry.fact);
        }
    }
    return facts;
}

FactCounts FactTable::counts() const {
    FactCounts counts = events_;
    for (const auto& [key, entry] : entries_) {
        if (!entry.deleted) {
            ++(entry.fact.ended ? counts.ended : counts.live);
        }
    }
    return counts;
}

}  // namespace anyswan::sa
