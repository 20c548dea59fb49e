// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/tables.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

namespace anyswan::store {
namespace {

/// "anys": names the file as ours.
constexpr std::int64_t application_id = 0x616e7973;
constexpr std::int64_t schema_version = 1;

constexpr const char* settings = R"(
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
)";

// A fact's row is replaced when it is written again, so the last revision is the greatest one.
// Claims are deleted, and their revisions must never come again: they are counted.
constexpr const char* schema = R"(
CREATE TABLE facts (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL               -- empty: deleted
);
CREATE TABLE claims (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('facts', 0), ('claims', 0);
PRAGMA application_id = 0x616e7973;
PRAGMA user_version = 1;
)";

std::int64_t to_integer(Revision revision) {
    return static_cast<std::int64_t>(revision.value());
}

}  // namespace

/// One run of a prepared statement.
class SqliteTables::Query {
public:
    Query(SqliteTables& tables, const char* sql) : tables_(tables) {
        sqlite3_stmt*& prepared = tables.statements_[sql];
        if (prepared == nullptr) {
            result_ = sqlite3_prepare_v3(tables.database_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                         &prepared, nullptr);
        }
        statement_ = prepared;
    }
    ~Query() {
        if (statement_ != nullptr) {
            sqlite3_reset(statement_);
            sqlite3_clear_bindings(statement_);
        }
    }
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // The bound bytes must outlive the query.
    Query& bind(int at, std::string_view text) {
        note(sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()),
                               SQLITE_STATIC));
        return *this;
    }
    Query& bind(int at, ByteView bytes) {
        note(bytes.empty() ? sqlite3_bind_zeroblob(statement_, at, 0)
                           : sqlite3_bind_blob(statement_, at, bytes.data(),
                                               static_cast<int>(bytes.size()), SQLITE_STATIC));
        return *this;
    }
    Query& bind(int at, std::int64_t number) {
        note(sqlite3_bind_int64(statement_, at, number));
        return *this;
    }

    /// True: a row is there.
    StoreResult<bool> step() {
        if (result_ == SQLITE_OK) {
            const int stepped = sqlite3_step(statement_);
            if (stepped == SQLITE_ROW || stepped == SQLITE_DONE) {
                return stepped == SQLITE_ROW;
            }
            result_ = stepped;
        }
        return Unexpected{tables_.error(result_)};
    }
    StoreResult<void> run() {
        if (const auto stepped = step(); !stepped) {
            return Unexpected{stepped.error()};
        }
        return {};
    }

    [[nodiscard]] std::int64_t number(int column) const {
        return sqlite3_column_int64(statement_, column);
    }
    [[nodiscard]] Revision revision(int column) const {
        return Revision{static_cast<std::uint64_t>(number(column))};
    }
    [[nodiscard]] std::string text(int column) const { return to_string(bytes(column)); }
    [[nodiscard]] Bytes bytes(int column) const {
        const auto* const data =
            static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
        return data == nullptr ? Bytes{} : Bytes(data, data + size);
    }

private:
    void note(int code) {
        if (result_ == SQLITE_OK) {
            result_ = code;
        }
    }

    SqliteTables& tables_;
    sqlite3_stmt* statement_ = nullptr;
    int result_ = SQLITE_OK;
};

Result<std::unique_ptr<SqliteTables>> SqliteTables::open(const std::string& path) {
    // SQLite would make it readable for others.
    const int created = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (created < 0) {
        return fail("open the store " + path + ": can't read and write the file");
    }
    ::close(created);
    sqlite3* database = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &database,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    auto tables = std::unique_ptr<SqliteTables>(new SqliteTables(database, path));
    if (opened != SQLITE_OK) {
        return fail("open the store " + path + ": " + tables->error(opened).message);
    }
    if (const auto prepared = tables->prepare_file(); !prepared) {
        return fail("open the store " + path + ": " + prepared.error().message);
    }
    return tables;
}

SqliteTables::~SqliteTables() {
    for (const auto& [sql, statement] : statements_) {
        sqlite3_finalize(statement);
    }
    sqlite3_close(database_);
}

StoreResult<void> SqliteTables::prepare_file() {
    if (auto set = execute(settings); !set) {
        return set;
    }
    // Takes the lock, which exclusive locking then keeps until the file is closed.
    if (auto begun = begin(); !begun) {
        return begun;
    }
    const auto id = read_number("PRAGMA application_id");
    const auto version = read_number("PRAGMA user_version");
    const auto tables = read_number("SELECT count(*) FROM sqlite_master");
    if (!id || !version || !tables) {
        return Unexpected{!id ? id.error() : !version ? version.error() : tables.error()};
    }
    if (*id != application_id && (*id != 0 || *tables != 0)) {
        return Unexpected{StoreError{Failure::refused, "it is not a store of anyswan"}};
    }
    if (*version > schema_version) {
        return Unexpected{
            StoreError{Failure::refused, "it was written by a newer release (format " +
                                             std::to_string(*version) + ", this one knows " +
                                             std::to_string(schema_version) + ")"}};
    }
    if (*id == 0) {
        if (auto made = execute(schema); !made) {
            return made;
        }
    }
    return commit();
}

