// SPDX-License-Identifier: Apache-2.0
// The stateless edge of the protocol: what can be judged, and answered, before any IKE SA exists.
// Order of distrust: length, version, SPIs; then the payloads of IKE_SA_INIT; then COOKIE; only
// then may a half-open IKE SA cost memory and a key exchange.
#pragma once

#include "core/ike/context.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike {

struct Arrival;

/// The payloads of IKE_SA_INIT that must be there, borrowed from the message.
struct InitPayloads {
    const wire::ike::SecurityAssociation* sa = nullptr;
    const wire::ike::KeyExchange* ke = nullptr;
    const wire::ike::Nonce* nonce = nullptr;
    /// Nothing if one is missing or the nonce has a size that RFC 7296 3.9 forbids.
    static std::optional<InitPayloads> of(const wire::ike::Message& message);
};

class Front {
public:
    /// Header and version; drops (and answers) what isn't IKEv2.
    [[nodiscard]] std::optional<wire::ike::HeaderView> read_header(Context& context,
                                                                   const DatagramReceived& input);
    /// An IKE_SA_INIT request: its shape, COOKIE and limits. The message, if it may become a
    /// half-open IKE SA.
    [[nodiscard]] std::optional<wire::ike::Message> admit(Context& context, const Arrival& arrival,
                                                          std::size_t half_open);
    /// No IKE SA of ours has that SPI.
    void answer_unknown_spi(Context& context, const Arrival& arrival);
    /// Sends an unprotected Notify in answer to a request, unless too many were sent lately: then
    /// drops with refusal_rate_limited and returns false.
    bool refuse(Context& context, const Path& path, const wire::ike::Header& request,
                wire::ike::Notify notify);

private:
    [[nodiscard]] bool may_refuse(Instant now);

    bool demanding_cookies_ = false;
    // A token bucket, in refusals.
    std::uint64_t tokens_ = 0;
    std::optional<Instant> filled_at_;
};

}  // namespace anyswan::ike
