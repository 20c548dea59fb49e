// SPDX-License-Identifier: Apache-2.0
// Opens the store that the configuration names.
#pragma once

#include <variant>

#include "store/jetstream/config.h"
#include "store/store.h"

namespace anyswan::store {

class MemoryHub;

struct SqliteConfig {
    std::string path;
};
struct MemoryConfig {
    /// Shared between the clients of one process; nothing: a store of its own.
    std::shared_ptr<MemoryHub> hub;
};
using StoreConfig = std::variant<SqliteConfig, JetStreamConfig, MemoryConfig>;

/// The error tells the operator what to mend. A JetStream store whose servers are away is no error:
/// see Store::on_link_state.
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(const StoreConfig& config,
                                                        Executor executor);

}  // namespace anyswan::store
