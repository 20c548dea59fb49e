// SPDX-License-Identifier: Apache-2.0
#include "store/open.h"

#include "store/jetstream/jetstream.h"
#include "store/memory/memory.h"
#include "store/sqlite/sqlite.h"

namespace anyswan::store {

Result<std::unique_ptr<Store>> open_store(const StoreConfig& config, Executor executor) {
    if (const auto* const sqlite = std::get_if<SqliteConfig>(&config)) {
        return open_sqlite(sqlite->path, std::move(executor));
    }
    if (const auto* const memory = std::get_if<MemoryConfig>(&config)) {
        const auto hub = memory->hub ? memory->hub : MemoryHub::create();
        return std::unique_ptr<Store>(hub->connect(std::move(executor)));
    }
    auto opened =
        JetStreamStore::open(std::get<JetStreamConfig>(config).clone(), std::move(executor));
    if (!opened) {
        return Unexpected{opened.error()};
    }
    return std::unique_ptr<Store>(std::move(*opened));
}

}  // namespace anyswan::store
