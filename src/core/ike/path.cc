// SPDX-License-Identifier: Apache-2.0
// Where the peer of an established IKE SA is: what its own packets tell (RFC 7296 2.23).
#include "core/ike/session.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

namespace {

/// RFC 7296 2.23: hosts "that are not behind a NAT SHOULD send all packets ... to the IP address
/// and port from the last valid authenticated packet from the other end"; "A host behind a NAT
/// SHOULD NOT do this type of dynamic address update". We do it for peers behind a NAT: no others
/// come from changing addresses.
bool follows(const Session& session) {
    return established(session) != nullptr && session.nat.peer_is_behind &&
           !session.nat.we_are_behind;
}

/// RFC 4555 3.8: "The host not behind a NAT MUST NOT use these dynamic updates for IKEv2 packets,
/// but MAY use them for ESP packets": with MOBIKE, a message from elsewhere may just try a path.
bool follows_ike(const Session& session) {
    return follows(session) && !session.mobility.supported;
}

}  // namespace

std::vector<Write> follow_peer(Session& session, const Path& path) {
    if (!follows_ike(session) || session.path == path) {
        return {};
    }
    session.path = path;
    std::vector<Write> writes;
    writes.emplace_back(endpoint_of(session));
    return writes;
}

void esp_moved(Session& session, const Path& path) {
    // An initiator decides by itself where the path goes; an address that the peer has just named
    // is younger than the ESP that was on its way.
    if (follows(session) && !session.mobility.unchecked &&
        !(session.mobility.supported && session.origin_initiated)) {
        session.path = path;
    }
}

}  // namespace anyswan::ike
