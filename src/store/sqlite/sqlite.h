// SPDX-License-Identifier: Apache-2.0
// The embedded store: one SQLite file, for one edge without a server. What was acknowledged
// survives a crash and a power loss (WAL, synchronous=FULL); revisions go on after a restart.
// Requests are carried out by a worker thread, as many per transaction as have come in, so that one
// fsync serves them all. The bus and the fast path stay in the process.
//
// One process at a time may have the file; within it, stores opened on one file are clients of one
// store. A disk that hangs delays completions beyond the timeout of other stores.
#pragma once

#include "store/store.h"

namespace anyswan::store {

/// Opens or makes the file (mode 0600). Fails if another process has it, or if it is not ours.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite(const std::string& path,
                                                         Executor executor);

}  // namespace anyswan::store
