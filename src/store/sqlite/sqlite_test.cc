// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/sqlite.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "store/conformance.h"
#include "store/open.h"

namespace anyswan::store {
namespace {

/// A path for one test's file, in a folder that is removed in the end.
class TemporaryFile {
public:
    TemporaryFile() {
        std::string pattern = std::filesystem::temp_directory_path() / "anyswan-sqlite-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    ~TemporaryFile() { std::filesystem::remove_all(folder_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    [[nodiscard]] std::string path() const { return folder_ / "store.db"; }

private:
    std::filesystem::path folder_;
};

class SqliteUnderTest final : public StoreUnderTest {
public:
    std::unique_ptr<Store> connect(Executor executor) override {
        auto opened = open_store(SqliteConfig{file_.path()}, std::move(executor));
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return std::move(*opened);
    }
    [[nodiscard]] bool can_cut() const override { return false; }
    void cut(Store&) override {}
    void heal(Store&) override {}

private:
    TemporaryFile file_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreMaker{
                             "sqlite", [] { return std::make_unique<SqliteUnderTest>(); }}));

class Sqlite : public testing::Test {
protected:
    std::unique_ptr<Store> open() {
        auto opened = open_sqlite(file_.path(), loop_.executor());
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return std::move(*opened);
    }
    std::string refusal() {
        auto opened = open_sqlite(file_.path(), loop_.executor());
        return opened ? "" : opened.error().message;
    }

    TestLoop loop_;
    TemporaryFile file_;
};

TEST_F(Sqlite, ARestartKeepsEverythingAndRevisionsGoOn) {
    auto store = open();
    const Revision first = put(loop_, *store, "k/1", "1").value();
    const Revision second = put(loop_, *store, "k/2", "2").value();
    const Swap claim = swap(loop_, *store, "c/1", "x", Revision{0}).value();
    const Swap gone = swap(loop_, *store, "c/2", "y", Revision{0}).value();
    ASSERT_TRUE(release(loop_, *store, "c/2", gone.revision).value().won);
    store.reset();
    store = open();
    EXPECT_EQ(read(loop_, *store, "c/1").value()->revision, claim.revision);
    const Swap again = swap(loop_, *store, "c/2", "z", Revision{0}).value();
    EXPECT_GT(again.revision, gone.revision) << "a revision must never come twice";
    Watched watched;
    store->watch_facts(first, watched.sink());
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 1; }));
    EXPECT_EQ(watched.state(), (std::map<std::string, std::string>{{"k/2", "2"}}));
    EXPECT_GT(put(loop_, *store, "k/3", "3").value(), second);
    EXPECT_TRUE(watched.resets.empty());
}

TEST_F(Sqlite, AFileReplacedByAnOlderOneIsAReset) {
    auto store = open();
    ASSERT_TRUE(put(loop_, *store, "k/1", "1").has_value());
    store.reset();
    const std::string copy = file_.path() + ".copy";
    std::filesystem::copy_file(file_.path(), copy);
    store = open();
    const Revision seen = put(loop_, *store, "k/2", "2").value();
    store.reset();
    std::filesystem::rename(copy, file_.path());
    store = open();
    Watched watched;
    store->watch_facts(seen, watched.sink());
    ASSERT_TRUE(loop_.run_until([&] { return watched.snapshots.size() == 1; }));
    EXPECT_EQ(watched.resets.size(), 1U);
    EXPECT_EQ(watched.state().size(), 1U);
}

TEST_F(Sqlite, WritesThatWereAskedBeforeTheStoreWasLetGoAreCarriedOut) {
    auto store = open();
    for (int i = 0; i < 2000; ++i) {
        store->put_fact("k/" + std::to_string(i), to_bytes("v"), [](const auto&) {});
    }
    store.reset();
    store = open();
    Watched watched;
    store->watch_facts(Revision{0}, watched.sink());
    ASSERT_TRUE(loop_.run_until([&] { return !watched.snapshots.empty(); }));
    EXPECT_EQ(watched.state().size(), 2000U);
}

TEST_F(Sqlite, TheFileIsReadableForItsOwnerOnly) {
    const mode_t before = umask(0);
    auto store = open();
    ASSERT_TRUE(put(loop_, *store, "k", "v").has_value());
    umask(before);
    for (const char* suffix : {"", "-wal"}) {
        struct stat status {};
        ASSERT_EQ(stat((file_.path() + suffix).c_str(), &status), 0) << suffix;
        EXPECT_EQ(status.st_mode & 0777U, 0600U) << suffix;
    }
}

/// Another process that has opened `path`, until it is killed.
class OtherProcess {
public:
    explicit OtherProcess(const std::string& path) {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe(ends.data()), 0);
        pid_ = fork();
        if (pid_ == 0) {
            TestLoop loop;
            auto store = open_sqlite(path, loop.executor());
            const bool wrote = store && put(loop, **store, "theirs", "v").has_value();
            (void)!write(ends[1], wrote ? "+" : "-", 1);
            while (true) {
                pause();
            }
        }
        char byte = '-';
        EXPECT_EQ(::read(ends[0], &byte, 1), 1);
        EXPECT_EQ(byte, '+');
        close(ends[0]);
        close(ends[1]);
    }
    ~OtherProcess() { kill_it(); }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    void kill_it() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
            pid_ = 0;
        }
    }

private:
    pid_t pid_ = 0;
};

TEST_F(Sqlite, ASecondProcessIsRefusedAndWhatAKilledOneWroteIsThere) {
    OtherProcess other(file_.path());
    EXPECT_NE(refusal().find("another process has it open"), std::string::npos) << refusal();
    other.kill_it();
    auto store = open();
    Watched watched;
    store->watch_facts(Revision{0}, watched.sink());
    ASSERT_TRUE(loop_.run_until([&] { return !watched.snapshots.empty(); }));
    EXPECT_EQ(watched.state(), (std::map<std::string, std::string>{{"theirs", "v"}}));
}

TEST_F(Sqlite, ForeignFilesAndNewerOnesAreRefused) {
    const auto make = [&](const char* sql) {
        std::filesystem::remove(file_.path());
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open(file_.path().c_str(), &database), SQLITE_OK);
        ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(database);
    };
    make("CREATE TABLE theirs (x)");
    EXPECT_NE(refusal().find("not a store of anyswan"), std::string::npos) << refusal();
    make("PRAGMA application_id = 0x616e7973; PRAGMA user_version = 99");
    EXPECT_NE(refusal().find("newer release"), std::string::npos) << refusal();
    auto nowhere = open_sqlite("/nonexistent/store.db", loop_.executor());
    EXPECT_FALSE(nowhere.has_value());
}

}  // namespace
}  // namespace anyswan::store
