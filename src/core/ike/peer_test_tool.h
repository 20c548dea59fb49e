// SPDX-License-Identifier: Apache-2.0
// A peer's pen: writes any protected message with the keys of a claim, also what our own engine
// would never say.
#pragma once

#include "core/ike/protect.h"
#include "core/sa/records.h"

namespace anyswan::ike::test {

class PeerTool {
public:
    /// `claim`: of the side it plays.
    explicit PeerTool(const sa::IkeSaRecord& claim)
        : claim_(claim.clone()),
          ours_(claim.suite.cipher, (claim.we_initiated ? claim.sk_ei : claim.sk_er).reveal(),
                (claim.we_initiated ? claim.sk_ai : claim.sk_ar).reveal()),
          theirs_(claim.suite.cipher, (claim.we_initiated ? claim.sk_er : claim.sk_ei).reveal(),
                  (claim.we_initiated ? claim.sk_ar : claim.sk_ai).reveal()) {}

    [[nodiscard]] Bytes request(wire::ike::ExchangeType exchange, MessageId id,
                                const std::vector<wire::ike::Payload>& payloads) {
        return ours_.seal(header(exchange, id), payloads, next_iv_++, random_);
    }
    [[nodiscard]] Bytes response(wire::ike::ExchangeType exchange, MessageId id,
                                 const std::vector<wire::ike::Payload>& payloads) {
        wire::ike::Header head = header(exchange, id);
        head.response = true;
        return ours_.seal(head, payloads, next_iv_++, random_);
    }
    /// `plain` is taken as it is for the inside of SK.
    [[nodiscard]] Bytes raw_request(wire::ike::ExchangeType exchange, MessageId id,
                                    wire::ike::PayloadType first, const Bytes& plain) {
        return ours_.seal_with_iv(header(exchange, id), first, plain, Bytes(8, 0xee), {});
    }
    [[nodiscard]] std::vector<wire::ike::Payload> open(ByteView datagram) {
        auto opened = theirs_.open(datagram);
        check(opened.has_value(), "the engine's answer opens");
        return std::move(opened->payloads);
    }

private:
    [[nodiscard]] wire::ike::Header header(wire::ike::ExchangeType exchange, MessageId id) const {
        wire::ike::Header made;
        made.initiator_spi = claim_.we_initiated ? claim_.our_spi : claim_.peer_spi;
        made.responder_spi = claim_.we_initiated ? claim_.peer_spi : claim_.our_spi;
        made.exchange = exchange;
        made.from_initiator = claim_.we_initiated;
        made.message_id = id;
        return made;
    }

    sa::IkeSaRecord claim_;
    MessageProtector ours_;
    MessageProtector theirs_;
    SeededRandom random_{99};
    std::uint64_t next_iv_ = 0xff00000000;
};

}  // namespace anyswan::ike::test
