// SPDX-License-Identifier: Apache-2.0
// What an embedded store keeps: facts and claims, without clients, threads or events. LocalHub
// makes a store of it. Implementations: plain maps (memory) and an SQLite file.
#pragma once

#include "store/store.h"

namespace anyswan::store {

/// Not thread-safe. Keys and values have been checked. Facts and claims count revisions separately,
/// each from 1.
class Tables {
public:
    virtual ~Tables() = default;

    /// An empty value marks a deletion; the mark stays, so that a watcher that resumes learns it.
    virtual StoreResult<Revision> put_fact(const std::string& key, ByteView value) = 0;
    /// Facts, deletions among them, written after `after`, in the order of their revisions.
    virtual StoreResult<std::vector<FactEvent>> facts_after(Revision after) = 0;
    /// 0: none was ever written.
    virtual StoreResult<Revision> last_fact() = 0;

    virtual StoreResult<std::optional<Claim>> read_claim(const std::string& key) = 0;
    /// As Store::swap_claim; an empty value deletes.
    virtual StoreResult<Swap> swap_claim(const std::string& key, ByteView value,
                                         Revision expected) = 0;
    virtual StoreResult<std::vector<std::string>> list_claims(const std::string& prefix) = 0;

    // A batch of the calls above, all durable or none.
    virtual StoreResult<void> begin() = 0;
    virtual StoreResult<void> commit() = 0;
    virtual void rollback() = 0;
};

}  // namespace anyswan::store
