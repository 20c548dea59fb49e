// SPDX-License-Identifier: Apache-2.0
// Addresses on interfaces: an edge puts its anycast addresses on lo when it is ready and takes them
// off to drain; the BGP daemon beside it announces what is there.
#pragma once

#include "base/ip.h"
#include "base/result.h"

namespace anyswan::net {

/// Full-length prefix; an address that is there already is no failure. The error says how to mend
/// it.
Status add_interface_address(const std::string& interface, const IpAddress& address);
/// An address that is gone already is no failure.
Status remove_interface_address(const std::string& interface, const IpAddress& address);

}  // namespace anyswan::net
