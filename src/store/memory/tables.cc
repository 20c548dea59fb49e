// SPDX-License-Identifier: Apache-2.0
#include "store/memory/tables.h"

namespace anyswan::store {

StoreResult<Revision> MemoryTables::put_fact(const std::string& key, ByteView value) {
    fact_revision_ = fact_revision_.next();
    Claim& fact = facts_[key];
    fact_order_.erase(fact.revision);
    fact = {to_bytes(value), fact_revision_};
    fact_order_[fact_revision_] = key;
    return fact_revision_;
}

std::optional<Bytes> MemoryTables::fact(const std::string& key) const {
    const auto found = facts_.find(key);
    return found == facts_.end() ? std::nullopt : std::optional(found->second.value);
}

StoreResult<std::vector<FactEvent>> MemoryTables::facts_after(Revision after) {
    std::vector<FactEvent> events;
    for (auto at = fact_order_.upper_bound(after); at != fact_order_.end(); ++at) {
        events.push_back({at->second, facts_.at(at->second).value, at->first, FactPath::watch});
    }
    return events;
}

StoreResult<std::optional<Claim>> MemoryTables::read_claim(const std::string& key) {
    const auto at = claims_.find(key);
    if (at == claims_.end()) {
        return std::optional<Claim>{};
    }
    return std::optional<Claim>{at->second};
}

StoreResult<Swap> MemoryTables::swap_claim(const std::string& key, ByteView value,
                                           Revision expected) {
    const auto at = claims_.find(key);
    const Revision present = at == claims_.end() ? Revision{0} : at->second.revision;
    if (present != expected) {
        return Swap{};
    }
    claim_revision_ = claim_revision_.next();
    if (value.empty()) {
        claims_.erase(key);
    } else {
        claims_[key] = {to_bytes(value), claim_revision_};
    }
    return Swap{true, claim_revision_};
}

StoreResult<std::vector<std::string>> MemoryTables::list_claims(const std::string& prefix) {
    std::vector<std::string> keys;
    for (auto at = claims_.lower_bound(prefix);
         at != claims_.end() && at->first.starts_with(prefix); ++at) {
        keys.push_back(at->first);
    }
    return keys;
}

}  // namespace anyswan::store
