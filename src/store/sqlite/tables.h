// SPDX-License-Identifier: Apache-2.0
// Tables of an embedded store in an SQLite file.
#pragma once

#include <map>

#include "store/local/tables.h"

struct sqlite3;
struct sqlite3_stmt;

namespace anyswan::store {

class SqliteTables final : public Tables {
public:
    [[nodiscard]] static Result<std::unique_ptr<SqliteTables>> open(const std::string& path);
    ~SqliteTables() override;
    SqliteTables(const SqliteTables&) = delete;
    SqliteTables& operator=(const SqliteTables&) = delete;

    StoreResult<Revision> put_fact(const std::string& key, ByteView value) override;
    StoreResult<std::vector<FactEvent>> facts_after(Revision after) override;
    StoreResult<Revision> last_fact() override;
    StoreResult<std::optional<Claim>> read_claim(const std::string& key) override;
    StoreResult<Swap> swap_claim(const std::string& key, ByteView value,
                                 Revision expected) override;
    StoreResult<std::vector<std::string>> list_claims(const std::string& prefix) override;
    StoreResult<void> begin() override { return execute("BEGIN IMMEDIATE"); }
    StoreResult<void> commit() override { return execute("COMMIT"); }
    void rollback() override { (void)execute("ROLLBACK"); }

private:
    class Query;

    SqliteTables(sqlite3* database, std::string path)
        : database_(database), path_(std::move(path)) {}
    StoreResult<void> execute(const char* sql);
    StoreResult<std::int64_t> read_number(const char* sql);
    StoreResult<Revision> next_revision(const char* counter);
    StoreResult<void> prepare_file();
    StoreError error(int code) const;

    sqlite3* database_;
    std::string path_;
    std::map<std::string, sqlite3_stmt*> statements_;  // prepared once, by their text
};

}  // namespace anyswan::store