StoreError SqliteTables::error(int code) const {
    const int primary = code & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        return {Failure::refused, "another process has it open: stop that one first"};
    }
    const bool refused = primary == SQLITE_FULL || primary == SQLITE_READONLY ||
                         primary == SQLITE_PERM || primary == SQLITE_AUTH ||
                         primary == SQLITE_TOOBIG || primary == SQLITE_NOTADB;
    return {refused ? Failure::refused : Failure::unavailable,
            std::string("SQLite: ") + sqlite3_errmsg(database_)};
}

StoreResult<void> SqliteTables::execute(const char* sql) {
    const int result = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) {
        return Unexpected{error(result)};
    }
    return {};
}

StoreResult<std::int64_t> SqliteTables::read_number(const char* sql) {
    Query query(*this, sql);
    const auto row = query.step();
    if (!row) {
        return Unexpected{row.error()};
    }
    return *row ? query.number(0) : 0;
}

StoreResult<Revision> SqliteTables::next_revision(const char* counter) {
    Query query(*this, "UPDATE counters SET value = value + 1 WHERE name = ?1 RETURNING value");
    const auto row = query.bind(1, counter).step();
    if (!row) {
        return Unexpected{row.error()};
    }
    const Revision revision = query.revision(0);
    if (const auto ended = query.step(); !ended) {
        return Unexpected{ended.error()};
    }
    return revision;
}

StoreResult<Revision> SqliteTables::put_fact(const std::string& key, ByteView value) {
    auto revision = next_revision("facts");
    if (!revision) {
        return revision;
    }
    Query query(*this, "REPLACE INTO facts (revision, key, value) VALUES (?1, ?2, ?3)");
    if (const auto ran = query.bind(1, to_integer(*revision)).bind(2, key).bind(3, value).run();
        !ran) {
        return Unexpected{ran.error()};
    }
    return revision;
}

StoreResult<std::vector<FactEvent>> SqliteTables::facts_after(Revision after) {
    Query query(*this,
                "SELECT revision, key, value FROM facts WHERE revision > ?1 ORDER BY revision");
    query.bind(1, to_integer(after));
    std::vector<FactEvent> events;
    while (true) {
        const auto row = query.step();
        if (!row) {
            return Unexpected{row.error()};
        }
        if (!*row) {
            return events;
        }
        events.push_back({query.text(1), query.bytes(2), query.revision(0), FactPath::watch});
    }
}

StoreResult<Revision> SqliteTables::last_fact() {
    const auto last = read_number("SELECT value FROM counters WHERE name = 'facts'");
    if (!last) {
        return Unexpected{last.error()};
    }
    return Revision{static_cast<std::uint64_t>(*last)};
}

StoreResult<std::optional<Claim>> SqliteTables::read_claim(const std::string& key) {
    Query query(*this, "SELECT value, revision FROM claims WHERE key = ?1");
    const auto row = query.bind(1, key).step();
    if (!row) {
        return Unexpected{row.error()};
    }
    if (!*row) {
        return std::optional<Claim>{};
    }
    return std::optional<Claim>{Claim{query.bytes(0), query.revision(1)}};
}

StoreResult<Swap> SqliteTables::swap_claim(const std::string& key, ByteView value,
                                           Revision expected) {
    const auto present = read_claim(key);
    if (!present) {
        return Unexpected{present.error()};
    }
    if ((*present ? (*present)->revision : Revision{0}) != expected) {
        return Swap{};
    }
    const auto revision = next_revision("claims");
    if (!revision) {
        return Unexpected{revision.error()};
    }
    Query query(*this, value.empty()
                           ? "DELETE FROM claims WHERE key = ?1"
                           : "REPLACE INTO claims (key, value, revision) VALUES (?1, ?2, ?3)");
    query.bind(1, key);
    if (!value.empty()) {
        query.bind(2, value).bind(3, to_integer(*revision));
    }
    if (const auto ran = query.run(); !ran) {
        return Unexpected{ran.error()};
    }
    return Swap{true, *revision};
}

StoreResult<std::vector<std::string>> SqliteTables::list_claims(const std::string& prefix) {
    // Keys are ASCII: 0x7f comes after them all.
    const std::string end = prefix + "\x7f";
    Query query(*this, "SELECT key FROM claims WHERE key >= ?1 AND key < ?2 ORDER BY key");
    query.bind(1, prefix).bind(2, end);
    std::vector<std::string> keys;
    while (true) {
        const auto row = query.step();
        if (!row) {
            return Unexpected{row.error()};
        }
        if (!*row) {
            return keys;
        }
        keys.push_back(query.text(0));
    }
}

}  // namespace anyswan::store
