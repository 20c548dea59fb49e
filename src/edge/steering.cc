// SPDX-License-Identifier: Apache-2.0
#include "edge/steering.h"

#include "core/wire/ike/message.h"

namespace anyswan::edge {

Steering steer(ByteView datagram) {
    const auto view = wire::ike::HeaderView::read(datagram);
    if (!view) {
        // Malformed ones get their drop reason, and answer if the RFC asks for one, from the engine
        // here.
        return datagram.size() < wire::ike::header_size ? Steering(SteerNowhere{})
                                                        : Steering(SteerHere{});
    }
    const wire::ike::Header& header = view->header;
    const IkeSpi ours = header.from_initiator ? header.responder_spi : header.initiator_spi;
    return ours == IkeSpi{} ? Steering(SteerHere{}) : Steering(SteerToOwner{ours});
}

}  // namespace anyswan::edge
