// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/sqlite.h"

#include <condition_variable>
#include <filesystem>
#include <thread>

#include "store/local/client.h"
#include "store/sqlite/tables.h"

namespace anyswan::store {
namespace {

/// Requests of one transaction; more wait for the next.
constexpr std::size_t batch_max = 512;

/// Carries requests out in a worker thread.
class SqliteHub final : public LocalHub {
public:
    SqliteHub(std::unique_ptr<SqliteTables> tables, std::string path)
        : LocalHub(std::move(tables)), path_(std::move(path)), worker_([this] { work(); }) {}
    ~SqliteHub() override;

    [[nodiscard]] std::string describe() const override { return "sqlite " + path_; }

private:
    void schedule(Request request) override;
    void work();

    const std::string path_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Request> queue_;
    bool stopping_ = false;
    std::thread worker_;  // last: it uses all of the above
};

/// What was asked before is carried out: a caller may have let go of its store right after a put.
SqliteHub::~SqliteHub() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    worker_.join();
}

void SqliteHub::schedule(Request request) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
    wake_.notify_one();
}

void SqliteHub::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) {
            return;
        }
        std::vector<Request> batch;
        if (queue_.size() <= batch_max) {
            batch.swap(queue_);
        } else {
            const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(batch_max);
            batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
            queue_.erase(queue_.begin(), end);
        }
        lock.unlock();
        run_batch(std::move(batch));
        lock.lock();
    }
}

/// Files that this process has open. SQLite's lock is the process's: a second open would get in.
struct OpenFiles {
    std::mutex mutex;
    std::map<std::string, std::weak_ptr<SqliteHub>> hubs;
};
OpenFiles& open_files() {
    static OpenFiles files;
    return files;
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, Executor executor) {
    std::error_code error;
    const std::string absolute = std::filesystem::weakly_canonical(path, error).string();
    if (error) {
        return fail("open the store " + path + ": " + error.message());
    }
    OpenFiles& files = open_files();
    const std::lock_guard lock(files.mutex);
    std::shared_ptr<SqliteHub> hub = files.hubs[absolute].lock();
    if (!hub) {
        auto tables = SqliteTables::open(absolute);
        if (!tables) {
            return Unexpected{tables.error()};
        }
        hub = std::make_shared<SqliteHub>(std::move(*tables), absolute);
        files.hubs[absolute] = hub;
    }
    return std::unique_ptr<Store>(
        std::make_unique<LocalStore>(std::move(hub), std::move(executor)));
}

}  // namespace anyswan::store
