// SPDX-License-Identifier: Apache-2.0
// How a [[tunnel]] authenticates: pre-shared key, certificates, trust anchors, CRLs, PPK. Files are
// read here, so that what is wrong with one is said with its name before anything is applied.
#pragma once

#include "config/toml_reader.h"
#include "core/sa/records.h"

namespace anyswan::config {

/// Fills in local_id, remote_id, psk, credentials and allow_weak.
void read_authentication(TableReader& table, sa::TunnelRecord& tunnel);

/// Replaces the names of files in the [[tunnel]] tables by what the files hold: the daemon can't
/// read the caller's files. Files that can't be read stay as they are.
void inline_files(toml::table& root);

}  // namespace anyswan::config
