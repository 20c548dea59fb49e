// SPDX-License-Identifier: Apache-2.0
// Message IDs of one IKE SA with a window of one in both directions (RFC 7296 2.1 to 2.3): which
// request of the peer is new, what answered the last one, and our own request in flight with its
// retransmissions.
//
// Takeover and the peer's liveness checks. Answering an empty INFORMATIONAL is not written to the
// store, so the claim's expected ID is a lower bound: the requests between it and the peer's true
// next ID were empty, and each was answered by an empty response. A window made from a claim is
// therefore open upwards: it takes any ID from the recorded one on as new, until a request that is
// written to the store fixes it again. If such a request is a repetition that the former owner
// answered, it gets the same empty response again (N4; channel.h tells how its IV is chosen).
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/strong.h"
#include "base/time.h"
#include "core/wire/ike/registry.h"

namespace anyswan::ike {

/// What a request's message ID tells about it.
enum class Freshness : std::uint8_t { fresh, repeated, outside };

/// How long to wait and how often to try again.
struct RetransmitPolicy {
    Duration first;
    unsigned tries = 0;
};

/// A request of ours that waits for its response.
struct OutstandingRequest {
    MessageId id;
    wire::ike::ExchangeType exchange{};
    std::vector<Bytes> datagrams;
    unsigned retransmissions = 0;
    Duration wait{};
    Instant due;
};

class Window {
public:
    Window() = default;
    /// From a claim: open upwards, see above.
    struct Recorded {
        MessageId expected_request;
        MessageId next_request;
        std::vector<Bytes> last_response;
    };
    explicit Window(Recorded recorded);

    // The peer's requests.
    [[nodiscard]] Freshness judge(MessageId id) const;
    [[nodiscard]] MessageId expected_request() const { return expected_; }
    /// The request was answered so; `fixes` unless it changed nothing that the store should know.
    struct Answer {
        MessageId id;
        std::vector<Bytes> datagrams;
        bool fixes = true;
    };
    void answered(Answer answer);
    [[nodiscard]] const std::vector<Bytes>& last_response() const { return last_response_; }

    // Ours.
    [[nodiscard]] MessageId next_request() const { return next_request_; }
    /// IKE_SA_INIT begins again with message ID 0 (COOKIE, INVALID_KE_PAYLOAD).
    void restart();
    void sent(wire::ike::ExchangeType exchange, std::vector<Bytes> datagrams, Instant now,
              const RetransmitPolicy& policy);
    /// A claim's request, to be sent again as it is; doesn't use up a message ID.
    void resume(OutstandingRequest request, Instant now, const RetransmitPolicy& policy);
    [[nodiscard]] const std::optional<OutstandingRequest>& outstanding() const {
        return outstanding_;
    }
    void completed() { outstanding_.reset(); }
    /// The request in flight is due at once, and has all its tries again: the path is a new one.
    void hurry(Instant now, const RetransmitPolicy& policy);
    /// After `due`: true if the request is to be sent again (and the next wait is armed), false if
    /// it was tried often enough.
    [[nodiscard]] bool retry(Instant now, const RetransmitPolicy& policy);

private:
    MessageId expected_;
    bool open_upwards_ = false;
    std::vector<Bytes> last_response_;
    MessageId next_request_;
    std::optional<OutstandingRequest> outstanding_;
};

}  // namespace anyswan::ike
