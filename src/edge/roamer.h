// SPDX-License-Identifier: Apache-2.0
// A branch connector without a fixed address: sees that its way to the peer leads from another
// address now, and has its IKE SAs moved (MOBIKE, RFC 4555).
#pragma once

#include <functional>

#include "edge/ike_role.h"
#include "net/netlink_socket.h"

namespace anyswan::edge {

/// The address to send from, by the host's routes; nothing without a route.
using SourceLookup = std::function<std::optional<IpAddress>(const IpAddress& remote)>;

/// What is to be moved: IKE SAs that we initiated whose own address is no longer the one to send
/// from. One whose peer can't be reached any more at the address in use goes to another one that
/// the peer has named, of the other IP version perhaps. Pure but for `lookup`.
[[nodiscard]] std::vector<ike::MovePath> moves_due(const std::vector<ike::IkeSaSummary>& sas,
                                                   const SourceLookup& lookup);

class Roamer {
public:
    Roamer(Loop& loop, IkeRole& ike);

private:
    void look();

    Loop& loop_;
    IkeRole& ike_;
    std::optional<net::NetlinkSocket> events_;
    Instant looked_;
    Timer timer_;
};

}  // namespace anyswan::edge
