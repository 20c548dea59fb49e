// SPDX-License-Identifier: Apache-2.0
// The words of events: one line for an operator who has a router's log in the other window. A
// refusal says what was offered and what would have been accepted. Text that came from a peer is
// made printable.
#pragma once

#include <string>
#include <vector>

#include "base/spi.h"
#include "core/ike/session.h"

namespace anyswan::ike {

/// Adds an event about a session; `text` is completed with tunnel, peer and SPIs.
void report(Context& context, const Session& session, EventKind kind, const std::string& text,
            EspSpi inbound = {});
/// Adds an event about a peer that has no session.
void report(Context& context, const Endpoint& remote, IkeSpi peer_spi, EventKind kind,
            const std::string& text);

/// Adds an event for each weak algorithm (core/sa/weak.h) that `what` uses.
void report_weak(Context& context, const Session& session, const std::string& what,
                 const std::vector<std::string>& words);

/// Control characters become '?', so that one event stays one line.
[[nodiscard]] std::string printable(std::string text);
/// "aes128-sha1-modp1024, aes256gcm16-prfsha256-x25519": an offer in the words of tunnel
/// configuration; alternatives of one proposal are joined by '/'.
[[nodiscard]] std::string describe(const wire::ike::SecurityAssociation& offer);
[[nodiscard]] std::string describe(const std::vector<crypto::IkeSuite>& suites);
[[nodiscard]] std::string describe(const std::vector<crypto::EspSuite>& suites);
[[nodiscard]] std::string describe(const std::vector<wire::ike::TrafficSelector>& selectors);
/// "tunnel acme/hq accepts ...; tunnel acme/dc accepts ..." (a few of them).
[[nodiscard]] std::string describe_accepted(const std::vector<const sa::TunnelRecord*>& tunnels);

}  // namespace anyswan::ike
