// SPDX-License-Identifier: Apache-2.0
// A session as a script of octets: what two sides want of each other, what the network does to
// their datagrams, how time passes, owners change and the customer moves, and what a peer that
// holds the keys says instead of what it should. Any octets are a script. The fuzzer writes them,
// tests/data/fuzz keeps those that once found something.
#pragma once

#include "base/bytes.h"

namespace anyswan::ike::test {

/// Plays it. Aborts or fails (GoogleTest) if an engine breaks an invariant: N1 and N4 on every
/// datagram, bounded state, and in the end facts that are what the engine has.
void play_script(ByteView script);

}  // namespace anyswan::ike::test
