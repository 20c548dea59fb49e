// SPDX-License-Identifier: Apache-2.0
// Tables of an embedded store as plain maps. Copyable: a copy is a backup.
#pragma once

#include <map>

#include "store/local/tables.h"

namespace anyswan::store {

class MemoryTables final : public Tables {
public:
    StoreResult<Revision> put_fact(const std::string& key, ByteView value) override;
    StoreResult<std::vector<FactEvent>> facts_after(Revision after) override;
    /// Empty: deleted.
    [[nodiscard]] std::optional<Bytes> fact(const std::string& key) const;
    StoreResult<Revision> last_fact() override { return fact_revision_; }
    StoreResult<std::optional<Claim>> read_claim(const std::string& key) override;
    StoreResult<Swap> swap_claim(const std::string& key, ByteView value,
                                 Revision expected) override;
    StoreResult<std::vector<std::string>> list_claims(const std::string& prefix) override;
    // Nothing here fails, so nothing is ever undone.
    StoreResult<void> begin() override { return {}; }
    StoreResult<void> commit() override { return {}; }
    void rollback() override {}

private:
    std::map<std::string, Claim> facts_;
    std::map<Revision, std::string> fact_order_;
    std::map<std::string, Claim> claims_;
    Revision fact_revision_;
    Revision claim_revision_;
};

}  // namespace anyswan::store
