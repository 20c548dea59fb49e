// SPDX-License-Identifier: Apache-2.0
// The commands that ask a running daemon, or check files. Each returns the exit status.
#pragma once

#include <string>

namespace anyswan::cli {

/// Options that every command has.
struct Common {
    std::string api = "/run/anyswan/anyswan.sock";
    bool json = false;
};

int apply(const Common& common, const std::string& path);
int tunnel_list(const Common& common);
int tunnel_show(const Common& common, const std::string& id);
int tunnel_delete(const Common& common, const std::string& id);
int sa_list(const Common& common);
int sa_rekey(const Common& common, const std::string& spi);
int sa_delete(const Common& common, const std::string& spi);
/// An order to send peers away; an empty `to` ends it, an empty `tunnel` means all.
struct Redirect {
    std::string to;
    std::string tunnel;
    bool existing = false;
};
int redirect(const Common& common, const Redirect& order);
int fleet_status(const Common& common);
int counters(const Common& common);
int config_check(const Common& common, const std::string& path);
/// What this kernel can do for the kernel dataplane; no daemon needed. 1: something needed is
/// missing.
int doctor(const Common& common);
int keygen();

}  // namespace anyswan::cli
