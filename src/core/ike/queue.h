// SPDX-License-Identifier: Apache-2.0
// The queue of our own wishes in an established IKE SA (tasks.h): one request after another.
#pragma once

#include "core/ike/session.h"

namespace anyswan::ike {

/// Adds a wish and starts it if the window is free. Nothing if the same is wanted or under way (but
/// a NewChild is one more each time), or if the session isn't established.
void wish(Session& session, Context& context, Task task);
/// Only adds it: for a session that will go_on() in this step.
void wish_next(Session& session, Task task);
/// Likewise, but it isn't due before.
void wish_later(Session& session, Task task, Instant not_before);
/// Puts it before all others.
void wish_first(Session& session, Wish wish);
/// Whether such a wish waits or is under way.
[[nodiscard]] bool wanted(const Session& session, const Task& task);

/// Starts the next wish that is due; `writes` go with its request. If none is, they are written
/// alone, with the claim (nothing is if `persist` says so and there are none).
void go_on(Session& session, Context& context, std::vector<Write> writes, Persist persist);
/// The request in flight was answered.
void on_answer(Session& session, Context& context, const Inbound& in);
/// When the next wish is due, if the window is free for it.
[[nodiscard]] std::optional<Instant> next_wish(const Session& session);

/// RFC 7296 2.25: "When a peer receives a TEMPORARY_FAILURE notification, it MUST NOT immediately
/// retry the operation; it MUST wait so that the sender may complete whatever operation caused the
/// temporary condition. ... If a peer continues to receive TEMPORARY_FAILURE on the same IKE SA
/// after several minutes, it SHOULD conclude that the state information is out of sync and close
/// the IKE SA."
void put_off(Session& session, Context& context, Wish wish);
/// The peer is about to do something that may make it moot.
void wait_a_moment(Session& session, Context& context, Wish wish);
/// The peer refused it for good reason; conditions may change: once more in a while.
void refused(Session& session, Context& context, Wish wish);

}  // namespace anyswan::ike
